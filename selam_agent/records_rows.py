"""Rows of a record that grows for as long as its session goes on."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

_BLOCK: Final = 16 * 1024


class Rows:
    """Dicts in order, kept as compressed JSON: a decision takes about ten bytes, as a dict five hundred."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open = bytearray()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, row: dict[str, Any]) -> None:
        """Keeps what JSON can hold of it, as it is now."""
        self._open += json.dumps(row, separators=(",", ":"), default=str).encode() + b"\n"
        self._count += 1
        if len(self._open) >= _BLOCK:
            self._blocks.append(zlib.compress(self._open, 1))
            self._open.clear()

    def all(self) -> list[dict[str, Any]]:
        """Every row, made anew."""
        text = b"".join((*map(zlib.decompress, self._blocks), self._open))
        return [json.loads(line) for line in text.splitlines()]


def plain(value: Any) -> Any:
    """The value made of what JSON has: dicts and lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    return value
