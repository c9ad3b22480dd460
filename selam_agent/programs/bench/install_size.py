"""What a plain ``pip install`` of the project puts on the disk, by the record of what is installed here."""

from __future__ import annotations

import os
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import selam_agent

_NAME = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^]]*)])?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_LARGEST = 10


def install_size(project: str = "selam-agent") -> dict[str, Any]:
    """``total_mb``, ``packages`` and the ``largest`` ten, of the project and all that it requires.

    Disk usage (blocks), files of byte code included as far as pip wrote them. Other packages of the
    environment, such as the developers' tools, do not count.
    """
    sizes = {each.name: _size_mb(each) for each in required(project)}
    if sizes.get(project, 0.0) < 1:  # an editable install records no more than a path
        sizes[project] = _disk_mb(list(Path(selam_agent.__file__).parent.rglob("*")))
    largest = sorted(sizes, key=lambda name: -sizes[name])[:_LARGEST]
    return {
        "total_mb": round(sum(sizes.values()), 1),
        "packages": len(sizes),
        "largest": {name: round(sizes[name], 1) for name in largest},
    }


def required(project: str) -> list[Distribution]:
    """The project's distribution and all installed ones that it needs without its extras."""
    found: dict[str, Distribution] = {}
    asked: set[tuple[str, str]] = set()
    waiting: list[tuple[str, str]] = [(project, "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in asked:
            continue
        asked.add((name, extra))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # for another system or another Python
        for line in found[name].requires or ():
            requirement, _, marker = line.partition(";")
            only_for = _EXTRA.findall(marker)
            if only_for and extra not in only_for:
                continue
            needed = _NAME.match(requirement)
            assert needed is not None, line
            extras = [each.strip() for each in (needed[2] or "").split(",")]
            waiting += [(_normal(needed[1]), each) for each in {"", *extras}]
    return list(found.values())


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _size_mb(installed: Distribution) -> float:
    return _disk_mb([Path(str(each.locate())) for each in installed.files or ()])


def _disk_mb(paths: list[Path]) -> float:
    seen: dict[tuple[int, int], int] = {}
    for path in paths:
        try:
            status = os.lstat(path)
        except OSError:
            continue
        seen[status.st_dev, status.st_ino] = getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
    return sum(seen.values()) / 2**20
