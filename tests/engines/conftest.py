from __future__ import annotations

from pathlib import Path

import pytest

from selam_agent.engines.tts_espeak import EspeakSynthesizer
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
