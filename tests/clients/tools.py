"""Finding Node and Chromium, and saying in one line when they are not there."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
CHUNKS = HERE.parent / "fixtures" / "mediarecorder_chunks.jsonl"
CLIENT_JS = HERE / "node_modules" / "socket.io-client" / "dist" / "socket.io.min.js"
AXE_JS = HERE / "node_modules" / "axe-core" / "axe.min.js"


def need_node() -> str:
    """Path of node, with what ``package.json`` names installed beside this file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        missing("Node is not installed: the tests with socket.io-client are skipped")
    if npm is None and not _installed():
        missing("npm is not installed: the tests with socket.io-client are skipped")
    with _alone():
        if not _installed():
            _npm_install(str(npm))
    return node


def need_chromium() -> str:
    """Path of Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing("Chromium is not installed: the browser test is skipped")
    return path


def _installed() -> bool:
    return CLIENT_JS.exists() and AXE_JS.exists()


@contextmanager
def _alone() -> Iterator[None]:
    """Test processes run side by side; one of them installs, the others wait."""
    with (Path(tempfile.gettempdir()) / "selam-agent-npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _npm_install(npm: str) -> None:
    command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode or not _installed():
        missing(f"npm install failed, tests with socket.io-client are skipped: {done.stderr.strip()[-200:]}")


def missing(line: str) -> NoReturn:
    """Skips with one line; in CI, where everything is installed, that is a failure."""
    if os.environ.get("SELAM_CI") == "1":
        pytest.fail(line)
    print(line)
    pytest.skip(line)
