"""A recogniser that knows only whole phrases hears one where half of it is still to come."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from selam_agent import events
from selam_agent.ports import TranscriberInfo
from tests.fakes import FakeTranscriber, silence, speech, talk
from tests.session.calls import call
from tests.virtual_clock import run


@dataclass
class ClosedVocabulary(FakeTranscriber):
    @property
    def info(self) -> TranscriberInfo:
        return TranscriberInfo(name="fake", open_vocabulary=False, tested_on="nothing")


@pytest.mark.parametrize(
    ("stt", "waited_ms"), [(ClosedVocabulary, 800), (FakeTranscriber, 400)], ids=["closed", "open"]
)
def test_it_waits_for_the_rest(stt: type[FakeTranscriber], waited_ms: int) -> None:
    async def story() -> None:
        async with call(stt=stt(["What time is it?"] * 3, delay=0.01)) as it:
            await talk(it.session, speech(400) + silence(1500))
            await it.until(events.AudioEnd)
            (metrics,) = it.outlet.all(events.TurnMetrics)
            assert waited_ms <= metrics.endpoint_ms <= waited_ms + 40

    run(story())
