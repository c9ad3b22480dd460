"""What the examination plays to the recogniser: phrases, sentences, noise, each with its answer."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from selam_agent.engines.espeak_library import EspeakLibrary
from selam_agent.train.book import LANGUAGES, Book
from selam_agent.train.decode import DECODING
from selam_agent.train.speakers import RENDERINGS, Split
from selam_agent.train.synth import (
    SAMPLE_RATE,
    Audio,
    Delivery,
    add_noise,
    channel,
    mu_law,
    noise,
    say,
    silence,
)
from selam_agent.train.unknown import EXAMINATION, UNSEEN, Unknown


@dataclass(frozen=True, slots=True)
class Case:
    """An utterance of ``speaker`` and the text it should give ("" = none)."""

    audio: Audio
    language: str
    text: str
    speaker: str


class Cases:
    """Makes the cases; everything random comes from one seed."""

    def __init__(self, library: EspeakLibrary, book: Book, split: Split, seed: int) -> None:
        self._library, self._book, self._split = library, book, split
        self._rng = np.random.default_rng(seed)

    def singles(self, speakers: Iterable[str]) -> Iterator[Case]:
        """Every phrase by every speaker, each time said a little differently."""
        for speaker in speakers:
            for language in LANGUAGES:
                for text in self._book.phrases[language]:
                    audio = self._say(language, text, speaker, self._delivery())
                    yield Case(self._edges(audio), language, text, speaker or "plain")

    def product(self, voices: Path) -> Iterator[Case]:
        """Every phrase by the espeak voices of the packs, exactly as the product speaks."""
        for language in LANGUAGES:
            pack = tomllib.loads((voices / f"{language}.toml").read_text(encoding="utf-8"))
            for voice in pack["voices"]:
                for engine in voice["engines"]:
                    if engine["engine"] != "espeak":
                        continue
                    how = Delivery(rate=engine.get("rate", 165), pitch=engine.get("pitch", 50))
                    for text in self._book.phrases[language]:
                        audio = say(self._library, text, engine["voice"], how)
                        yield Case(self._edges(audio), language, text, engine["voice"])

    def sequences(self, speakers: Iterable[str], count: int, size: int = 2) -> Iterator[Case]:
        """``size`` phrases in a row: the usual sequences and any phrases, alternately."""
        for speaker in speakers:
            for language in LANGUAGES:
                usual = [s for s in self._book.sequences(language) if len(s) == size]
                for number in range(count):
                    if number % 2:
                        keys = usual[self._rng.integers(len(usual))]
                        said = tuple(int(self._rng.choice(self._book.keys[language][k])) for k in keys)
                    else:
                        said = tuple(
                            int(i) for i in self._rng.integers(len(self._book.phrases[language]), size=size)
                        )
                    how = self._delivery()
                    parts: list[Audio] = []
                    for index in said:
                        if parts:
                            parts.append(silence(self._rng.uniform(0.15, 0.6)))
                        parts.append(self._say(language, self._book.phrases[language][index], speaker, how))
                    audio = self._edges(np.concatenate(parts))
                    if len(audio) <= DECODING["max_window_s"] * SAMPLE_RATE:
                        yield Case(audio, language, self._book.text(language, said), speaker)

    def beginnings(self, speakers: Iterable[str], count: int) -> Iterator[Case]:
        """The first 250 ms to 90 % of phrases, nothing after them; ``text`` is the whole phrase."""
        for speaker in speakers:
            for language in LANGUAGES:
                for text in self._rng.choice(self._book.phrases[language], size=count):
                    speech = self._say(language, str(text), speaker, self._delivery())
                    least = min(0.9, 0.25 * SAMPLE_RATE / len(speech))
                    cut = int(len(speech) * self._rng.uniform(least, 0.9))
                    yield Case(self._edges(speech[:cut], after=0.0), language, str(text), speaker)

    def unknown(self, speakers: Iterable[str]) -> Iterator[Case]:
        """The examination's sentences, of which no content word was trained on."""
        for speaker in speakers:
            for language in LANGUAGES:
                for text in EXAMINATION[language]:
                    yield Case(
                        self._edges(self._say(language, text, speaker, self._delivery())),
                        language,
                        "",
                        speaker,
                    )

    def unseen(self, speakers: Iterable[str]) -> Iterator[Case]:
        """Phrases that no training run has heard, for a list that they were added to."""
        for speaker in speakers:
            for language in LANGUAGES:
                for text in UNSEEN[language]:
                    audio = self._say(language, text, speaker, self._delivery())
                    yield Case(self._edges(audio), language, text, speaker)

    def listed(self, known: int) -> dict[str, tuple[str, ...]]:
        """So many phrases of the book per language, and the unseen ones."""
        return {
            language: (*map(str, self._rng.choice(self._book.phrases[language], known, False)), *texts)
            for language, texts in UNSEEN.items()
        }

    def noises(self, count: int) -> Iterator[Case]:
        """Noise from −70 to −16 dBFS, and digital silence."""
        for number in range(count):
            audio = noise(int(self._rng.uniform(0.5, 4) * SAMPLE_RATE), self._rng)
            yield Case(audio * np.float32(10 ** self._rng.uniform(-3.5, -0.8)), "", "", f"noise {number}")
        for seconds in (0.1, 0.3, 1.0, 2.0, 5.0):
            yield Case(silence(seconds), "", "", "silence")

    def telephoned(self, cases: Iterable[Case]) -> Iterator[Case]:
        """The same over 8 kHz μ-law with noise 10 to 20 dB below the speech."""
        for case in cases:
            loud = add_noise(case.audio, float(self._rng.uniform(10, 20)), self._rng)
            line = resample_poly(mu_law(resample_poly(loud, 1, 2)), 2, 1)
            yield Case(np.asarray(line, np.float32), case.language, case.text, case.speaker)

    def trained(self, count: int) -> Iterator[Case]:
        """Phrases by trained speakers through random channels: for choosing thresholds."""
        for number in range(count):
            language = LANGUAGES[number % len(LANGUAGES)]
            text = str(self._rng.choice(self._book.phrases[language]))
            speaker = str(self._rng.choice(self._split.trained))
            audio = self._edges(self._say(language, text, speaker, self._delivery()))
            if number % 2:
                audio = channel(audio, self._rng)
            yield Case(audio, language, text, speaker)

    def trained_unknown(self, count: int) -> Iterator[Case]:
        """Unknown speech of the kind that was trained on, by trained speakers."""
        unknown = Unknown(self._book, self._rng)
        for number in range(count):
            language = LANGUAGES[number % len(LANGUAGES)]
            speaker = str(self._rng.choice(self._split.trained))
            audio = silence(0)
            while not len(audio):  # some invented words have no sound
                audio = self._say(language, unknown.text(language), speaker, self._delivery())
            yield Case(self._edges(audio), language, "", speaker)

    def _say(self, language: str, text: str, speaker: str, how: Delivery) -> Audio:
        voice = RENDERINGS[language][0].voice
        return say(self._library, text, f"{voice}+{speaker}" if speaker else voice, how)

    def _delivery(self) -> Delivery:
        return Delivery(
            rate=int(self._rng.integers(125, 200)),
            pitch=int(self._rng.integers(30, 75)),
            pitch_range=int(self._rng.integers(30, 70)),
        )

    def _edges(self, audio: Audio, after: float = 0.5) -> Audio:
        """Silence of 0.3 s before and ``after`` s after, peak between −20 and −1 dBFS."""
        peak = np.float32(10 ** self._rng.uniform(-1.0, -0.05) / (np.abs(audio).max() + 1e-9))
        return np.concatenate([silence(0.3), audio * peak, silence(after)])
