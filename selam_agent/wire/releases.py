"""Which releases of a library the places that replace its internals were tested with."""

from __future__ import annotations

from collections.abc import Container
from importlib.metadata import version


def is_one_of(package: str, minors: Container[str], installed: str | None = None) -> bool:
    """Whether this release, by default the installed one, is of such a minor release ("3.14").

    Reads a file: to be asked at the start, not for each connection.
    """
    release = installed or version(package)
    return ".".join(release.split(".")[:2]) in minors
