"""Scoring recordings with a scripted recogniser, and with the real built-in one."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from selam_agent import cli
from selam_agent.errors import EngineError, ValidationError
from selam_agent.models import phrases
from selam_agent.ports import Transcriber, TranscriberInfo, Transcript, TranscriptionRequest
from selam_agent.programs.score import find

RUNNER = CliRunner()


# By length in tenths of a second: the language it is taken for, and the words.
HEARD = {10: ("am", "ሰላም ነው"), 20: ("so", "haa waan rabaa"), 30: (None, "I want to see the doctor")}


class ByLength:
    """Knows each recording by its length."""

    info = TranscriberInfo(name="by length", open_vocabulary=True, tested_on="nothing")

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        tenths = round(len(request.audio) / 1600)
        if tenths == 40:
            raise EngineError("The recogniser is tired.", code="stt_failed")
        language, text = HEARD.get(tenths, (None, ""))
        rejected = None if text else "empty"
        return Transcript(text=text, language=request.language or language, rejected=rejected)

    async def aclose(self) -> None: ...


def recogniser() -> Transcriber:
    return ByLength()


def record(path: Path, tenths: int, text: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.zeros(tenths * 1600, "<i2").tobytes())
    if text is not None:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SELAM_STT__ENGINE", f"import:{__name__}:recogniser")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "recordings"


def test_scores_by_language(scripted: Path) -> None:
    record(scripted / "am" / "1.wav", 10, "ሠላም ነው።")
    record(scripted / "am" / "2.wav", 5, "ሰላም")
    record(scripted / "speaker1" / "a.wav", 20, "Haa, waan rabaa")
    record(scripted / "b.wav", 30, "I want to see a doctor")
    record(scripted / "no words.wav", 10, None)
    (scripted / "manifest.json").write_text(json.dumps({"speaker1/a.wav": "so"}))
    result = RUNNER.invoke(cli.main_app, ["score", str(scripted), "--lang", "en", "--json", "-"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    am, so, en = (report["languages"][code] for code in ("am", "so", "en"))
    assert (am["n"], am["wer"], am["rejected"], am["seconds"]) == (2, round(1 / 3, 4), 1, 1.5)
    assert am["wer_raw"] == 1.0 and am["language_right"] == 0.5
    assert (so["wer"], so["cer"], so["language_right"]) == (0.0, 0.0, 1.0)
    assert (en["wer"], en["language_right"]) == (round(1 / 6, 4), 1.0)
    assert all(each["real_time_factor"] >= 0 for each in (am, so, en))
    assert [each["file"] for each in report["recordings"]] == [
        "am/1.wav", "am/2.wav", "b.wav", "speaker1/a.wav",
    ]  # fmt: skip
    shown = RUNNER.invoke(cli.main_app, ["score", str(scripted), "--lang", "en"])
    assert shown.exit_code == 0 and "by length" in shown.output and "33.3%" in shown.output


def test_what_cannot_be_heard_is_told_and_the_rest_is_scored(scripted: Path) -> None:
    record(scripted / "so" / "1.wav", 20, "Haa waan rabaa")
    record(scripted / "so" / "2.wav", 40, "Maya")
    (scripted / "so" / "3.wav").write_bytes(b"no sound")
    (scripted / "so" / "3.txt").write_text("x")
    result = RUNNER.invoke(cli.main_app, ["score", str(scripted), "--json", str(scripted / "out.json")])
    assert result.exit_code == 1 and "tired" in result.output
    report = json.loads((scripted / "out.json").read_text())
    assert report["languages"]["so"]["n"] == 1 and len(report["failed"]) == 2


@pytest.mark.parametrize(
    ("manifest", "language", "message"),
    [("", None, "1.wav: which of am"), ("", "fr", "1.wav: which of am"), ("{", "en", "manifest.json"),
     ('{"1.wav": 3}', "en", "must be a JSON object"), ('{"1.wav": "xx"}', "en", "1.wav: which of am")],
)  # fmt: skip
def test_an_untold_language_is_an_error(
    tmp_path: Path, manifest: str, language: str | None, message: str
) -> None:
    record(tmp_path / "1.wav", 10, "x")
    if manifest:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ValidationError, match=message):
        list(find(tmp_path, ("am", "en"), language))


def test_an_empty_folder_and_none_are_errors(scripted: Path) -> None:
    for prepare in (lambda: None, scripted.mkdir):
        prepare()
        with pytest.raises(ValidationError, match=r"is no folder|holds no sound file"):
            RUNNER.invoke(cli.main_app, ["score", str(scripted)], catch_exceptions=False)


def test_the_built_in_recogniser_is_scored_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELAM_STT__ENGINE", "command")
    record(tmp_path / "en" / "1.wav", 10, phrases()["en"][0])
    result = RUNNER.invoke(cli.main_app, ["score", str(tmp_path), "--json", "-"])
    report = json.loads(result.stdout)
    assert report["recogniser"] == "command" and report["languages"]["en"]["wer"] == 1.0
