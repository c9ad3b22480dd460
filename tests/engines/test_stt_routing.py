"""Which recogniser hears which language, and what stock Whisper is not used for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selam_agent.engines import catalog, stt_catalog, stt_whisper
from selam_agent.engines.stt_routing import RoutingTranscriber
from selam_agent.errors import SettingsError
from selam_agent.ports import Transcriber, TranscriberInfo, Transcript, TranscriptionRequest
from selam_agent.settings import Settings
from selam_agent.settings_file import load

Build = Callable[[Settings], Transcriber]


class Named:
    """Answers with its own name."""

    def __init__(self, name: str, languages: tuple[str, ...] | None = None, away: bool = False) -> None:
        self.info = TranscriberInfo(
            name=name, open_vocabulary=True, tested_on="nothing", languages=languages, leaves_machine=away
        )
        self.closed = 0

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        return Transcript(text=self.info.name, language=request.language)

    async def aclose(self) -> None:
        self.closed += 1


def made(name: str = "foreign", **options: Any) -> Transcriber:
    return Named(name, **options)


async def heard_by(transcriber: Transcriber, language: str | None) -> str:
    audio = np.zeros(1600, np.int16)
    return (await transcriber.transcribe(TranscriptionRequest(audio=audio, language=language))).text


async def test_each_language_goes_to_its_recogniser_and_the_rest_to_the_default() -> None:
    a, b, c = Named("a"), Named("b", away=True), Named("c")
    routing = RoutingTranscriber({"am": a, "so": b, "om": b}, c)
    assert [await heard_by(routing, code) for code in ("am", "so", "om", "en")] == ["a", "b", "b", "c"]
    # Not known yet: the one that most languages use.
    assert await heard_by(routing, None) == "b"
    assert routing.info.leaves_machine and not routing.info_for("am").leaves_machine
    assert [each.info.name for each in routing.parts] == ["a", "b", "c"]
    await routing.aclose()
    assert (a.closed, b.closed, c.closed) == (1, 1, 1)


async def test_one_may_be_named_for_callers_whose_language_is_not_known() -> None:
    routing = RoutingTranscriber({"am": Named("a"), "any": Named("x")}, Named("c"))
    assert await heard_by(routing, None) == "x" and await heard_by(routing, "ti") == "c"


def test_models_are_read_from_a_table_short_text_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "selam.toml"
    file.write_text(
        '[stt.models]\nam = "sherpa:/m/omni"\n[stt.models.en]\nengine = "whisper"\nmodel = "small"\n'
    )
    models = load(file, {}).stt.models
    assert (models["am"].engine, models["am"].model) == ("sherpa", "/m/omni")
    assert (models["en"].engine, models["en"].model) == ("whisper", "small")
    given = json.dumps({"so": {"engine": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}})
    assert load(file, {"SELAM_STT__MODELS": given}).stt.models["so"].base_url == "http://127.0.0.1:1/v1"
    factory = load(file, {"SELAM_STT__MODELS": '{"am": "import:pkg.mod:make"}'}).stt.models["am"]
    assert (factory.engine, factory.model) == ("import:pkg.mod:make", "")
    with pytest.raises(SettingsError, match=r"stt\.models\.so\.modle"):
        load(file, {"SELAM_STT__MODELS": '{"so": {"engine": "whisper", "modle": "x"}}'})


def test_the_settings_make_a_routing_one_and_equal_entries_share_an_engine(recogniser: Build) -> None:
    foreign = {"engine": f"import:{__name__}:made", "options": {"name": "mine"}}
    models = {"am": foreign, "so": foreign, "om": {**foreign, "options": {"name": "other"}}}
    routing = recogniser(Settings(stt={"models": models, "engine": "command"}))
    assert isinstance(routing, RoutingTranscriber)
    assert routing.part("am") is routing.part("so") is routing.part(None) is not routing.part("om")
    assert routing.info_for("en").name == "command" and routing.info_for("en").phrases


def test_a_recogniser_that_does_not_know_its_language_is_refused() -> None:
    foreign = {"engine": f"import:{__name__}:made", "options": {"languages": ("en",)}}
    with pytest.raises(SettingsError, match=r"stt\.models\.am: foreign does not know it, only en"):
        catalog.build_transcriber(Settings(stt={"models": {"am": foreign}}))


def test_an_unknown_engine_is_told_where_it_is_named() -> None:
    with pytest.raises(SettingsError, match=r"stt\.models\.am\.engine: unknown engine 'sherp'; .*'sherpa'"):
        catalog.build_transcriber(Settings(stt={"models": {"am": "sherp:x"}}))


def test_an_engine_that_leaves_the_machine_is_asked_about_by_language() -> None:
    foreign = {"engine": f"import:{__name__}:made", "options": {"away": True}}
    with pytest.raises(SettingsError, match=r'stt\.models\.am\.engine: foreign would send .*\["foreign"\]'):
        catalog.build_transcriber(Settings(stt={"models": {"am": foreign}}))


@pytest.mark.parametrize("code", ["ti", "om"])
@pytest.mark.parametrize("model", ["small", "openai/whisper-large-v3"])
def test_stock_whisper_is_refused_before_anything_is_loaded(code: str, model: str) -> None:
    with pytest.raises(SettingsError, match=rf"stt\.models\.{code}: stock Whisper does not know") as caught:
        catalog.build_transcriber(Settings(stt={"models": {code: f"whisper:{model}"}}))
    assert "selam-agent models pull omnilingual-300m" in caught.value.message


def without_ti_and_om(stock: Path, directory: Path, **decoding: Any) -> Path:
    """The tiny Whisper under settings of its own."""
    directory.mkdir()
    for file in stock.iterdir():
        (directory / file.name).symlink_to(file)
    (directory / "decoding.json").write_text(json.dumps(decoding))
    return directory


def test_a_whisper_folder_without_the_language_is_refused_too_and_freed(stock: Path) -> None:
    before = set(stt_whisper._loaded)
    with pytest.raises(SettingsError, match="stock Whisper does not know Tigrinya"):
        catalog.build_transcriber(Settings(stt={"models": {"ti": f"whisper:{stock}"}}))
    assert set(stt_whisper._loaded) == before


def test_a_whisper_that_was_trained_for_it_is_taken(stock: Path, tmp_path: Path, recogniser: Build) -> None:
    tuned = without_ti_and_om(stock, tmp_path / "tuned", language_tokens={"ti": "am"}, languages=["ti"])
    routing = recogniser(Settings(stt={"models": {"ti": f"whisper:{tuned}"}, "engine": "command"}))
    assert isinstance(routing, RoutingTranscriber)
    assert routing.info_for("ti").languages == ("ti",) and not stt_catalog.cautions(routing)


def test_stock_whisper_leaves_ti_and_om_to_the_built_in_one_and_warns_about_am_and_so(
    stock: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, recogniser: Build
) -> None:
    stt = {"engine": "whisper", "model": str(stock)}
    routing = recogniser(Settings(server={"data_dir": tmp_path}, stt=stt))
    assert isinstance(routing, RoutingTranscriber)
    assert routing.info_for("ti").name == routing.info_for("om").name == "command"
    assert routing.info_for(None).name == "whisper" and routing.info.open_vocabulary
    assert routing.info_for("en").name == routing.info.name.rpartition(": ")[2] == "whisper"
    assert "Tigrinya" in caplog.text and "Afaan Oromo" in caplog.text
    amharic, somali = stt_catalog.cautions(routing)
    assert "Amharic is heard by stock Whisper" in amharic and "193 %" in amharic
    assert "Somali" in somali and "omnilingual-300m" in somali
    tuned = without_ti_and_om(stock, tmp_path / "tuned", languages=["am", "so"])
    fine = {"engine": "whisper", "model": str(tuned)}
    assert not stt_catalog.cautions(recogniser(Settings(server={"data_dir": tmp_path}, stt=fine)))


def test_the_built_in_recogniser_alone_stays_as_it_is(recogniser: Build) -> None:
    alone = recogniser(Settings(stt={"engine": "command"}))
    assert not isinstance(alone, RoutingTranscriber) and not stt_catalog.cautions(alone)
