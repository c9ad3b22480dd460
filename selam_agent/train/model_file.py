"""Reads the arrays of a CTranslate2 ``model.bin``, which CTranslate2 itself only runs."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

# By the numbers that ``ctranslate2.specs.ModelSpec`` gives them.
_TYPES: Final = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_variables(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a ``model.bin`` (``ctranslate2.specs.ModelSpec`` writes it, version 6), by name."""
    with path.open("rb") as file:
        _number(file, "I")
        _name(file)
        _number(file, "I")
        variables = {}
        for _ in range(_number(file, "I")):
            name = _name(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            kind = np.dtype(_TYPES[_number(file, "B")])
            data = file.read(_number(file, "I"))
            variables[name] = np.frombuffer(data, kind).reshape(shape)
        for _ in range(_number(file, "I")):
            alias = _name(file)
            variables[alias] = variables[_name(file)]
    return variables


def _number(file: BinaryIO, kind: str) -> int:
    value: int = struct.unpack(kind, file.read(struct.calcsize(kind)))[0]
    return value


def _name(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def weight(found: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A matrix as float32: what was quantised row by row is scaled back."""
    stored = found[f"{name}/weight"]
    scale = found.get(f"{name}/weight_scale")
    values: np.ndarray = stored.astype(np.float32)
    if scale is None:
        return values
    return values / scale.astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
