"""The real sherpa-onnx on a model of a few hundred bytes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selam_agent.engines import catalog
from selam_agent.engines.stt_routing import RoutingTranscriber
from selam_agent.engines.stt_sherpa import SherpaTranscriber
from selam_agent.errors import EngineError, SettingsError
from selam_agent.ports import Transcriber, TranscriptionRequest
from selam_agent.settings import Settings, Stt
from tests.engines.tiny_sherpa import build

Build = Callable[[Settings], Transcriber]


def bursts(count: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """So many loud stretches of 200 ms with silence around them."""
    tone = (np.sin(np.arange(3_200) / 5) * 9000).astype(np.int16)
    quiet = np.zeros(4_800, np.int16)
    return np.concatenate([quiet, *[np.concatenate([tone, quiet]) for _ in range(count)]])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("models") / "omnilingual-tiny")


async def test_an_utterance_becomes_text(model: Path) -> None:
    stt = SherpaTranscriber(model, Stt(workers=2))
    assert isinstance(stt, Transcriber)
    assert stt.info.open_vocabulary and not stt.info.leaves_machine
    assert set(stt.info.languages or ()) == {"am", "so", "ti", "om", "en"}
    try:
        requests = [TranscriptionRequest(audio=bursts(n), language="am") for n in (1, 2, 3)]
        heard = await asyncio.gather(*(stt.transcribe(each) for each in requests))
        assert [each.text for each in heard] == ["ሰ", "ሰሰ", "ሰሰሰ"]
        assert all(each.language == "am" and each.rejected is None for each in heard)
        silence = await stt.transcribe(TranscriptionRequest(audio=np.zeros(16_000, np.int16)))
        assert (silence.text, silence.rejected, silence.language) == ("", "empty", None)
        latin = await stt.transcribe(TranscriptionRequest(audio=bursts(1), language="so"))
        assert latin.rejected == "wrong_script"
        with pytest.raises(EngineError) as unknown:
            await stt.transcribe(TranscriptionRequest(audio=bursts(1), language="fr"))
        assert unknown.value.code == "language_not_supported"
    finally:
        await stt.aclose()
    with pytest.raises(EngineError) as closed:
        await stt.transcribe(TranscriptionRequest(audio=bursts(1)))
    assert closed.value.code == "stt_closed"


def test_it_is_found_by_its_name_among_the_pulled_models(
    model: Path, tmp_path: Path, recogniser: Build
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "omnilingual-300m").symlink_to(model)
    names = {"am": "sherpa:omnilingual-300m", "ti": "sherpa:omnilingual-300m", "any": f"sherpa:{model}"}
    settings = Settings(server={"data_dir": tmp_path}, stt={"models": names, "engine": "command"})
    made = recogniser(settings)
    assert isinstance(made, RoutingTranscriber) and len(made.parts) == 3
    assert made.part("am") is made.part("ti") is not made.part(None)
    assert made.info_for("am").name == "sherpa omnilingual-300m" and made.info_for("so").name == "command"


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ((), {}, "of which kind this model is"),
        ((), {"kind": "nemo_ctc"}, "lacks model.onnx, tokens.txt"),
        (("tiny-encoder.int8.onnx", "tiny-decoder.onnx"), {}, "lacks tokens.txt"),
        (("encoder.onnx", "joiner.onnx", "tokens.txt"), {}, "lacks decoder.onnx"),
        (("model.onnx", "tokens.txt"), {"kind": "gpt"}, "set options.kind to one of omnilingual, transducer"),
    ],
)
def test_an_incomplete_model_is_told(
    tmp_path: Path, files: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(SettingsError, match=message):
        SherpaTranscriber(tmp_path, Stt(options=options))


def test_a_parameter_that_does_not_exist_is_told(model: Path) -> None:
    with pytest.raises(SettingsError, match=r"does not load.*colour"):
        SherpaTranscriber(model, Stt(options={"colour": "red"}))


def test_without_the_library_the_extra_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sherpa_onnx", None)
    with pytest.raises(SettingsError, match=r"pip install 'selam-agent\[sherpa\]'"):
        SherpaTranscriber(model, Stt())


def test_a_model_that_was_not_pulled_is_told(tmp_path: Path) -> None:
    for stt in ({"engine": "sherpa", "model": "omnilingual-300m"}, {"models": {"om": "sherpa:nowhere"}}):
        with pytest.raises(SettingsError, match=r"no model .*selam-agent models list"):
            catalog.build_transcriber(Settings(server={"data_dir": tmp_path}, stt=stt))
    with pytest.raises(SettingsError, match="needs a model"):
        catalog.build_transcriber(Settings(server={"data_dir": tmp_path}, stt={"engine": "sherpa"}))
