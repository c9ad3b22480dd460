"""The examination: speakers that were never trained on, telephones, noise, unknown speech.

The thresholds are chosen first, on *trained* speakers; the held-out speakers only confirm them.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from selam_agent.engines.ctc_letters import spell
from selam_agent.engines.ctc_phrases import spelling_scores
from selam_agent.train.cases import Case, Cases
from selam_agent.train.decode import Decoder, Heard
from selam_agent.train.speakers import Split
from selam_agent.train.unknown import plain

_LOST_ON_TRAINED: Final = 0.005
"""Each of two thresholds, of the log-probability and the ratio, may lose this part of trained speech."""
_FOUND_IN_UNKNOWN: Final = 0.02
"""In this part of unknown speech, by trained speakers, an added phrase may be found."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Below the first or the third, or above the second, a text is not answered.

    ``added``: below it no added phrase is found.
    """

    log_prob: float
    no_speech: float
    spelling: float
    added: float = 0.0


Answers = list[tuple[Case, Heard]]


def hear(decoder: Decoder, cases: Iterable[Case], *, given: bool = False) -> Answers:
    """Recognises each case; ``given`` tells the decoder the language."""
    return [(c, decoder.hear(c.audio, c.language if given else None)) for c in cases]


def choose_thresholds(cases: Cases, decoder: Decoder) -> Thresholds:
    """On trained speakers: the strictest log-probability, and ratio, that lose 0.5 % of the phrases."""
    heard = [*hear(decoder, cases.trained(1500)), *hear(decoder, cases.telephoned(cases.trained(500)))]
    right = [h for c, h in heard if h.text == c.text]
    log_prob = float(np.quantile([h.log_prob for h in right], _LOST_ON_TRAINED))
    no_speech = float(np.quantile([h.no_speech for h in right], 0.999))
    # Not stricter than this, whatever the quantile says: a model may be too sure of trained speakers.
    spelling = float(np.quantile([h.ratio for h in right if h.ratio is not None], _LOST_ON_TRAINED))
    return Thresholds(
        log_prob=round(min(log_prob, -0.1), 3),
        no_speech=round(min(0.9, max(0.3, 2 * no_speech)), 2),
        spelling=round(min(spelling, -1.5), 3),
    )


def choose_added(cases: Cases, decoder: Decoder, spelling: float) -> float:
    """The lowest ratio at which little of the unknown speech of trained speakers becomes an added phrase.

    ``decoder`` takes every ratio. Never below ``spelling``, where no text is believed.
    """
    heard = [h for _, h in hear(decoder, cases.trained_unknown(600)) if math.isnan(h.log_prob)]
    worst = sorted((h.ratio for h in heard if h.ratio is not None), reverse=True)
    allowed = int(_FOUND_IN_UNKNOWN * 600)
    return round(max(worst[allowed] if len(worst) > allowed else spelling, spelling), 3)


def among(cases: Iterable[Case], decoder: Decoder, listed: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """How often spelling alone finds the text in a list of phrases of all languages."""
    rows = [(code, text) for code, texts in listed.items() for text in texts]
    spellings = [spell(text, code) for code, text in rows]
    right = []
    for case in cases:
        scores = spelling_scores(decoder.letters(case.audio), spellings)
        right.append(rows[int(scores.argmax())] == (case.language, case.text))
    return {"n": len(right), "listed": len(rows), "found": float(np.mean(right))}


def phrase_marks(heard: Answers, thresholds: Thresholds) -> dict[str, Any]:
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


def beginning_marks(heard: Answers, thresholds: Thresholds) -> dict[str, Any]:
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


def rejection_marks(heard: Answers, thresholds: Thresholds) -> dict[str, Any]:
    """How much of what is no phrase is rejected, and by which of the two means."""
    accepted = [(c, h) for c, h in heard if _accepted(h, thresholds)]
    return {
        "n": len(heard),
        "empty": float(np.mean([not h.text for _, h in heard])),
        "rejected": 1 - len(accepted) / len(heard),
        "accepted": [[c.language, c.speaker, h.text, round(h.log_prob, 3)] for c, h in accepted][:12],
    }


def examine(cases: Cases, voices: Path, split: Split, decoder: Callable[..., Decoder]) -> Mapping[str, Any]:
    """The whole examination; about eight minutes on one core.

    Args:
        decoder: opens one with these differences in its ``decoding.json``; it looks for added phrases too.
    """
    thresholds = choose_thresholds(cases, decoder(added_threshold=1.0))
    chosen = {"log_prob_threshold": thresholds.log_prob, "spelling_threshold": thresholds.spelling}
    added = choose_added(cases, decoder(**chosen, added_threshold=-1e9), thresholds.spelling)
    thresholds = replace(thresholds, added=added)
    chosen["added_threshold"] = added
    asked = decoder(**chosen)
    full = decoder(**chosen, margin_frames=3000)
    held = split.examined
    clean = list(cases.singles(held))
    product = list(cases.product(voices))
    unknown = list(cases.unknown(held))
    unseen = list(cases.unseen(held))
    began = time.process_time()
    clean_heard = hear(asked, clean)
    milliseconds = (time.process_time() - began) / len(clean) * 1000

    def phrases(of: Iterable[Case], *, given: bool = False, using: Decoder = asked) -> dict[str, Any]:
        return phrase_marks(hear(using, of, given=given), thresholds)

    def rejections(of: Iterable[Case]) -> dict[str, Any]:
        return rejection_marks(hear(asked, of), thresholds)

    return {
        "thresholds": {
            "log_prob_threshold": thresholds.log_prob,
            "no_speech_threshold": thresholds.no_speech,
            "spelling_threshold": thresholds.spelling,
            "added_threshold": thresholds.added,
        },
        "milliseconds_per_utterance": milliseconds,
        "phrases": {
            "held-out speakers, clean": phrase_marks(clean_heard, thresholds),
            "held-out speakers, clean, language given": phrases(clean[::2], given=True),
            "held-out speakers, μ-law and noise 10..20 dB": phrases(cases.telephoned(clean)),
            "held-out speakers, two phrases": phrases(cases.sequences(held, 8)),
            "held-out speakers, three phrases": phrases(cases.sequences(held, 4, size=3)),
            "product voices, clean": phrases(product),
            "product voices, clean, 30 s window": phrases(product, using=full),
            "product voices, μ-law and noise 10..20 dB": phrases(cases.telephoned(product)),
        },
        "added": {
            "added phrases, held-out speakers, clean": phrases(unseen),
            "added phrases, held-out speakers, clean, language given": phrases(unseen, given=True),
            "added phrases, held-out speakers, μ-law and noise 10..20 dB": phrases(
                cases.telephoned(unseen), given=True
            ),
        },
        "among": among(unseen, asked, cases.listed(16)),
        "beginnings": beginning_marks(hear(asked, cases.beginnings(held, 12)), thresholds),
        "rejections": {
            "unknown speech, held-out speakers": rejections(unknown),
            "unknown speech, held-out speakers, μ-law and noise": rejections(cases.telephoned(unknown)),
            "unknown speech, trained speakers and words": rejections(cases.trained_unknown(400)),
            "noise and silence": rejections(cases.noises(120)),
        },
    }


def _accepted(heard: Heard, thresholds: Thresholds) -> bool:
    return heard.accepted(thresholds.log_prob, thresholds.no_speech, thresholds.spelling)
