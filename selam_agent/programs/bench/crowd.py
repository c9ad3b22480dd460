"""Many callers in one process, each on its own absolute schedule, evenly spread over a packet's time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from selam_agent.programs.bench.caller import PATIENCE_MS, Caller, Log
from selam_agent.programs.bench.dialect import Dialect
from selam_agent.programs.bench.sockets import WebSocket
from selam_agent.programs.bench.speech import Speech

_CONNECT_LIMIT_S = 15.0
# Connections per second: a server is measured at talking, not at shaking hands.
_CONNECTS_PER_S = 40
# First lines are spread over so long.
_SPREAD_MS = 3000.0
# Timers finer than this only wake the process more often.
_GRAIN_S = 0.001


class CrowdFailed(Exception):  # noqa: N818
    """The callers could not be connected, or the server dropped them."""


@dataclass(slots=True)
class Load:
    """What playing the callers cost: share of one processor, and how late packets left (ms)."""

    busy: float = 0.0
    late: list[float] = field(default_factory=list)


class Crowd:
    """``sessions`` callers of one server at ``host``:``port``, who say the ``speeches`` in turn, one each."""

    def __init__(
        self,
        dialect: Dialect,
        speeches: Sequence[Speech],
        *,
        host: str,
        port: int,
        sessions: int,
        packet_ms: int,
        buffer_ms: float,
    ) -> None:
        self._dialect = dialect
        self._host, self._port = host, port
        self._packet_s = packet_ms / 1000
        frames = [
            Speech(
                line=[dialect.packet(each) for each in speech.line],
                room=[dialect.packet(each) for each in speech.room],
                lead_ms=speech.lead_ms,
            )
            for speech in speeches
        ]
        self._callers = [
            Caller(dialect, frames[seed % len(frames)], buffer_ms, seed) for seed in range(sessions)
        ]
        self._load = Load()
        self._microphones: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Opens every session. Raises CrowdFailed."""
        try:
            async with asyncio.timeout(_CONNECT_LIMIT_S + len(self._callers) / _CONNECTS_PER_S):
                for caller in self._callers:
                    await self._connect(caller)
                    await asyncio.sleep(1 / _CONNECTS_PER_S)
                await _until(lambda: all(each.is_ready for each in self._callers))
        except (TimeoutError, OSError) as error:
            raise CrowdFailed(f"the callers could not be connected: {error or 'no answer'}") from error
        for caller in self._callers:
            caller.rest(min(_SPREAD_MS, 200.0 * len(self._callers)))
        self._microphones = asyncio.create_task(self._talk())

    async def measure(self, seconds: float, at_window: Callable[[], None]) -> tuple[Log, Load]:
        """Takes figures for so long. ``at_window`` is called when that begins and when it ends.

        Raises CrowdFailed.
        """
        log = Log()
        for caller in self._callers:
            caller.log = log
        # A collection of this process' garbage would look like the server's lateness.
        gc.collect()
        gc.disable()
        self._load = load = Load()
        begun, cpu = time.perf_counter(), time.process_time()
        at_window()
        try:
            await asyncio.sleep(seconds)
        finally:
            gc.enable()
        load.busy = (time.process_time() - cpu) / (time.perf_counter() - begun)
        self._load = Load()
        at_window()
        await self._hear_out()
        lost = Counter(each.socket.ended for each in self._callers if each.lost and each.socket is not None)
        if lost:
            how = "; ".join(f"{times} × {ended}" for ended, times in lost.items())
            raise CrowdFailed(f"connections were lost: {how}; errors: {log.errors or 'none'}")
        return log, load

    async def aclose(self) -> None:
        """Hangs up."""
        if self._microphones is not None:
            self._microphones.cancel()
            await asyncio.gather(self._microphones, return_exceptions=True)
        for caller in self._callers:
            if caller.socket is not None:
                caller.socket.close()

    async def _hear_out(self) -> None:
        """No new lines; those that were begun are answered, or missed."""
        for caller in self._callers:
            caller.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * PATIENCE_MS / 1000):
                await _until(lambda: not any(each.busy for each in self._callers))

    async def _connect(self, caller: Caller) -> None:
        host = f"{self._host}:{self._port}"
        # The caller has it before the first byte comes: a busy server's first message comes with the upgrade.
        socket = caller.socket = WebSocket(host, self._dialect.path, caller.message, caller.gone)
        await asyncio.get_running_loop().create_connection(lambda: socket, self._host, self._port)
        await socket.opened

    async def _talk(self) -> None:
        """Sends every caller's packets until cancelled."""
        begun = time.perf_counter()
        number, callers = 0, self._callers
        step = self._packet_s / len(callers)
        while True:
            due = begun + number * step
            now = time.perf_counter()
            if due > now:
                await asyncio.sleep(max(due - now, _GRAIN_S))
                continue
            if not number % len(callers):
                # As late as the first of them: a figure per round is enough.
                self._load.late.append((now - due) * 1000)
            callers[number % len(callers)].send_packet(due * 1000)
            number += 1
            if not number % 64:
                await asyncio.sleep(0)


async def _until(true: Callable[[], bool]) -> None:
    # Looked at now and then: callers that told of every change would cost what they are to measure.
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
