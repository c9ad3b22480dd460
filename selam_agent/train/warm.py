"""Begins a training run with the weights of a shipped model: what sounds like what is known already.

The reverse of ``export.py``: reads CTranslate2's ``model.bin``, undoes the quantisation and fills in a
network of the same shape. Tokens are matched by name; new ones, and the CTC head, keep their random
beginning.
"""

# The types hold with and without torch installed, where all of it is Any:
# mypy: allow-untyped-calls, no-warn-return-any, no-warn-unused-ignores

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selam_agent.train.model_file import read_variables, weight
from selam_agent.train.network import Layer, MicroWhisper


def begin_with(network: MicroWhisper, tokenizer: Any, directory: Path) -> int:
    """Fills ``network`` from the CTranslate2 model in ``directory``; returns how many tokens were known.

    Raises:
        ValueError: the model has another shape.
    """
    found = read_variables(directory / "model.bin")
    for name in ("conv1", "conv2"):
        _copy(getattr(network, name), found, f"encoder/{name}")
    _copy_norm(network.encoder_norm, found, "encoder/layer_norm")
    _copy_norm(network.decoder_norm, found, "decoder/layer_norm")
    for side, layers in (("encoder", network.encoder), ("decoder", network.decoder)):
        for number, layer in enumerate(layers):
            _copy_layer(layer, found, f"{side}/layer_{number}")
    places = found["decoder/position_encodings/encodings"]
    _fill(network.places.weight, places)
    known = json.loads((directory / "vocabulary.json").read_text(encoding="utf-8"))
    rows = {token: row for row, token in enumerate(known)}
    embeddings = weight(found, "decoder/embeddings")
    if embeddings.shape[1] != network.shape.width:
        raise ValueError(f"{directory} has a width of {embeddings.shape[1]}, not {network.shape.width}")
    matched = 0
    with torch.no_grad():
        for number in range(network.shape.vocabulary):
            row = rows.get(tokenizer.id_to_token(number))
            if row is not None:
                network.embedding.weight[number] = torch.from_numpy(embeddings[row])
                matched += 1
    return matched


def _fill(parameter: Any, values: np.ndarray) -> None:
    if tuple(parameter.shape) != values.shape:
        raise ValueError(f"the model's shape differs: {values.shape} instead of {tuple(parameter.shape)}")
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(values, np.float32)))


def _copy(module: Any, found: dict[str, np.ndarray], name: str) -> None:
    _fill(module.weight, weight(found, name))
    _fill(module.bias, found[f"{name}/bias"])


def _copy_norm(module: Any, found: dict[str, np.ndarray], name: str) -> None:
    _fill(module.weight, found[f"{name}/gamma"])
    _fill(module.bias, found[f"{name}/beta"])


def _copy_layer(layer: Any, found: dict[str, np.ndarray], name: str) -> None:
    assert isinstance(layer, Layer)
    _copy_norm(layer.self_norm, found, f"{name}/self_attention/layer_norm")
    _copy(layer.self_attention.query_key_value, found, f"{name}/self_attention/linear_0")
    _copy(layer.self_attention.out, found, f"{name}/self_attention/linear_1")
    if hasattr(layer, "cross_attention"):
        _copy_norm(layer.cross_norm, found, f"{name}/attention/layer_norm")
        _copy(layer.cross_attention.query, found, f"{name}/attention/linear_0")
        _copy(layer.cross_attention.key_value, found, f"{name}/attention/linear_1")
        _copy(layer.cross_attention.out, found, f"{name}/attention/linear_2")
    _copy_norm(layer.inner_norm, found, f"{name}/ffn/layer_norm")
    _copy(layer.inner, found, f"{name}/ffn/linear_0")
    _copy(layer.outer, found, f"{name}/ffn/linear_1")
