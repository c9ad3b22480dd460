"""What a measured server says of itself on its pipe; imports nothing of the server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

from selam_agent.programs.bench.measure import percentiles
from selam_agent.programs.bench.processes import family

_LOOK_S = 0.02


class LoopLag:
    """How late the event loop comes round, in ms: a timer every 20 ms, and how late it fires."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._seen: list[float] = []
        self._due = self._loop.time() + _LOOK_S
        self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._seen.append((now - self._due) * 1000)
        self._due = now + _LOOK_S
        self._loop.call_at(self._due, self._look)

    def take(self) -> list[float]:
        """What was seen since the last time."""
        seen, self._seen = self._seen, []
        return seen


async def answer_until_told_to_stop(port: int) -> None:
    """Says that the server is ready and answers each line of the input with what was used, to its end."""
    lag = LoopLag()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            stopped.set()
            return
        _say(_used() | {"loop_lag_ms": percentiles(lag.take())})

    loop.add_reader(sys.stdin.fileno(), asked)
    _say({"port": port, "loop": type(loop).__module__})
    await stopped.wait()


def _used() -> dict[str, Any]:
    """Of this process and those that it started. ``workers_rss_mb``: what of ``rss_mb`` is theirs."""
    children = os.times()
    workers = family(os.getpid())
    own = workers.pop(0)
    return {
        # The worker's own clock is coarse, its 10 ms are nothing over a window.
        "cpu_s": time.process_time()
        + children.children_user
        + children.children_system
        + sum(each.cpu_s for each in workers),
        "rss_mb": own.rss_mb + sum(each.rss_mb for each in workers),
        "peak_rss_mb": own.peak_rss_mb + sum(each.peak_rss_mb for each in workers),
        "workers_rss_mb": sum(each.rss_mb for each in workers),
    }


def stay_on(processor: str) -> None:
    """Pins this process to a processor, by its number; ``-``: to none."""
    if processor != "-":
        os.sched_setaffinity(0, {int(processor)})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
