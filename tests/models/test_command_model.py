"""The shipped recogniser does what its card says, on the voices the product speaks with."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from selam_agent.models import COMMAND_MODEL, phrases
from selam_agent.train.book import LANGUAGES, read_book
from selam_agent.train.decode import Decoder
from selam_agent.train.unknown import UNSEEN
from tests import espeak_afresh

VOICES = Path(__file__).parents[2] / "voices"
DECODING = json.loads((COMMAND_MODEL / "decoding.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(COMMAND_MODEL)


def accepted(decoder: Decoder, audio: NDArray[np.float32]) -> str:
    heard = decoder.hear(audio)
    sure = heard.accepted(*(DECODING[f"{name}_threshold"] for name in ("log_prob", "no_speech", "spelling")))
    return heard.text if sure else ""


@functools.cache
def speak(text: str, voice: str, rate: int, pitch: int) -> NDArray[np.float32]:
    """16 kHz float32 with 0.3 s of silence on both sides."""
    said = espeak_afresh.speak(text, voice, rate=rate, pitch=pitch, end_pause=False)
    edge = np.zeros(said.sample_rate * 3 // 10, np.int16)
    samples = np.frombuffer(said.pcm, "<i2")
    whole = np.concatenate([edge, samples, edge])[None]
    frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
    frame.sample_rate = said.sample_rate
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
    parts = [f.to_ndarray()[0] for f in [*resampler.resample(frame), *resampler.resample(None)]]
    return np.concatenate(parts).astype(np.float32) / 32768


def first_voice(language: str) -> tuple[str, int, int]:
    pack = tomllib.loads((VOICES / f"{language}.toml").read_text(encoding="utf-8"))
    engine = next(e for v in pack["voices"] for e in v["engines"] if e["engine"] == "espeak")
    return engine["voice"], engine.get("rate", 165), engine.get("pitch", 50)


def test_it_knows_exactly_what_the_packs_say() -> None:
    """An edited pack names phrases that this model has never heard."""
    packs = {language: list(texts) for language, texts in read_book(VOICES).phrases.items()}
    assert phrases() == packs, (
        "the phrases or slots of voices/*.toml differ from the ones the recogniser was trained on: "
        "take the edit back, or train a new model with `python -m selam_agent.train all` (90 minutes)"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_in_the_products_own_voice(decoder: Decoder, language: str) -> None:
    voice = first_voice(language)
    heard = {text: accepted(decoder, speak(text, *voice)) for text in phrases()[language]}
    wrong = {text: got for text, got in heard.items() if got != text}
    assert len(wrong) <= 0.05 * len(heard), wrong


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ("No.", "Monday.")),
        ("am", ("አይ።", "ሰኞ።")),
        ("so", ("Maya.", "Isniin.")),
        ("om", ("Lakki.", "Wiixata.")),
        ("ti", ("ኣይፋል።", "ሰኑይ።")),
    ],
)
def test_two_phrases_in_one_breath(decoder: Decoder, language: str, said: tuple[str, str]) -> None:
    voice = first_voice(language)
    audio = np.concatenate([speak(text, *voice)[:-2400] for text in said])  # 0.45 s between them
    assert decoder.hear(audio).text == " ".join(said)


def test_phrases_added_later_are_found_by_spelling() -> None:
    """The card has the figures; these are in the product's own voices."""
    chosen = {name: DECODING[name] for name in DECODING if name.endswith("_threshold")}
    with_them = Decoder(COMMAND_MODEL, UNSEEN, **chosen)
    without = Decoder(COMMAND_MODEL, **chosen)
    found = missed = invented = 0
    for language, texts in UNSEEN.items():
        for text in texts:
            audio = speak(text, *first_voice(language))
            found += with_them.hear(audio, language).text == text
            missed += accepted(without, audio) == ""
        for text in phrases()[language][:6]:
            invented += with_them.hear(speak(text, *first_voice(language)), language).text in texts
    assert found >= 15
    assert missed >= 15
    assert not invented


def test_half_a_phrase_is_no_whole_one(decoder: Decoder) -> None:
    """What is recognised while the caller still speaks must not run ahead of the words."""
    whole = []
    for language in LANGUAGES:
        for text in phrases()[language]:
            if len(text.split()) > 2:
                audio = speak(text, *first_voice(language))
                if accepted(decoder, audio[: len(audio) * 45 // 100]) == text:
                    whole.append(text)
    assert len(whole) <= 1, whole


def test_noise_and_silence_give_no_text(decoder: Decoder) -> None:
    rng = np.random.default_rng(5)
    sounds = [np.zeros(int(s * 16000), np.float32) for s in (0.1, 0.5, 2.0, 7.9)]
    for level in (-60, -40, -25):
        white = rng.standard_normal(24000)
        brown = np.cumsum(white) - np.linspace(0, np.cumsum(white)[-1], 24000)
        hum = np.sin(np.arange(24000) * 2 * np.pi * 50 / 16000)
        sounds += [(n / n.std() * 10 ** (level / 20)).astype(np.float32) for n in (white, brown, hum)]
    assert [accepted(decoder, sound) for sound in sounds] == [""] * len(sounds)


def test_the_margin_does_not_matter() -> None:
    """Short windows are why it is fast; the text must be that of a full 30 s window."""
    audio = speak("What is your name?", *first_voice("en"))
    margins = (0, 50, 150, 3000)
    texts = {Decoder(COMMAND_MODEL, margin_frames=margin).hear(audio).text for margin in margins}
    assert texts == {"What is your name?"}


def test_stock_faster_whisper_transcribes_with_it() -> None:
    model = WhisperModel(
        str(COMMAND_MODEL), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
    )
    for language, text in (("en", "I need help."), ("am", "አመሰግናለሁ።"), ("so", "Fadlan ku celi.")):
        segments, info = model.transcribe(
            speak(text, *first_voice(language)),
            language=language,
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
        )
        assert "".join(s.text for s in segments).strip() == text
        assert info.language == language


def test_the_card_separates_trained_and_examined_speakers() -> None:
    card = (COMMAND_MODEL / "CARD.md").read_text(encoding="utf-8")
    named = {
        key: re.search(rf"^{key}: (.+?)(?:, and the plain voice)?\.$", card, re.M)
        for key in ("Examined", "Trained on")
    }
    examined, trained = (set(match[1].split(", ")) if match else set() for match in named.values())
    assert len(examined) >= 12
    assert len(trained) >= 40
    assert not examined & trained
    assert "synthetic voices only" in card


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in COMMAND_MODEL.iterdir()) <= 4_000_000
