"""Which model is used, and how its absence is said."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from selam_agent.engines import stt_whisper
from selam_agent.engines.ctc_letters import CLASSES
from selam_agent.engines.ctc_phrases import HEAD_FILE
from selam_agent.engines.stt_whisper import WhisperTranscriber
from selam_agent.errors import SettingsError
from selam_agent.settings import Settings
from tests.engines.conftest import STOCK
from tests.engines.tiny_whisper import build as build_model


@pytest.fixture(autouse=True)
def no_hub(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def settings(tmp_path: Path, **stt) -> Settings:
    return Settings(server={"data_dir": tmp_path, "offline": True}, stt=stt)


def test_a_directory_is_used_with_its_own_decoding_under_the_settings(stock: Path, tmp_path) -> None:
    model = tmp_path / "mine"
    model.mkdir()
    for file in stock.iterdir():
        (model / file.name).symlink_to(file)
    own = {"min_window_s": 1.5, "log_prob_threshold": -0.5, "tested_on": "ten callers", "languages": ["so"]}
    (model / "decoding.json").write_text(json.dumps(own))
    chosen = settings(tmp_path, engine="whisper", model=str(model), log_prob_threshold=-0.7)
    transcriber = stt_whisper.build(chosen)
    assert isinstance(transcriber, WhisperTranscriber)
    decoding = transcriber._shared.decoder.decoding
    assert decoding.min_window_s == 1.5 and decoding.log_prob_threshold == -0.7
    assert transcriber.info.tested_on == "ten callers" and transcriber.info.languages == ("so",)
    asyncio.run(transcriber.aclose())


async def test_auto_takes_the_largest_model_in_the_data_directory(stock: Path, tmp_path, monkeypatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small").symlink_to(stock)
    larger = build_model(tmp_path / "models" / "larger", STOCK, width=96)
    incomplete = tmp_path / "models" / "incomplete"
    incomplete.mkdir()
    (incomplete / "model.bin").write_bytes(b"x" * (8 << 20))
    assert stt_whisper.local_models(tmp_path / "models", small=False)[0] == larger
    monkeypatch.setattr(stt_whisper, "_LARGEST_ON_CPU", (stock / "model.bin").stat().st_size)
    assert stt_whisper.local_models(tmp_path / "models", small=True)[0].name == "small"
    transcriber = stt_whisper.build(settings(tmp_path))
    assert transcriber.info.name == "whisper" and transcriber.info.open_vocabulary
    await transcriber.aclose()


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("./nowhere", "is no directory"),
        ("no-such-size", "neither a directory nor a model"),
        ("someone/whisper-small-somali", "server.offline is set"),
        ("", "no model on this machine"),
    ],
)
def test_a_missing_model_is_named(tmp_path, model: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        stt_whisper.build(settings(tmp_path, engine="whisper", model=model))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"margin": 3}, "unknown option 'margin'; did you mean 'margin_frames'"),
        ({"margin_frames": "3"}, "margin_frames cannot be '3'"),
        ({"hints": 1}, "hints cannot be 1"),
        ({"max_window_s": True}, "max_window_s cannot be True"),
    ],
)
def test_a_wrong_option_is_named(stock: Path, tmp_path, options: dict, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        stt_whisper.build(settings(tmp_path, engine="whisper", model=str(stock), options=options))


def test_an_incomplete_or_broken_model_is_named(stock: Path, tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"no model\.bin, tokenizer\.json, vocabulary\.json"):
        stt_whisper.build(settings(tmp_path, engine="whisper", model=str(tmp_path)))
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_bytes((stock / name).read_bytes())
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(SettingsError, match="does not load"):
        stt_whisper.build(settings(tmp_path, engine="whisper", model=str(tmp_path)))


async def test_the_embedded_recogniser_has_its_own_decoding(five: Path, tmp_path, monkeypatch) -> None:
    own = {"log_prob_threshold": -0.2, "margin_frames": 40, "max_new_tokens": 9}
    (tmp_path / "decoding.json").write_text(json.dumps(own))
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).symlink_to(five / name)
    monkeypatch.setattr(stt_whisper, "COMMAND_MODEL", tmp_path)
    with pytest.raises(SettingsError, match=r"letters\.npz cannot be read"):
        stt_whisper.build(settings(tmp_path / "data", engine="command"))
    head = {"weight": np.zeros((CLASSES, 8), np.float16), "bias": np.zeros(CLASSES, np.float16)}
    np.savez(tmp_path / HEAD_FILE, weight=head["weight"][1:], bias=head["bias"][1:])
    with pytest.raises(SettingsError, match="another alphabet"):
        stt_whisper.build(settings(tmp_path / "data", engine="command"))
    np.savez(tmp_path / HEAD_FILE, **head)
    monkeypatch.setattr(stt_whisper, "phrases", lambda: {"am": ["ሰላም።"], "en": ["Hello."]})
    for engine in ("auto", "command"):
        # Settings are for real models: they do not touch this one.
        transcriber = stt_whisper.build(settings(tmp_path / "data", engine=engine, log_prob_threshold=-3.0))
        assert isinstance(transcriber, WhisperTranscriber)
        info, decoding = transcriber.info, transcriber._shared.decoder.decoding
        assert info.name == "command" and not info.open_vocabulary and "synthetic" in info.tested_on
        assert info.phrases == {"am": ("ሰላም።",), "en": ("Hello.",)}
        assert (decoding.log_prob_threshold, decoding.min_window_s, decoding.max_new_tokens) == (-0.2, 0.0, 9)
        await transcriber.aclose()
    (tmp_path / "model.bin").unlink()
    with pytest.raises(SettingsError, match=r"embedded recogniser is incomplete \(model\.bin\)"):
        stt_whisper.build(settings(tmp_path / "data", engine="command"))
