"""How the finished model is asked: a short window, the language from the first decoder step.

faster-whisper's ``transcribe`` would pad to 30 s, which costs ten times as much and gives the
same text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

MARGIN_FRAMES: Final = 50
"""Zero frames (10 ms each) after the utterance; the model was trained on 4 to 84."""
MAX_NEW_TOKENS: Final = 28
"""Three of the longest phrases have 21 tokens."""


@dataclass(frozen=True, slots=True)
class Heard:
    """``log_prob``: mean natural log-probability per token, the end included (faster-whisper's avg_logprob).

    ``text`` is empty when the model says that this is no phrase.
    """

    text: str
    language: str
    log_prob: float
    no_speech: float

    def accepted(self, log_prob_threshold: float, no_speech_threshold: float) -> bool:
        """Whether the text may be answered."""
        return (
            bool(self.text) and self.log_prob >= log_prob_threshold and self.no_speech <= no_speech_threshold
        )


class Decoder:
    """A loaded model. Not thread-safe."""

    def __init__(self, directory: Path, margin: int = MARGIN_FRAMES) -> None:
        self.whisper = WhisperModel(
            str(directory), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
        )
        self._margin = margin

    def features(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mel [80, frames] of 16 kHz audio, with the margin, of an even number of frames."""
        mel = self.whisper.feature_extractor(audio)[:, :-1]
        frames = min(3000, mel.shape[1] + self._margin)
        frames += frames % 2
        padded = np.zeros((80, frames), np.float32)
        padded[:, : mel.shape[1]] = mel[:, :frames]
        return padded

    def hear(self, audio: NDArray[np.float32], language: str | None = None) -> Heard:
        """Recognises float32 ``audio`` [n] at 16 kHz; ``language`` None lets the model decide."""
        model = self.whisper.model
        memory = model.encode(ctranslate2.StorageView.from_array(self.features(audio)[None]))
        if language is None:
            language = model.detect_language(memory)[0][0][0].strip("<|>")
        special = ("startoftranscript", language, "transcribe", "notimestamps")
        prompt = [self.whisper.hf_tokenizer.token_to_id(f"<|{name}|>") for name in special]
        result = model.generate(
            memory,
            [prompt],
            beam_size=1,
            max_length=len(prompt) + MAX_NEW_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=False,
            suppress_tokens=[],
        )[0]
        ids = result.sequences_ids[0]
        text = self.whisper.hf_tokenizer.decode(ids).strip()
        return Heard(text, language, result.scores[0] * len(ids) / (len(ids) + 1), result.no_speech_prob)
