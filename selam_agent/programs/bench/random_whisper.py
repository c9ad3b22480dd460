"""Whisper models of true shape with random weights, made on the spot: a recogniser's cost without a download.

All their work is that of the real ones, multiplication by multiplication. What they write does not
come from the sound: each position of the decoder is drawn towards one token, so that every utterance
becomes the same ten tokens, the end included. Without that, random weights write to the limit.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import string
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHAPES", "WRITES", "Shape", "build", "cached"]


@dataclass(frozen=True, slots=True)
class Shape:
    """``width`` of the model, ``layers`` of the encoder and of the decoder each, ``heads``; ``vocabulary``
    without the special tokens.
    """

    width: int
    layers: int
    heads: int
    vocabulary: int = 50_257


# OpenAI's (Radford et al. 2022, table 1).
SHAPES: Final = {"base": Shape(512, 6, 8), "small": Shape(768, 12, 12)}
# In the real vocabulary these are nine tokens as well.
WRITES: Final = ("ĠI", "Ġwant", "Ġto", "Ġbook", "Ġan", "Ġappointment", ",", "Ġplease", ".")
_MELS, _HEARD_POSITIONS, _WRITTEN_POSITIONS, _LANGUAGES = 80, 1500, 448, 99
# Start, language, task and "no timestamps" come before the text.
_PROMPT: Final = 4
# So much stronger than what the layers add that nothing else is ever likelier.
_PULL: Final = 2000.0
_SPREAD, _SURE = 0.02, 30.0
# Raise it when what is written below changes: models of before are then made again.
_VERSION: Final = 1
_PREPROCESSOR: Final = {
    "feature_size": _MELS,
    "sampling_rate": 16_000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
}


def cached(name: str) -> Path:
    """The directory of the model of that shape, made at the first call: seconds, and 80 or 250 MB of disk.

    Under ``$XDG_CACHE_HOME``, else ``~/.cache``.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = home / "selam-agent" / "bench" / f"whisper-{name}-random-{_VERSION}"
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all, whoever else is making it.
        made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=directory.parent))
        try:
            build(made, SHAPES[name])
            if not directory.is_dir():
                made.rename(directory)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return directory


def build(directory: Path, shape: Shape) -> None:
    """Writes the model in CTranslate2's form, int8, with its tokenizer."""
    from ctranslate2.specs import WhisperSpec

    weights = _Weights(shape.width)
    spec = WhisperSpec(shape.layers, shape.heads, shape.layers, shape.heads)
    tokenizer, languages = _tokenizer(shape.vocabulary)
    size = tokenizer.get_vocab_size()
    encoder, decoder = spec.encoder, spec.decoder
    for layer, into in ((encoder.conv1, _MELS), (encoder.conv2, shape.width)):
        layer.weight, layer.bias = weights.normal(shape.width, into, 3), weights.zeros(shape.width)
    encoder.position_encodings.encodings = weights.normal(_HEARD_POSITIONS, shape.width)
    # The likeliest token is so many logits above the others: as sure of it as a real model.
    embeddings = weights.normal(size, shape.width) * np.float32(_SURE / _SPREAD / shape.width)
    decoder.embeddings.weight = embeddings
    decoder.scale_embeddings = False
    # Quantisation works in place: tied weights would be quantised twice.
    decoder.projection.weight, decoder.projection.bias = embeddings.copy(), weights.zeros(size)
    written = [tokenizer.token_to_id(each) for each in ("<|en|>", *WRITES, "<|endoftext|>")]
    decoder.position_encodings.encodings = _positions(embeddings, written)
    for layer in encoder.layer:
        weights.layer(layer)
    for layer in decoder.layer:
        weights.layer(layer)
        weights.attention(layer.attention, (1, 2, 1))
    weights.norm(encoder.layer_norm)
    weights.norm(decoder.layer_norm)
    spec.register_vocabulary([tokenizer.id_to_token(each) for each in range(size)])
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{each}|>") for each in languages]
    spec.config.alignment_heads = [[shape.layers - 1, head] for head in range(shape.heads)]
    spec.validate()
    spec.optimize(quantization="int8")
    directory.mkdir(parents=True, exist_ok=True)
    spec.save(str(directory))
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSOR) + "\n", encoding="utf-8")


class _Weights:
    """Fills the parts of a model of this width."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._random = np.random.default_rng(0)

    def normal(self, *shape: int) -> NDArray[np.float32]:
        drawn: NDArray[np.float32] = self._random.standard_normal(shape, np.float32)
        return drawn * np.float32(_SPREAD)

    def zeros(self, *shape: int) -> NDArray[np.float32]:
        return np.zeros(shape, np.float32)

    def norm(self, part: Any) -> None:
        part.gamma, part.beta = np.ones(self._width, np.float32), self.zeros(self._width)

    def linear(self, part: Any, out: int, into: int) -> None:
        part.weight, part.bias = self.normal(out, into), self.zeros(out)

    def attention(self, part: Any, outputs: Sequence[int]) -> None:
        """``outputs``: of each of its matrices, in widths."""
        for linear, out in zip(part.linear, outputs, strict=True):
            self.linear(linear, out * self._width, self._width)
        self.norm(part.layer_norm)

    def layer(self, part: Any) -> None:
        self.attention(part.self_attention, (3, 1))
        self.linear(part.ffn.linear_0, 4 * self._width, self._width)
        self.linear(part.ffn.linear_1, self._width, 4 * self._width)
        self.norm(part.ffn.layer_norm)


def _positions(embeddings: NDArray[np.float32], written: Sequence[int]) -> NDArray[np.float32]:
    """The decoder's, each drawn towards the token that follows it: ``written`` holds the language, which is
    asked for at the first, then the text and its end, where all the rest stays.
    """
    language, *text = written
    following = np.full(_WRITTEN_POSITIONS, text[-1])
    following[: _PROMPT - 1] = language
    following[_PROMPT - 1 :][: len(text)] = text
    towards = embeddings[following]
    drawn: NDArray[np.float32] = towards * np.float32(_PULL) / np.linalg.norm(towards, axis=1, keepdims=True)
    return drawn


def _tokenizer(vocabulary: int) -> tuple[Any, list[str]]:
    """Bytes, the words that are written, tokens that never occur up to the real number, and Whisper's special
    ones in Whisper's order; with it the languages.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    # Of ours those that it has a token for; for its others codes that ISO 639-2 leaves to local use.
    others = (f"q{a}{b}" for a in "abcd" for b in string.ascii_lowercase)
    languages = ["en", "am", "so", *itertools.islice(others, _LANGUAGES - 3)]
    tokens = list(dict.fromkeys([*sorted(pre_tokenizers.ByteLevel.alphabet()), *WRITES]))
    tokens += [f"never{each}" for each in range(vocabulary - 1 - len(tokens))]
    # CTranslate2 takes a model with an empty token for multilingual.
    tokens.append("")
    made = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    names = ["endoftext", "startoftranscript", *languages, "translate", "transcribe", "startoflm"]
    names += ["startofprev", "nospeech", "notimestamps", *(f"{each * 0.02:.2f}" for each in range(1501))]
    made.add_special_tokens([AddedToken(f"<|{each}|>", special=True, normalized=False) for each in names])
    return made, languages
