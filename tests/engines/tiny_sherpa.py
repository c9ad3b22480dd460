"""An Omnilingual-style CTC model in a few hundred bytes: raw audio in, one letter per loud stretch out.

The real ones take 348 MB. Input, output, file names and token table are theirs: ``x`` float [1, n] at
16 kHz, normalised by sherpa-onnx, and ``logits`` [1, n // 320, vocabulary].
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BLANK, LOUD, LETTERS = 0, 1, ("<s>", "ሰ", "ላ", "ም")


def build(directory: Path) -> Path:
    """Writes the model; a frame is LOUD when its mean level is above half of the utterance's."""
    weights = np.zeros((1, len(LETTERS)), np.float32)
    bias = np.full(len(LETTERS), -9.0, np.float32)
    weights[0, LOUD], bias[LOUD], bias[BLANK] = 1.0, 0.0, 0.5
    constants = {
        "frames": np.array([1, -1, 320], np.int64),
        "weights": weights,
        "bias": bias,
        "start": np.array([0], np.int64),
        "step": np.array(320, np.int64),
        "one": np.array([1], np.int64),
    }
    nodes = [
        # Whole frames only: n - n % 320 samples.
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["n"], axis=0),
        helper.make_node("Div", ["n", "step"], ["count"]),
        helper.make_node("Mul", ["count", "step"], ["end"]),
        helper.make_node("Slice", ["x", "start", "end", "one"], ["whole"]),
        helper.make_node("Reshape", ["whole", "frames"], ["framed"]),
        helper.make_node("Abs", ["framed"], ["level"]),
        helper.make_node("ReduceMean", ["level"], ["mean"], axes=[2], keepdims=1),
        helper.make_node("MatMul", ["mean", "weights"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "t", len(LETTERS)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in {"vocab_size": len(LETTERS), "model_type": "omnilingual-asr"}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    directory.mkdir(parents=True, exist_ok=True)
    onnx.save(model, directory / "model.int8.onnx")
    lines = (f"{letter} {index}\n" for index, letter in enumerate(LETTERS))
    (directory / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    return directory
