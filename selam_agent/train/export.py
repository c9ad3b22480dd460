"""From a trained network to a directory that CTranslate2 and faster-whisper load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import whisper_spec

from selam_agent.engines.ctc_phrases import HEAD_FILE
from selam_agent.train.book import Book, write_phrases
from selam_agent.train.network import Attention, Layer, MicroWhisper
from selam_agent.train.tokens import Ids, save_tokenizer

_PREPROCESSOR = {
    "feature_size": 80,
    "sampling_rate": 16000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
}


def export(network: MicroWhisper, tokenizer: Any, ids: Ids, book: Book, directory: Path) -> None:
    """Writes model.bin (int8, the rest float16), config, vocabulary, tokenizer, phrases and the CTC head.

    The thresholds and the card are written by the examination that follows.
    """
    shape = network.shape
    spec = whisper_spec.WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    encoder, decoder = spec.encoder, spec.decoder
    for name in ("conv1", "conv2"):
        _linear(getattr(encoder, name), getattr(network, name))
    encoder.position_encodings.encodings = _array(network.positions)
    _norm(encoder.layer_norm, network.encoder_norm)
    for target, layer in zip(encoder.layer, network.encoder, strict=True):
        _layer(target, layer)
    decoder.embeddings.weight = _array(network.embedding.weight)
    decoder.projection.weight = _array(network.embedding.weight)
    decoder.position_encodings.encodings = _array(network.places.weight)
    decoder.scale_embeddings = False
    _norm(decoder.layer_norm, network.decoder_norm)
    for target, layer in zip(decoder.layer, network.decoder, strict=True):
        _layer(target, layer)
    spec.register_vocabulary([tokenizer.id_to_token(i) for i in range(ids.vocabulary)])
    spec.config.suppress_ids = []
    # The end token is not suppressed at the beginning: an empty text is this model's way to say no.
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = list(ids.languages.values())
    spec.config.alignment_heads = [[shape.decoder_layers - 1, head] for head in range(shape.heads)]
    spec.validate()
    spec.optimize(quantization="int8_float16")
    directory.mkdir(parents=True, exist_ok=True)
    spec.save(str(directory))
    save_tokenizer(tokenizer, directory / "tokenizer.json")
    np.savez_compressed(
        directory / HEAD_FILE,
        weight=_array(network.letters.weight).astype(np.float16),
        bias=_array(network.letters.bias).astype(np.float16),
    )
    write_phrases(book, directory / "phrases.json")
    (directory / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSOR) + "\n", encoding="utf-8")


def _array(tensor: Any) -> np.ndarray:
    # A copy: quantisation works in place, and would reach the network, and the tied embeddings twice.
    return np.array(tensor.detach().float().numpy(), order="C", copy=True)


def _linear(target: Any, source: Any) -> None:
    target.weight, target.bias = _array(source.weight), _array(source.bias)


def _norm(target: Any, source: Any) -> None:
    target.gamma, target.beta = _array(source.weight), _array(source.bias)


def _layer(target: Any, source: Any) -> None:
    assert isinstance(source, Layer)
    self_attention = source.self_attention
    assert isinstance(self_attention, Attention)
    _norm(target.self_attention.layer_norm, source.self_norm)
    _linear(target.self_attention.linear[0], self_attention.query_key_value)
    _linear(target.self_attention.linear[1], self_attention.out)
    if hasattr(source, "cross_attention"):
        _norm(target.attention.layer_norm, source.cross_norm)
        _linear(target.attention.linear[0], source.cross_attention.query)
        _linear(target.attention.linear[1], source.cross_attention.key_value)
        _linear(target.attention.linear[2], source.cross_attention.out)
    _norm(target.ffn.layer_norm, source.inner_norm)
    _linear(target.ffn.linear_0, source.inner)
    _linear(target.ffn.linear_1, source.outer)
