"""Decoding with a Whisper model in CTranslate2 form, without faster-whisper's own loop.

``WhisperModel.transcribe`` always encodes 30 s, encodes a second time to detect the language, refuses
languages that are not OpenAI's (om, ti) and retries at six temperatures. Here: one encoder pass over
the window that is needed, the language from the same pass, greedy search, a bounded number of tokens.
On one thread the encoder of a base-size model takes 69 ms for 10 s against 521 ms for 30 s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from selam_agent.engines.ctc_phrases import SpelledPhrases
from selam_agent.engines.stt_gates import SCRIPTS
from selam_agent.engines.whisper_decoding_features import LogMel
from selam_agent.engines.whisper_decoding_files import Decoding, missing_files
from selam_agent.errors import EngineError, SettingsError
from selam_agent.ports import Pcm16

__all__ = ["SAMPLE_RATE", "Decoded", "WhisperDecoder", "split_at_pauses"]

SAMPLE_RATE: Final = 16_000
_FRAMES_PER_SECOND: Final = 100
_MOST_FRAMES: Final = 3000
# The decoder has 448 positions; CTranslate2, like OpenAI's own loop, gives at most half of
# ``max_length`` to the text, whatever the prompt leaves.
_POSITIONS: Final = 448
_MOST_TOKENS: Final = _POSITIONS // 2
_HINT_TOKENS: Final = 100
_LANGUAGE_TOKEN: Final = re.compile(r"<\|([a-z]{2,3})\|>")
# What the tokenizer's cost of a script is measured on, and that script's characters per second
# relative to Latin ones (a Ge'ez letter is a syllable).
_SAMPLES: Final = {
    "Latin": ("I would like to see the doctor tomorrow morning, please.", 1.0),
    "Ethiopic": ("ነገ ጠዋት ሐኪም ማየት እፈልጋለሁ እባክዎ ቀጠሮ ይያዙልኝ።", 0.6),
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """``log_prob``: mean per token, the end token included; NaN where there is none.

    ``no_speech``: a probability. ``ratio``: how well the sound spells the text (``ctc_phrases``), if known.
    """

    text: str
    language: str | None
    log_prob: float
    no_speech: float
    ratio: float | None = None


class WhisperDecoder:
    """A loaded model. ``decode`` may be called from as many threads as there are ``workers``.

    Args:
        directory: a CTranslate2 Whisper model with its tokenizer.
        languages: ISO 639-1 codes that may be recognised; those without a token are left out.
        spelled: spells what the model has heard, and finds phrases that were added to its own.

    Raises:
        SettingsError: files are missing or cannot be loaded.
    """

    def __init__(
        self,
        directory: Path,
        decoding: Decoding,
        *,
        languages: Sequence[str] = tuple(SCRIPTS),
        device: str = "cpu",
        compute_type: str = "int8",
        threads: int = 1,
        workers: int = 1,
        spelled: SpelledPhrases | None = None,
    ) -> None:
        if missing := missing_files(directory):
            raise SettingsError(
                f"stt.model: {directory} is no CTranslate2 Whisper model: no {', '.join(missing)}"
            )
        # Imported here: half a second and 100 MB that other engines need not pay for.
        import ctranslate2
        from faster_whisper import WhisperModel

        try:
            self._model = WhisperModel(
                str(directory),
                device=device,
                compute_type=compute_type,
                cpu_threads=threads,
                num_workers=workers,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise SettingsError(f"stt.model: {directory} does not load: {error}") from error
        self.decoding = decoding
        self._spelled = spelled
        self._whisper = self._model.model
        self._storage = ctranslate2.StorageView
        self._log_mel = LogMel(self._model.feature_extractor)
        self._read_vocabulary(languages)

    def _read_vocabulary(self, languages: Sequence[str]) -> None:
        tokenizer = self._model.hf_tokenizer
        vocabulary: dict[str, int] = tokenizer.get_vocab()
        try:
            self._start, self._end = vocabulary["<|startoftranscript|>"], vocabulary["<|endoftext|>"]
            self._no_timestamps = vocabulary["<|notimestamps|>"]
        except KeyError as error:
            raise SettingsError(f"stt.model: tokenizer.json has no token {error}") from None
        self._task = vocabulary.get("<|transcribe|>")
        self._previous = vocabulary.get("<|startofprev|>")
        never = ("translate", "transcribe", "startofprev", "startoflm", "startoftranscript")
        # -1 adds what the model's own config.json suppresses.
        self._suppressed = [-1, *(vocabulary[t] for n in never if (t := f"<|{n}|>") in vocabulary)]
        self._language_ids: dict[str, int] = {}
        if self._whisper.is_multilingual:
            known = {m[1]: i for token, i in vocabulary.items() if (m := _LANGUAGE_TOKEN.fullmatch(token))}
            named = dict(self.decoding.language_tokens or {})
            for code in languages:
                if (token := named.get(code, code)) in known:
                    self._language_ids[code] = known[token]
            if not self._language_ids:
                raise SettingsError(f"stt.model: the model knows none of {', '.join(languages)}")
        self.languages: tuple[str, ...] = tuple(self._language_ids) or ("en",)
        """What this model may be asked for, in the order given."""
        costs = {s: len(tokenizer.encode(t).ids) / len(t) * pace for s, (t, pace) in _SAMPLES.items()}
        self._cost = {script: max(1.0, cost / costs["Latin"]) for script, cost in costs.items()}

    def pieces(self, audio: Pcm16, language: str | None = None) -> list[Pcm16]:
        """``audio`` in pieces that fit the model with their text, cut at pauses."""
        longest = self.decoding.max_window_s
        if self.decoding.max_new_tokens is None:
            # Half of the pace that the budget allows for is a brisk speaker's. Amharic fills the
            # decoder in 12 s.
            pace = max(self._pace(code) for code in ([language] if language else self.languages)) / 2
            longest = min(longest, _MOST_TOKENS / pace)
        return split_at_pauses(audio, int(longest * SAMPLE_RATE))

    def decode(
        self, batch: Sequence[Pcm16], language: str | None = None, hints: Sequence[str] = ()
    ) -> list[Decoded]:
        """Decodes utterances of one language (None: each its own) in one pass. Blocks; CPU-bound.

        Args:
            batch: int16 [n] at 16 kHz each, none longer than ``max_window_s``.

        Raises:
            EngineError: the model has no such language, or the engine failed.
        """
        if language is not None and language not in self.languages:
            raise EngineError(
                f"This speech model does not know {language!r}, only {', '.join(self.languages)}; set "
                "stt.model to a Whisper model fine-tuned for it and converted to CTranslate2.",
                code="language_not_supported",
                details={"languages": list(self.languages)},
                retryable=False,
            )
        try:
            return self._decode(batch, language, hints)
        except (RuntimeError, ValueError) as error:
            raise EngineError("The speech recogniser failed.", code="stt_failed") from error

    def encoded(self, audio: Pcm16) -> NDArray[np.float32]:
        """What the encoder makes of one utterance: [positions, width]."""
        made: NDArray[np.float32] = np.array(self._encode([audio], len(audio) / SAMPLE_RATE))[0]
        return made

    def _encode(self, batch: Sequence[Pcm16], longest: float) -> Any:
        return self._whisper.encode(self._storage.from_array(self._spectrogram(batch, longest)))

    def _decode(self, batch: Sequence[Pcm16], language: str | None, hints: Sequence[str]) -> list[Decoded]:
        longest = max(len(audio) for audio in batch) / SAMPLE_RATE
        encoded = self._encode(batch, longest)
        if language is None and len(self._language_ids) > 1:
            spoken = self._detect(encoded)
        else:
            spoken = [language or self.languages[0]] * len(batch)
        before = self._hint_tokens(hints)
        prompts = [before + self._prompt(code) for code in spoken]
        budget = max(self._budget(longest, code) for code in spoken)
        results = self._whisper.generate(
            encoded,
            prompts,
            beam_size=1,
            max_length=min(_POSITIONS, max(2 * budget, max(map(len, prompts)) + budget)),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
        )
        heard = [self._decoded(result, code) for result, code in zip(results, spoken, strict=True)]
        if self._spelled is None:
            return heard
        spelled = self._spelled
        log_probs = [spelled.log_probs(each) for each in np.array(encoded)]
        return [
            self._verified(spelled, each, letters, language)
            for each, letters in zip(heard, log_probs, strict=True)
        ]

    def _verified(
        self,
        spelled: SpelledPhrases,
        heard: Decoded,
        letters: NDArray[np.float32],
        language: str | None,
    ) -> Decoded:
        """What was heard with its ratio, or an added phrase where the model itself is sure of nothing."""
        ratio = None
        if heard.text:
            text, ratio = spelled.likeliest(letters, heard.text, heard.language or "")
            heard = replace(heard, text=text)
        if (
            ratio is not None
            and ratio >= self.decoding.spelling_threshold
            and heard.log_prob >= self.decoding.log_prob_threshold
        ):
            return replace(heard, ratio=ratio)
        found = spelled.best(letters, [language] if language else self.languages)
        if found is None or found.ratio < self.decoding.added_threshold:
            return replace(heard, ratio=ratio)
        return Decoded(found.text, found.language, math.nan, heard.no_speech, found.ratio)

    def _spectrogram(self, batch: Sequence[Pcm16], longest: float) -> NDArray[np.float32]:
        """Log-mel features [batch, bins, frames] of the window: zeros after the audio, as in training."""
        decoding = self.decoding
        wanted = math.ceil(longest * _FRAMES_PER_SECOND) + decoding.margin_frames
        wanted = max(wanted, math.ceil(decoding.min_window_s * _FRAMES_PER_SECOND))
        # Two frames become one encoder position; steps of 16 keep the number of shapes small.
        frames = min(16 * math.ceil(wanted / 16), _MOST_FRAMES)
        if frames == 2 * self._log_mel.bins:
            # As many encoder positions as there are mel bins: CTranslate2 would take the encoder's
            # output for features and encode it once more.
            frames += 16
        features = np.zeros((len(batch), self._log_mel.bins, frames), np.float32)
        for row, audio in zip(features, batch, strict=True):
            mel = self._log_mel(audio)[:, :frames]
            row[:, : mel.shape[1]] = mel
        return features

    def _detect(self, encoded: Any) -> list[str]:
        """The likeliest of the allowed languages for each item."""
        codes: dict[str, str] = {}
        for code, number in self._language_ids.items():
            codes.setdefault(self._model.hf_tokenizer.id_to_token(number), code)
        return [
            next((codes[token] for token, _ in ranking if token in codes), self.languages[0])
            for ranking in self._whisper.detect_language(encoded)
        ]

    def _prompt(self, language: str) -> list[int]:
        if not self._language_ids:
            return [self._start, self._no_timestamps]
        task = [] if self._task is None else [self._task]
        return [self._start, self._language_ids[language], *task, self._no_timestamps]

    def _hint_tokens(self, hints: Sequence[str]) -> list[int]:
        if not hints or not self.decoding.hints or self._previous is None:
            return []
        text = self._model.hf_tokenizer.encode(" " + ", ".join(hints), add_special_tokens=False)
        return [self._previous, *text.ids[:_HINT_TOKENS]]

    def _budget(self, seconds: float, language: str) -> int:
        if self.decoding.max_new_tokens is not None:
            return self.decoding.max_new_tokens
        return 8 + math.ceil(self._pace(language) * seconds)

    def _pace(self, language: str) -> float:
        """Tokens per second that nobody exceeds."""
        return self.decoding.max_tokens / 10.0 * self._cost[SCRIPTS.get(language, "Latin")]

    def _decoded(self, result: Any, language: str) -> Decoded:
        tokens = result.sequences_ids[0]
        # The score is a mean over the tokens without the end token; openai-whisper counts that one.
        mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
        text = self._model.hf_tokenizer.decode([token for token in tokens if token < self._end])
        return Decoded(text.strip(), language, float(mean), float(result.no_speech_prob))


def split_at_pauses(audio: Pcm16, longest: int) -> list[Pcm16]:
    """Cuts ``audio`` (int16 [n], 16 kHz) at its quietest 300 ms until no piece has over ``longest`` samples.

    The cut lies in the second half of what fits, so pieces stay long; halves of a word are avoided
    wherever the caller paused at all.
    """
    pieces: list[Pcm16] = []
    frame, smooth = 320, 15
    while len(audio) > longest:
        head = audio[longest // 2 : longest].astype(np.float32)
        count = len(head) // frame
        cut = longest
        if count > smooth:
            energy = np.square(head[: count * frame]).reshape(count, frame).mean(axis=1)
            level = np.convolve(energy, np.ones(smooth, np.float32), mode="valid")
            cut = longest // 2 + (int(level.argmin()) + smooth // 2) * frame
        pieces.append(audio[:cut])
        audio = audio[cut:]
    pieces.append(audio)
    return pieces
