"""What `serve` says about what leaves the machine."""

import pytest

from selam_agent.cli_serve import privacy_line
from selam_agent.ports import SynthesizerInfo
from selam_agent.session.config import Engines
from selam_agent.settings import Settings
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber


class Away(FakeSynthesizer):
    info = SynthesizerInfo(name="edge", leaves_machine=True, remote=True)


@pytest.mark.parametrize(
    ("voices", "settings", "said", "line"),
    [
        ({"edge": Away()}, {}, "Leaves this machine: the agent's answers, as text, to edge", "allow = []"),
        ({"espeak": FakeSynthesizer()}, {}, "Nothing that is said leaves this machine", 'allow = ["edge"]'),
        ({"espeak": FakeSynthesizer()}, {"server": {"offline": True}}, "Nothing", "machine."),
    ],
)
def test_the_line_that_changes_it_is_named(voices: dict, settings: dict, said: str, line: str) -> None:
    engines = Engines(transcriber=FakeTranscriber([]), chat_model=FakeChatModel(), synthesizers=voices)
    text = privacy_line(engines, Settings.model_validate(settings))
    assert text.startswith(said) and line in text
    assert ("edge" in text) is ("edge" in voices or not settings)
