"""Runs levels: a fresh server for each, pinned to one processor, and the callers on another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from selam_agent.programs.bench.caller import Log
from selam_agent.programs.bench.confined import enter
from selam_agent.programs.bench.crowd import Crowd, CrowdFailed, Load
from selam_agent.programs.bench.dialect import Dialect, SelamDialect
from selam_agent.programs.bench.measure import part, percentiles
from selam_agent.programs.bench.profile import Profile
from selam_agent.programs.bench.speech import Speech

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 8.0
# Before a measurement, at most.
_SETTLE_S = 4.0
# Long enough for an answer, an interruption and the answer to that.
_FIRST_CALLS_S = 10.0
# Above this the callers are late themselves and the figures are about them.
MOST_BUSY = 0.8


class ServerFailed(Exception):  # noqa: N818
    """The measured server did not come up, or stopped."""


@dataclass(frozen=True, slots=True)
class Processors:
    """The processors that the server and the callers are pinned to; None where that is not possible."""

    server: int | None
    callers: int | None


def processors() -> Processors:
    """The first two that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return Processors(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    return Processors(allowed[0], allowed[1]) if len(allowed) > 1 else Processors(None, None)


@contextlib.contextmanager
def pinned(processor: int | None) -> Any:
    """Keeps this process on a processor meanwhile."""
    if processor is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class MeasuredServer:
    """A server process that answers questions about itself on a pipe (``bench.server``)."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any], ready_s: float) -> None:
        self.process = process
        self.port: int = ready["port"]
        self.loop: str = ready.get("loop", "")
        self.ready_s = ready_s

    async def stats(self) -> dict[str, Any]:
        """``cpu_s``, ``rss_mb`` and ``loop_lag_ms`` since the last time."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(b"?\n")
        line = await asyncio.wait_for(self.process.stdout.readline(), 10)
        if not line:
            raise ServerFailed("the server stopped in the middle of the measurement")
        stats: dict[str, Any] = json.loads(line)
        return stats


@contextlib.asynccontextmanager
async def measured_server(
    *command: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[MeasuredServer]:
    """Runs the command, which says ``{"port": …}`` when it is ready.

    Raises ServerFailed. A CrowdFailed gets what the server wrote to its log last.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={name: value for name, value in os.environ.items() if not name.startswith("SELAM_")}
            | dict(environment or {}),
        )
        try:
            assert process.stdout is not None
            line = b""
            with contextlib.suppress(TimeoutError):
                line = await asyncio.wait_for(process.stdout.readline(), _START_LIMIT_S)
            if not line:
                raise ServerFailed(f"the server did not start:\n{_end_of(log)}")
            yield MeasuredServer(process, json.loads(line), time.perf_counter() - begun)
        except CrowdFailed as error:
            raise CrowdFailed(f"{error}\nThe server's log ends:\n{_end_of(log)}") from error
        finally:
            await _stop(process)


def _end_of(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode("utf-8", "replace")[-3000:] or "(empty)"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def level(
    profile: Profile, speeches: Sequence[Speech], sessions: int, seconds: float, *, within: Path | None = None
) -> dict[str, Any]:
    """Measures so many sessions at once; ``within``: the server runs in this control group.

    Raises ServerFailed, CrowdFailed.
    """
    places = processors()
    key = f"sk-bench-{secrets.token_urlsafe(12)}"
    with tempfile.TemporaryDirectory(prefix="selam-bench-") as home:
        settings = json.dumps(profile.settings(home, sessions))
        place = "-" if places.server is None else str(places.server)
        into = () if within is None else enter(within)
        command = (*into, sys.executable, "-m", "selam_agent.programs.bench.server", settings, key, place)
        async with measured_server(*command) as server:
            dialect = SelamDialect(profile, key)
            with pinned(places.callers):
                return await measure(server, dialect, profile, speeches, sessions, seconds)


async def measure(
    server: MeasuredServer,
    dialect: Dialect,
    profile: Profile,
    speeches: Sequence[Speech],
    sessions: int,
    seconds: float,
) -> dict[str, Any]:
    """One level on a server that is up: figures as the report has them."""

    def crowd(callers: int) -> Crowd:
        return Crowd(
            dialect,
            speeches,
            host="127.0.0.1",
            port=server.port,
            sessions=callers,
            packet_ms=profile.packet_ms,
            buffer_ms=profile.player_buffer_ms,
        )

    # What is imported, touched and made once is not the sessions' cost.
    first = crowd(2)
    async with contextlib.aclosing(first):
        await first.connect()
        await asyncio.sleep(min(_FIRST_CALLS_S, seconds))
    base = await server.stats()
    callers = crowd(sessions)
    async with contextlib.aclosing(callers):
        await callers.connect()
        await asyncio.sleep(min(_SETTLE_S, seconds))
        stats: list[asyncio.Task[dict[str, Any]]] = []
        begun = time.perf_counter()
        log, load = await callers.measure(
            seconds, lambda: stats.append(asyncio.ensure_future(server.stats()))
        )
        before, after = await asyncio.gather(*stats)
    return figures(profile, sessions, seconds, log, load, base, before, after) | {
        "event_loop": server.loop,
        "wall_s": round(time.perf_counter() - begun, 1),
    }


def figures(
    profile: Profile,
    sessions: int,
    seconds: float,
    log: Log,
    load: Load,
    base: dict[str, Any],
    before: dict[str, Any],
    after: dict[str, Any],
) -> dict[str, Any]:
    """The report of one level. ``base``: the server without sessions; ``before``, ``after``: the window."""
    v2v = percentiles([each - profile.silence_ms for each in log.v2v])
    chunk = percentiles(log.decision_to_first_chunk)
    barge_in = percentiles([each - profile.barge_in_ms for each in log.barge_in])
    late = percentiles(load.late)
    return {
        "sessions": sessions,
        "cpu_ms_per_session_second": round((after["cpu_s"] - before["cpu_s"]) * 1000 / sessions / seconds, 2),
        "server_core_busy": round((after["cpu_s"] - before["cpu_s"]) / seconds, 3),
        "base_rss_mb": round(base["rss_mb"], 1),
        "rss_mb_per_session": round((after["rss_mb"] - base["rss_mb"]) / sessions, 3),
        "peak_rss_mb": round(after["peak_rss_mb"], 1),
        "workers_rss_mb": round(after["workers_rss_mb"], 1),
        "v2v_over_silence_ms_p50": part(v2v, "p50"),
        "v2v_over_silence_ms_p95": part(v2v, "p95"),
        "v2v_over_silence_ms_p99": part(v2v, "p99"),
        "decision_to_first_chunk_ms_p50": part(chunk, "p50"),
        "decision_to_first_chunk_ms_p95": part(chunk, "p95"),
        "barge_in_over_threshold_ms_p50": part(barge_in, "p50"),
        "barge_in_over_threshold_ms_p95": part(barge_in, "p95"),
        "underruns": log.underruns,
        "silent_ms_per_reply_p95": part(percentiles(log.silent), "p95"),
        "missed_turns": log.missed_turns,
        "missed_barge_ins": log.missed_barge_ins,
        "cut_offs": log.cut_offs,
        "turns": log.turns,
        "barge_ins": len(log.barge_in),
        "loop_lag_ms": after["loop_lag_ms"],
        "errors": log.errors,
        "callers_busy": round(load.busy, 3),
        "callers_late_ms_p99": part(late, "p99"),
        "valid": load.busy <= MOST_BUSY,
    }


def machine() -> dict[str, Any]:
    """What it ran on."""
    places = processors()
    names = ("python-socketio", "python-engineio", "aiohttp", "numpy", "orjson")
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "server_on": places.server,
        "callers_on": places.callers,
        "load_average": [round(each, 2) for each in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


__all__ = ["CrowdFailed", "ServerFailed", "level", "machine", "measure", "measured_server", "processors"]
