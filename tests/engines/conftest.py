from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selam_agent.engines import catalog
from selam_agent.engines.tts_espeak import EspeakSynthesizer
from selam_agent.ports import Transcriber
from selam_agent.settings import Settings
from tests.engines.tiny_whisper import build as build_model

STOCK = ["en", "am", "so", "sw", "ar"]


@pytest.fixture(scope="session")
def stock(tmp_path_factory) -> Path:
    """Like OpenAI's: no token for ti and om."""
    return build_model(tmp_path_factory.mktemp("whisper") / "stock", STOCK)


@pytest.fixture(scope="session")
def five(tmp_path_factory) -> Path:
    return build_model(tmp_path_factory.mktemp("whisper") / "five", ["en", "am", "om", "so", "ti"])


@pytest.fixture(scope="session")
def overlay(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("espeak")


@pytest.fixture
async def espeak(overlay: Path):
    synthesizer = EspeakSynthesizer(overlay)
    yield synthesizer
    await synthesizer.aclose()


@pytest.fixture
def recogniser() -> Iterator[Callable[[Settings], Transcriber]]:
    """Builds what the settings name, and closes it after the test."""
    made: list[Transcriber] = []

    def build(settings: Settings) -> Transcriber:
        made.append(catalog.build_transcriber(settings))
        return made[-1]

    yield build
    for each in made:
        asyncio.run(each.aclose())
