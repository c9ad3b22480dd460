"""A private, offline server in a process of its own, for programs that bring their server along."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

START_LIMIT_S = 60.0
_STOP_LIMIT_S = 8.0


class ServerFailed(Exception):  # noqa: N818
    """The server did not come up; the message ends with what it printed."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """Where the server listens, its key, what it said about its engines, its page's one-time link, and its
    process.
    """

    url: str
    api_key: str
    engines: str
    page: str = ""
    pid: int = 0


@contextlib.asynccontextmanager
async def local_server(
    *arguments: str, environment: Mapping[str, str] | None = None, tapes_to: Path | None = None
) -> AsyncIterator[LocalServer]:
    """Starts ``selam-agent serve --offline`` on a free loopback port and stops it at the end.

    The server gets a data directory of its own and none of the user's settings, so a program
    behaves the same everywhere. It ends with this process, even if this process is killed.

    Args:
        arguments: further ones of ``serve``.
        environment: further settings.
        tapes_to: where each session's ``ID.tape`` goes at the end; without it nothing is recorded.

    Raises:
        ServerFailed
    """
    with tempfile.TemporaryDirectory(prefix="selam-agent-") as home:
        key = f"sk-demo-{secrets.token_urlsafe(18)}"
        env = {name: value for name, value in os.environ.items() if not name.startswith("SELAM_")}
        env |= {"SELAM_API_KEY": key, "SELAM_SERVER__DATA_DIR": home, "PYTHONUNBUFFERED": "1"}
        env["SELAM_RECORDS__KEEP"] = "metadata" if tapes_to else "none"
        env |= environment or {}
        command = [sys.executable, "-m", "selam_agent.cli", "serve", "--port", "0", "--offline", "--announce"]
        log = Path(home) / "server.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env=env,
                cwd=home,
            )
        try:
            ready = await _ready(process, log)
            yield LocalServer(
                url=ready["url"],
                api_key=key,
                engines=ready.get("engines", ""),
                page=ready.get("page") or "",
                pid=process.pid,
            )
        finally:
            await _stop(process)
            if tapes_to is not None:
                for tape in (Path(home) / "records").glob("*.tape"):
                    shutil.copyfile(tape, tapes_to / tape.name)


async def _ready(process: asyncio.subprocess.Process, log: Path) -> dict[str, str]:
    assert process.stdout is not None
    printed: list[str] = []
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while line := (await process.stdout.readline()).decode("utf-8", "replace"):
                printed.append(line)
                with contextlib.suppress(ValueError):
                    said = json.loads(line)
                    if isinstance(said, dict) and said.get("event") == "ready":
                        return said
    except TimeoutError:
        printed.append(f"(nothing more within {START_LIMIT_S:g} s)\n")
    logged = await asyncio.to_thread(log.read_text, encoding="utf-8", errors="replace")
    text = ("".join(printed) + logged).strip()
    raise ServerFailed("the server did not start:\n" + text[-3000:])


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Closing its standard input asks the server to stop; signals follow if it does not."""
    if process.stdin is not None:
        process.stdin.close()
    for ask in (None, process.terminate, process.kill):
        if ask is not None:
            with contextlib.suppress(ProcessLookupError):
                ask()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
            return
