"""The examination: speakers that were never trained on, telephones, noise, unknown speech.

The thresholds are chosen first, on *trained* speakers; the held-out speakers only confirm them.
"""

from __future__ import annotations

import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.signal import resample_poly

from selam_agent.engines.espeak_library import EspeakLibrary
from selam_agent.train.book import LANGUAGES, Book
from selam_agent.train.decode import DECODING, Decoder, Heard
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
from selam_agent.train.unknown import EXAMINATION, Unknown, plain

_LOST_ON_TRAINED: Final = 0.01
"""The log-probability threshold may lose this part of the phrases of trained speakers."""


@dataclass(frozen=True, slots=True)
class Case:
    """An utterance of ``speaker`` and the text it should give ("" = none)."""

    audio: Audio
    language: str
    text: str
    speaker: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Below the one or above the other a text is not answered."""

    log_prob: float
    no_speech: float


class Examiner:
    """Makes the cases and marks the answers; everything random comes from one seed."""

    def __init__(self, library: EspeakLibrary, book: Book, split: Split, decoder: Decoder, seed: int) -> None:
        self._library, self._book, self._split, self._decoder = library, book, split, decoder
        self._rng = np.random.default_rng(seed)

    # ------------------------------------------------------------ cases

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
            audio = self._say(language, unknown.text(language), speaker, self._delivery())
            yield Case(self._edges(audio), language, "", speaker)

    # ------------------------------------------------------------ marks

    def hear(
        self, cases: Iterable[Case], *, given: bool = False, decoder: Decoder | None = None
    ) -> list[tuple[Case, Heard]]:
        """Recognises each case; ``given`` tells the decoder the language."""
        using = decoder or self._decoder
        return [(c, using.hear(c.audio, c.language if given else None)) for c in cases]

    def choose_thresholds(self) -> Thresholds:
        """On trained speakers: the strictest log-probability that loses 1 % of the phrases."""
        right = [h for c, h in self.hear(self.trained(1500)) if h.text == c.text]
        log_prob = float(np.quantile([h.log_prob for h in right], _LOST_ON_TRAINED))
        no_speech = float(np.quantile([h.no_speech for h in right], 0.999))
        # Not stricter than this, whatever the quantile says: a model may be too sure of trained speakers.
        return Thresholds(round(min(log_prob, -0.1), 3), round(min(0.9, max(0.3, 2 * no_speech)), 2))

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


def phrase_marks(heard: list[tuple[Case, Heard]], thresholds: Thresholds) -> dict[str, Any]:
    """Exact text, language and rejection, over all, per language and per speaker (worst first)."""
    speakers: dict[str, list[bool]] = defaultdict(list)
    languages: dict[str, list[bool]] = defaultdict(list)
    misses: Counter[tuple[str, str, str]] = Counter()
    for case, answer in heard:
        right = answer.text == case.text
        speakers[case.speaker].append(right)
        languages[case.language].append(right)
        if not right:
            misses[case.language, case.text, answer.text] += 1
    right_ones = [h for c, h in heard if h.text == c.text]
    wrong_ones = [h for c, h in heard if h.text != c.text]
    lost = [h for h in right_ones if not _accepted(h, thresholds)]
    believed = [h for h in wrong_ones if _accepted(h, thresholds)]
    return {
        "n": len(heard),
        "exact": len(right_ones) / len(heard),
        "language": float(np.mean([h.language == c.language for c, h in heard])),
        "right_but_rejected": len(lost) / max(1, len(right_ones)),
        "wrong_and_accepted": len(believed) / len(heard),
        "by_language": {k: float(np.mean(v)) for k, v in languages.items()},
        "by_speaker": dict(
            sorted(((k, float(np.mean(v))) for k, v in speakers.items()), key=lambda kv: kv[1])
        ),
        "frequent_misses": [[*key, number] for key, number in misses.most_common(12)],
    }


def beginning_marks(heard: list[tuple[Case, Heard]], thresholds: Thresholds) -> dict[str, Any]:
    """What was made of the beginning of a phrase: nothing, its words so far, all of it, or other words."""
    kinds: Counter[str] = Counter()
    for case, answer in heard:
        text = answer.text if _accepted(answer, thresholds) else ""
        said, whole = plain(text).split(), plain(case.text).split()
        if not said:
            kinds["nothing"] += 1
        elif said == whole:
            kinds["all"] += 1
        else:
            kinds["so_far" if said == whole[: len(said)] else "other"] += 1
    return {"n": len(heard)} | {k: kinds[k] / len(heard) for k in ("nothing", "so_far", "all", "other")}


def rejection_marks(heard: list[tuple[Case, Heard]], thresholds: Thresholds) -> dict[str, Any]:
    """How much of what is no phrase is rejected, and by which of the two means."""
    accepted = [(c, h) for c, h in heard if _accepted(h, thresholds)]
    return {
        "n": len(heard),
        "empty": float(np.mean([not h.text for _, h in heard])),
        "rejected": 1 - len(accepted) / len(heard),
        "accepted": [[c.language, c.speaker, h.text, round(h.log_prob, 3)] for c, h in accepted][:12],
    }


def examine(examiner: Examiner, voices: Path, split: Split, full: Decoder) -> Mapping[str, Any]:
    """The whole examination; about four minutes on one core. ``full`` decodes in a 30 s window."""
    thresholds = examiner.choose_thresholds()
    held = split.examined
    clean = list(examiner.singles(held))
    product = list(examiner.product(voices))
    unknown = list(examiner.unknown(held))
    began = time.perf_counter()
    clean_heard = examiner.hear(clean)
    milliseconds = (time.perf_counter() - began) / len(clean) * 1000
    return {
        "thresholds": {
            "log_prob_threshold": thresholds.log_prob,
            "no_speech_threshold": thresholds.no_speech,
        },
        "milliseconds_per_utterance": milliseconds,
        "phrases": {
            "held-out speakers, clean": phrase_marks(clean_heard, thresholds),
            "held-out speakers, clean, language given": phrase_marks(
                examiner.hear(clean, given=True), thresholds
            ),
            "held-out speakers, μ-law and noise 10..20 dB": phrase_marks(
                examiner.hear(examiner.telephoned(clean)), thresholds
            ),
            "held-out speakers, two phrases": phrase_marks(
                examiner.hear(examiner.sequences(held, 8)), thresholds
            ),
            "held-out speakers, three phrases": phrase_marks(
                examiner.hear(examiner.sequences(held, 4, size=3)), thresholds
            ),
            "product voices, clean": phrase_marks(examiner.hear(product), thresholds),
            "product voices, clean, 30 s window": phrase_marks(
                examiner.hear(product, decoder=full), thresholds
            ),
            "product voices, μ-law and noise 10..20 dB": phrase_marks(
                examiner.hear(examiner.telephoned(product)), thresholds
            ),
        },
        "beginnings": beginning_marks(examiner.hear(examiner.beginnings(held, 12)), thresholds),
        "rejections": {
            "unknown speech, held-out speakers": rejection_marks(examiner.hear(unknown), thresholds),
            "unknown speech, held-out speakers, μ-law and noise": rejection_marks(
                examiner.hear(examiner.telephoned(unknown)), thresholds
            ),
            "unknown speech, trained speakers and words": rejection_marks(
                examiner.hear(examiner.trained_unknown(400)), thresholds
            ),
            "noise and silence": rejection_marks(examiner.hear(examiner.noises(120)), thresholds),
        },
    }


def _accepted(heard: Heard, thresholds: Thresholds) -> bool:
    return heard.accepted(thresholds.log_prob, thresholds.no_speech)
