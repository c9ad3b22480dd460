"""How well the sound spells a text: a second opinion on what was heard, and phrases never trained on.

The command recogniser's encoder was trained with a head that spells (connectionist temporal
classification, Graves et al. 2006). It scores any text: the log-probability of the text's letters over
all alignments, against that of the best letters without any list (the free path). Their difference per
letter is a likelihood ratio; below a threshold, nothing of the list was said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_agent.engines.ctc_letters import BLANK, CLASSES, spell
from selam_agent.errors import SettingsError
from selam_agent.languages.normalise import sentences

__all__ = ["HEAD_FILE", "Found", "SpelledPhrases", "free_path", "spelling_scores"]

HEAD_FILE: Final = "letters.npz"
"""Beside the model: ``weight`` [classes, width] and ``bias`` [classes] of the head."""
# Shorter phrases are found in any speech.
_FEWEST_LETTERS: Final = 7
_SCALED_EVERY: Final = 8
_LEAST: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Found:
    """``ratio``: log-likelihood ratio to the free path per letter; 0 is the best there can be."""

    text: str
    language: str
    ratio: float


class SpelledPhrases:
    """The head that spells, and the phrases that were added to those a model was trained on.

    Args:
        directory: the model's, with :data:`HEAD_FILE`.
        trained: per language what the model knows by itself; an added phrase must beat all of it.
        added: per language what may be said besides; what is trained, or too short, is left out.

    Raises:
        SettingsError: the head is missing or has another alphabet.
    """

    def __init__(
        self, directory: Path, trained: Mapping[str, Sequence[str]], added: Mapping[str, Sequence[str]]
    ) -> None:
        path = directory / HEAD_FILE
        try:
            with np.load(path) as head:
                self._weight = head["weight"].astype(np.float32)
                self._bias = head["bias"].astype(np.float32)
        except (OSError, KeyError, ValueError) as error:
            raise SettingsError(f"stt: {path} cannot be read: {error}") from error
        if len(self._weight) != CLASSES:
            raise SettingsError(f"stt: {path} spells with another alphabet")
        self._trained = {code: _spelled(texts, code) for code, texts in trained.items()}
        self._added: dict[str, dict[tuple[int, ...], str]] = {}
        for code, texts in added.items():
            known = self._trained.get(code, {})
            new = {letters: text for letters, text in _spelled(texts, code).items() if letters not in known}
            self._added[code] = {k: text for k, text in new.items() if len(k) >= _FEWEST_LETTERS}

    @property
    def key(self) -> tuple[str, ...]:
        """What tells two lists apart."""
        return tuple(f"{code}:{text}" for code, texts in self._added.items() for text in texts.values())

    def __len__(self) -> int:
        return sum(map(len, self._added.values()))

    def log_probs(self, encoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """[positions, classes] of the encoder's output [positions, width] for one utterance."""
        logits = encoded @ self._weight.T + self._bias
        logits -= logits.max(axis=1, keepdims=True)
        log_probs: NDArray[np.float32] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return log_probs

    def likeliest(self, log_probs: NDArray[np.float32], text: str, language: str) -> tuple[str, float | None]:
        """``text`` or, where the sound spells that better, without a phrase at its end or one said twice.

        A decoder that has written several phrases tends to write one more. With the ratio; None if there
        are no letters.
        """
        texts = [text, *_shortened(sentences(text))]
        spellings = [spell(each, language) for each in texts]
        if not all(spellings):
            return text, None
        scores = spelling_scores(log_probs, spellings)
        best = int(scores.argmax())
        return texts[best], (float(scores[best]) - free_path(log_probs)) / len(spellings[best])

    def best(self, log_probs: NDArray[np.float32], languages: Sequence[str]) -> Found | None:
        """The added phrase of these languages that fits best; None where a trained one fits better."""
        candidates = [(code, letters) for code in languages for letters in self._added.get(code, ())]
        if not candidates:
            return None
        scores = spelling_scores(log_probs, [letters for _, letters in candidates])
        index = int(scores.argmax())
        code, letters = candidates[index]
        known = list(self._trained.get(code, ()))
        if known and spelling_scores(log_probs, known).max() > scores[index]:
            return None
        ratio = (float(scores[index]) - free_path(log_probs)) / len(letters)
        return Found(self._added[code][letters], code, ratio)


def free_path(log_probs: NDArray[np.float32]) -> float:
    """The log-probability of the best path through ``log_probs`` [positions, classes]."""
    return float(log_probs.max(axis=1).sum())


def spelling_scores(
    log_probs: NDArray[np.float32], spellings: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """The log-probability of each spelling, by the forward algorithm for all at once.

    Args:
        log_probs: [positions, classes], class 0 being the blank.
        spellings: letters counted from 1; none is empty.
    """
    count, longest = len(spellings), max(len(each) for each in spellings)
    states = np.full((count, 2 * longest + 1), BLANK)
    for row, letters in zip(states, spellings, strict=True):
        row[1 : 2 * len(letters) : 2] = letters
    # A letter may follow the one before it directly, unless it is the same.
    skips = ((states[:, 2:] != BLANK) & (states[:, 2:] != states[:, :-2])).astype(np.float64)
    # Probabilities, scaled back every few positions: several times as fast as sums of logarithms.
    peaks = log_probs.max(axis=1)
    odds = np.exp((log_probs - peaks[:, None]).astype(np.float64))
    alpha = np.zeros(states.shape)
    alpha[:, :2] = odds[0][states[:, :2]]
    scale = np.full(count, float(peaks.sum()))
    for number, position in enumerate(odds[1:], 1):
        ahead = alpha.copy()
        ahead[:, 1:] += alpha[:, :-1]
        ahead[:, 2:] += skips * alpha[:, :-2]
        alpha = ahead * position[states]
        if number % _SCALED_EVERY == 0:
            largest = np.maximum(alpha.max(axis=1), _LEAST)
            alpha /= largest[:, None]
            scale += np.log(largest)
    ends = np.array([2 * len(each) for each in spellings])
    rows = np.arange(count)
    total = alpha[rows, ends] + alpha[rows, ends - 1]
    scores: NDArray[np.float32] = (np.log(np.maximum(total, _LEAST)) + scale).astype(np.float32)
    return scores


def _shortened(phrases: Sequence[str]) -> list[str]:
    ends = [" ".join(phrases[:count]) for count in range(1, len(phrases))]
    twice = [n for n in range(1, len(phrases) - 1) if phrases[n] == phrases[n - 1]]
    return ends + [" ".join((*phrases[:n], *phrases[n + 1 :])) for n in twice]


def _spelled(texts: Sequence[str], language: str) -> dict[tuple[int, ...], str]:
    spelled: dict[tuple[int, ...], str] = {}
    for text in texts:
        letters = tuple(spell(text, language))
        if letters:
            spelled.setdefault(letters, text)
    return spelled
