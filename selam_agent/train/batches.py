"""Batches for training: which utterances, in which window, with which target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from selam_agent.engines.ctc_letters import spell
from selam_agent.train.book import LANGUAGES
from selam_agent.train.pools import Entry, read_pool
from selam_agent.train.tokens import Ids

IGNORED: Final = -100
_NEIGHBOURS: Final = 1500  # utterances of about one length, so that little of a batch is padding
_VALIDATION: Final = 80  # every 80th utterance validates


@dataclass(frozen=True, slots=True)
class Item:
    """An utterance and where its features lie."""

    pool: int
    offset: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Batch:
    """``features`` [batch, 80, frames]; ``tokens`` and ``targets`` [batch, tokens], IGNORED where free.

    ``spelled``: rows that have characters for CTC; ``letters`` their concatenation, of
    ``letter_counts`` each, within the first ``letter_frames`` encoder positions.
    """

    features: Tensor
    tokens: Tensor
    targets: Tensor
    spelled: list[int]
    letters: Tensor
    letter_counts: Tensor
    letter_frames: Tensor


class Batches:
    """Draws batches from pools. ``seed`` makes a run repeatable as far as its clock allows."""

    def __init__(
        self, pools: Sequence[Path], ids: Ids, encode: Callable[[str], list[int]], seed: int
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._ids, self._encode = ids, encode
        self._features: list[np.ndarray] = []
        items: list[Item] = []
        for number, path in enumerate(pools):
            features, entries = read_pool(path)
            self._features.append(features)
            offset = 0
            for entry in entries:
                items.append(Item(number, offset, entry))
                offset += entry.frames
        self.validation = [i for n, i in enumerate(items) if n % _VALIDATION == 0]
        ordered = sorted((i for n, i in enumerate(items) if n % _VALIDATION), key=lambda i: i.entry.frames)
        single = [i for i in ordered if i.entry.kind == "phrase" and len(i.entry.indices) == 1]
        known = [i for i in ordered if i.entry.kind in ("phrase", "part", "noise")]
        # What follows a first phrase and the strange ones are what is learned last: they come more often,
        # when single phrases are recognised.
        several = [i for i in ordered if len(i.entry.indices) > 1]
        strange = [i for i in ordered if i.entry.kind in ("unknown", "foreign")][::2]
        many = [i for i in several if len(i.entry.indices) > 2]
        hard = sorted([*ordered, *several, *several, *many, *many, *strange], key=lambda i: i.entry.frames)
        self._stages = (single, known, ordered, hard)

    def reseed(self, *seed: int) -> None:
        """Starts the random choices anew, so that a resumed run does not repeat its beginning."""
        self._rng = np.random.default_rng(seed)

    def draw(self, size: int, stage: int, *, window: str) -> Batch:
        """A batch for training.

        Args:
            stage: 0 single phrases, 1 all phrases and noise, 2 everything, 3 the hard ones more often.
            window: "short" (the utterances and up to 0.8 s), "full" or "exact" (see ``network``).
        """
        source = self._stages[stage]
        low = int(
            np.clip(self._rng.integers(len(source)) - _NEIGHBOURS // 2, 0, max(0, len(source) - _NEIGHBOURS))
        )
        picked = self._rng.integers(low, min(len(source), low + _NEIGHBOURS), size=size)
        return self.collate([source[i] for i in picked], window=window, augment=True)

    def collate(self, items: Sequence[Item], *, window: str, augment: bool) -> Batch:
        """The features, tokens and targets of ``items``."""
        features = [self._read(item) for item in items]
        late = augment and self._rng.random() < 0.2
        if augment:
            features = [self._augment(f, late=late) for f in features]
        longest = max(len(f) for f in features)
        if window == "exact":
            frames = 802
        else:
            frames = min(longest + (int(self._rng.integers(0, 80)) if augment else 30) + 4, 802)
        frames += frames % 2
        block = np.zeros((len(items), frames, 80), np.float32)
        for row, mel in enumerate(features):
            block[row, : min(len(mel), frames - 4)] = mel[: frames - 4]
        pairs = [self._target(item.entry) for item in items]
        width = max(len(tokens) for tokens, _ in pairs)
        tokens = torch.full((len(items), width), self._ids.end)
        targets = torch.full((len(items), width), IGNORED)
        for row, (sequence, target) in enumerate(pairs):
            tokens[row, : len(sequence)] = torch.tensor(sequence)
            targets[row, : len(target)] = torch.tensor(target)
        letters = [spell(item.entry.text, item.entry.language) for item in items]
        spelled = [n for n, word in enumerate(letters) if word]
        letters = [letters[n] for n in spelled]
        return Batch(
            features=torch.from_numpy(block).transpose(1, 2).contiguous(),
            tokens=tokens,
            targets=targets,
            spelled=spelled,
            letters=torch.tensor([c for word in letters for c in word], dtype=torch.long),
            letter_counts=torch.tensor([len(word) for word in letters]),
            letter_frames=torch.tensor([min(frames // 2, (len(features[n]) + 1) // 2 + 2) for n in spelled]),
        )

    def expected(self, entry: Entry) -> list[int]:
        """The text tokens that an utterance should give; none for everything outside the book."""
        if entry.kind not in ("phrase", "part"):
            return []
        return self._encode(f" {entry.text}")

    def _read(self, item: Item) -> np.ndarray:
        mel = self._features[item.pool][item.offset : item.offset + item.entry.frames]
        return np.asarray(mel, np.float32)

    def _target(self, entry: Entry) -> tuple[list[int], list[int]]:
        """Decoder input and target.

        Everything outside the book is answered with the end token at once: a direct decision
        "not a phrase", which both ends the text and lowers the probability of doubtful phrases.
        """
        language = entry.language
        first = self._ids.languages[language]
        given = language
        if entry.kind in ("noise", "foreign"):
            # No language is right. Noise says so; foreign speech is left free.
            first = self._ids.no_speech if entry.kind == "noise" else IGNORED
            given = str(self._rng.choice(LANGUAGES))
        elif self._rng.random() < 0.08:
            given = str(self._rng.choice(LANGUAGES))  # a wrong language must not turn into another phrase
        text = self.expected(entry)
        tokens = [*self._ids.prompt(given), *text]
        return tokens, [first, IGNORED, IGNORED, *text, self._ids.end]

    def _augment(self, mel: np.ndarray, *, late: bool) -> np.ndarray:
        """Loudness, masked bands, a masked moment, and sometimes a late beginning."""
        rng = self._rng
        if late:
            before = int(rng.integers(0, max(1, min(250, 780 - len(mel)))))
            mel = np.concatenate([np.resize(mel[:4], (before, 80)), mel])
        mel = mel + np.float32(rng.uniform(-0.15, 0.15))
        floor = mel.min()
        if rng.random() < 0.5:
            for _ in range(rng.integers(1, 3)):
                width = int(rng.integers(1, 12))
                low = int(rng.integers(80 - width))
                mel[:, low : low + width] = floor if rng.random() < 0.5 else mel.mean()
        if rng.random() < 0.4 and len(mel) > 30:
            width = int(rng.integers(1, 10))
            begin = int(rng.integers(len(mel) - width))
            mel[begin : begin + width] = floor
        return mel
