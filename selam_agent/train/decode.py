"""The finished model, asked through the server's own decoder, so that what is examined is what runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from selam_agent.engines.ctc_phrases import SpelledPhrases
from selam_agent.engines.whisper_decoding import WhisperDecoder
from selam_agent.engines.whisper_decoding_files import Decoding
from selam_agent.ports import Pcm16
from selam_agent.train.book import LANGUAGES

DECODING: Final[dict[str, Any]] = {
    # Zero frames (10 ms each) after the utterance; the model was trained on 4 to 84.
    "margin_frames": 50,
    # CTranslate2 takes an encoder output of 80 positions (a window of 160 frames) for 80 mel bins, and
    # encodes it again: no window may be that short.
    "min_window_s": 1.7,
    "max_window_s": 8.0,
    # Three of the longest phrases have 21.
    "max_new_tokens": 28,
    "hints": False,
}
"""What ``decoding.json`` says besides the thresholds."""


@dataclass(frozen=True, slots=True)
class Heard:
    """``log_prob``: mean natural log-probability per token, the end included (faster-whisper's avg_logprob).

    ``text`` is empty when the model says that this is no phrase; an added phrase has no log_prob, but NaN.
    ``ratio``: see ``ctc_phrases``; None without a text.
    """

    text: str
    language: str
    log_prob: float
    no_speech: float
    ratio: float | None = None

    def accepted(
        self, log_prob_threshold: float, no_speech_threshold: float, spelling_threshold: float
    ) -> bool:
        """Whether the text may be answered."""
        if not self.text or self.no_speech > no_speech_threshold:
            return False
        sure = math.isnan(self.log_prob) or self.log_prob >= log_prob_threshold
        return sure and (self.ratio is None or self.ratio >= spelling_threshold)


class Decoder:
    """A loaded model on one CPU thread. ``decoding``: differences from :data:`DECODING`.

    ``added``: phrases that were not trained, per language.
    """

    def __init__(
        self, directory: Path, added: Mapping[str, Sequence[str]] | None = None, **decoding: Any
    ) -> None:
        settings = Decoding().override({**DECODING, **decoding})
        trained = json.loads((directory / "phrases.json").read_text(encoding="utf-8"))
        self._spelled = SpelledPhrases(directory, trained, added or {})
        self._decoder = WhisperDecoder(directory, settings, languages=LANGUAGES, spelled=self._spelled)

    def hear(self, audio: NDArray[np.float32], language: str | None = None) -> Heard:
        """Recognises float32 ``audio`` [n] at 16 kHz; ``language`` None lets the model decide."""
        answer = self._decoder.decode([_pcm(audio)], language)[0]
        return Heard(answer.text, answer.language or "", answer.log_prob, answer.no_speech, answer.ratio)

    def letters(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The log-probabilities of the CTC head [positions, classes]."""
        return self._spelled.log_probs(self._decoder.encoded(_pcm(audio)))


def _pcm(audio: NDArray[np.float32]) -> Pcm16:
    return np.asarray(np.clip(audio * 32768, -32768, 32767), np.int16)
