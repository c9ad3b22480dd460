"""Pools of training utterances as log-mel features, made by faster-whisper's own extractor.

A pool is two files: ``NAME.npy`` float16 [frames, 80] of all utterances one after the other, and
``NAME.json`` with one entry per utterance. Making one takes about 5 ms per utterance.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from selam_agent.engines.espeak_library import EspeakLibrary
from selam_agent.train.book import LANGUAGES, Book
from selam_agent.train.speakers import RENDERINGS, Split
from selam_agent.train.synth import (
    SAMPLE_RATE,
    Audio,
    Delivery,
    channel,
    draw_delivery,
    noise,
    say,
    say_words,
    silence,
    telephone,
)
from selam_agent.train.unknown import FOREIGN_VOICES, Unknown, plain

Kind = Literal["phrase", "part", "unknown", "foreign", "noise"]
MAX_SECONDS: Final = 7.6
"""Longer utterances are drawn again: the encoder tells positions apart up to 8 s."""

_SHARES: Final = (("single", 0.42), ("several", 0.20), ("cut", 0.10), ("unknown", 0.24), ("noise", 0.04))
_END_MARKS: Final = ".?!።፧,"


@dataclass(frozen=True, slots=True)
class Entry:
    """One utterance: its ``frames`` (10 ms each), and for phrases the ``indices`` into the book.

    ``part``: the beginning of a phrase, cut off. ``text``: the words that are heard whole, as far as
    they are known; a part is to be written so, what is unknown is only spelled.
    """

    kind: Kind
    language: str
    indices: tuple[int, ...]
    frames: int
    text: str


class Studio:
    """Draws utterances; everything random comes from one generator."""

    def __init__(self, library: EspeakLibrary, book: Book, split: Split, seed: int) -> None:
        self._library = library
        self._book = book
        self._split = split
        self._rng = np.random.default_rng(seed)
        self._unknown = Unknown(book, self._rng)
        self._babble: list[Audio] = []
        while len(self._babble) < 30:
            language = str(self._rng.choice(LANGUAGES))
            voice = self._speak(language, " ".join(self._unknown.text(language) for _ in range(3)))
            if len(voice) > SAMPLE_RATE // 2:
                self._babble.append(voice / np.abs(voice).max())

    def draw(self) -> tuple[Audio, Entry]:
        """One utterance with what there is to know about it; its frames are not counted yet."""
        language = str(self._rng.choice(LANGUAGES))
        share = str(self._rng.choice([n for n, _ in _SHARES], p=[p for _, p in _SHARES]))
        if share == "noise":
            return self._noise(), Entry("noise", language, (), 0, "")
        kind: Kind = "phrase"
        text = ""
        abrupt = False
        indices: tuple[int, ...] = ()
        if share == "single":
            indices = (int(self._rng.integers(len(self._book.phrases[language]))),)
            speech = self._speak(language, self._book.phrases[language][indices[0]])
        elif share == "several":
            indices = self._sequence(language)
            speech = self._speak_several(language, indices)
        elif share == "cut":
            speech, kind, indices, text = self._speak_cut(language)
            abrupt = self._rng.random() < 0.7
        else:
            # English spelling is learned word by word, the others' from any words.
            language = "en" if self._rng.random() < 0.3 else language
            speech, kind, text = self._speak_unknown(language)
        if len(speech) < 800:
            return self.draw()
        if kind == "phrase":
            text = self._book.text(language, indices)
        lead = self._rng.uniform(0, 0.75)
        # What is cut off was asked about while it was being said: mostly nothing follows.
        trail = self._rng.uniform(0, 0.1) if abrupt else self._rng.uniform(0.03, 0.95)
        audio = np.concatenate([silence(lead), speech, silence(trail)])
        if len(audio) > MAX_SECONDS * SAMPLE_RATE:
            return self.draw()
        return channel(audio, self._rng, self._babble), Entry(kind, language, indices, 0, text)

    def _speaker(self) -> tuple[str, Delivery]:
        return str(self._rng.choice(self._split.trained)), draw_delivery(self._rng)

    def _speak(self, language: str, text: str, speaker: tuple[str, Delivery] | None = None) -> Audio:
        return self._speak_words(language, text, speaker)[0]

    def _speak_words(
        self, language: str, text: str, speaker: tuple[str, Delivery] | None = None
    ) -> tuple[Audio, dict[int, int]]:
        variant, delivery = speaker or self._speaker()
        renderings = RENDERINGS[language]
        weights = np.array([r.weight for r in renderings])
        rendering = renderings[self._rng.choice(len(renderings), p=weights / weights.sum())]
        voice = f"{rendering.voice}+{variant}" if variant else rendering.voice
        return say_words(self._library, rendering.spoken(text), voice, delivery)

    def _sequence(self, language: str) -> tuple[int, ...]:
        """Two phrases, or three, half of the time in an order that callers use."""
        sequences = self._book.sequences(language)
        if self._rng.random() < 0.5:
            keys = sequences[self._rng.integers(len(sequences))]
            return tuple(int(self._rng.choice(self._book.keys[language][key])) for key in keys)
        count = 3 if self._rng.random() < 0.2 else 2
        return tuple(int(i) for i in self._rng.integers(len(self._book.phrases[language]), size=count))

    def _speak_several(self, language: str, indices: tuple[int, ...]) -> Audio:
        speaker = self._speaker()
        parts: list[Audio] = []
        for index in indices:
            if parts:
                parts.append(silence(self._rng.uniform(0.12, 0.65)))
            parts.append(self._speak(language, self._book.phrases[language][index], speaker))
        return np.concatenate(parts)

    def _speak_cut(self, language: str) -> tuple[Audio, Kind, tuple[int, ...], str]:
        """The beginning of a phrase: a few of its words, or half of the first one, which is nothing yet.

        Where the words so far are a phrase of their own ("Two" of "Two o'clock"), they are that phrase.
        """
        phrases = self._book.phrases[language]
        longer = [text for text in phrases if " " in text]
        whole = str(self._rng.choice(longer if self._rng.random() < 0.6 else phrases))
        spoken = whole.split()
        speech, begins = self._speak_words(language, whole)
        starts = [begins.get(number, -1) for number in range(len(spoken))] + [len(speech)]
        if min(starts) < 0 or starts != sorted(starts):
            return silence(0), "unknown", (), ""
        heard = int(self._rng.integers(1, len(spoken))) if len(spoken) > 1 and self._rng.random() < 0.7 else 0
        here, following = starts[heard], starts[heard + 1]
        share = self._rng.uniform(0.0, 0.35) if heard else self._rng.uniform(0.2, 0.55)
        speech = speech[: int(here + share * (following - here))]
        text = " ".join(spoken[:heard]).rstrip(_END_MARKS)
        same = [index for index, phrase in enumerate(phrases) if plain(phrase) == plain(text)]
        if same:
            return speech, "phrase", (same[0],), text
        return speech, ("part" if heard else "unknown"), (), text

    def _speak_unknown(self, language: str) -> tuple[Audio, Kind, str]:
        if self._rng.random() < 0.17:
            words = " ".join(self._unknown.invented("en") for _ in range(self._rng.integers(1, 5)))
            variant, delivery = self._speaker()
            voice = str(self._rng.choice(FOREIGN_VOICES))
            speech = say(self._library, words, f"{voice}+{variant}" if variant else voice, delivery)
            return speech, "foreign", ""
        text = self._unknown.text(language)
        return self._speak(language, text), "unknown", text

    def _noise(self) -> Audio:
        """Noise or digital silence, sometimes with clicks and beeps, sometimes over a telephone."""
        rng = self._rng
        samples = int(rng.uniform(0.3, 4) * SAMPLE_RATE)
        audio = np.zeros(samples, np.float32)
        if rng.random() > 0.2:
            audio = noise(samples, rng) * np.float32(10 ** rng.uniform(-4, -0.8))
        if rng.random() < 0.35:
            for _ in range(rng.integers(1, 4)):
                start = int(rng.integers(samples))
                length = min(samples - start, int(rng.uniform(0.002, 0.25) * SAMPLE_RATE))
                beep = np.sin(np.arange(length) * rng.uniform(0.02, 1.5)) * rng.uniform(0.05, 0.5)
                audio[start : start + length] += beep.astype(np.float32)
        return telephone(np.clip(audio, -1, 1), rng) if rng.random() < 0.4 else audio


def make_pool(
    studio: Studio, path: Path, utterances: int, report: Callable[[str], None], *, every: int = 4000
) -> None:
    """Writes ``path``.npy and ``path``.json; a finished pool is left alone."""
    index = path.with_suffix(".json")
    if index.is_file():
        report(f"{path.name}: already there")
        return
    extractor = FeatureExtractor()
    features: list[np.ndarray] = []
    entries: list[Entry] = []
    began = time.monotonic()
    while len(entries) < utterances:
        audio, entry = studio.draw()
        mel = extractor(audio)[:, :-1].astype(np.float16).T
        features.append(mel)
        entries.append(replace(entry, frames=len(mel)))
        if len(entries) % every == 0:
            report(f"{path.name}: {len(entries)}/{utterances} in {time.monotonic() - began:.0f} s")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path.with_suffix(".npy"), np.concatenate(features))
    # The index comes last: its presence says that the pool is complete.
    index.write_text(json.dumps([asdict(e) for e in entries], ensure_ascii=False), encoding="utf-8")


def read_pool(path: Path) -> tuple[np.ndarray, list[Entry]]:
    """The features float16 [frames, 80] (memory-mapped) and the entries, in order."""
    entries = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return (
        np.load(path.with_suffix(".npy"), mmap_mode="r"),
        [Entry(e["kind"], e["language"], tuple(e["indices"]), e["frames"], e["text"]) for e in entries],
    )
