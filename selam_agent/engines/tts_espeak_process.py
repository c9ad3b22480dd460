"""The parent's end of one ``espeak_worker`` process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from selam_agent.engines.espeak_worker import FAIL, READY, Frame, Frames
from selam_agent.errors import EngineError

__all__ = ["WorkerProcess"]

log = logging.getLogger(__name__)

# Decoding 16 kB of frames takes about 0.1 ms: the event loop is never held.
_READ: Final = 16384
_READY_S: Final = 10.0


class WorkerProcess:
    """One worker: started by :meth:`start`, gone after :meth:`aclose`.

    Args:
        overlay_dir: for the worker's voice data.
        on_frame: gets every frame but READY.
        on_death: called once when the process is gone, unless :meth:`aclose` ended it.
    """

    def __init__(
        self, overlay_dir: Path, on_frame: Callable[[Frame], None], on_death: Callable[[WorkerProcess], None]
    ) -> None:
        self._overlay_dir, self._on_frame, self._on_death = overlay_dir, on_frame, on_death
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ready: asyncio.Future[int] | None = None
        self.sample_rate = 0
        self.alive = False

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Returns when the library is loaded. Raises EngineError ``tts_unavailable``."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "selam_agent.engines.espeak_worker",
                str(self._overlay_dir),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_READ,
                # Ctrl-C is for the server, which drains; the worker ends with its pipe.
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError("The speech synthesiser cannot be started.", code="tts_unavailable") from error
        self._ready = asyncio.get_running_loop().create_future()
        self._tasks = [
            asyncio.create_task(self._read(self._process), name="espeak-out"),
            asyncio.create_task(self._drain(self._process), name="espeak-err"),
        ]
        try:
            async with asyncio.timeout(_READY_S):
                self.sample_rate = await self._ready
        except TimeoutError:
            await self.aclose()
            raise EngineError(
                "The speech synthesiser did not start in time.", code="tts_unavailable"
            ) from None
        except BaseException:
            await self.aclose()
            raise
        self.alive = True

    def send(self, frame: Frame) -> None:
        """Never blocks: requests are small and bounded in number by the caller."""
        if self.alive and self._process and self._process.stdin:
            with contextlib.suppress(OSError, RuntimeError):
                self._process.stdin.write(frame.encode())

    def kill(self) -> None:
        """For a worker that hangs; ``on_death`` follows."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None and self._ready is not None
        frames = Frames()
        try:
            while data := await process.stdout.read(_READ):
                for frame in frames.feed(data):
                    if frame.kind == READY:
                        if not self._ready.done():
                            self._ready.set_result(int.from_bytes(frame.payload, "little"))
                    elif frame.kind == FAIL and frame.id == 0:
                        self._refuse(frame.payload.decode("utf-8", "replace"))
                    else:
                        self._on_frame(frame)
                # A burst is in the buffer as a whole; others run between its parts.
                await asyncio.sleep(0)
        except ValueError as error:
            log.error("espeak worker: %s", error)
            self.kill()
        was_alive, self.alive = self.alive, False
        self._refuse("it ended at once")
        if was_alive:
            self._on_death(self)

    def _refuse(self, reason: str) -> None:
        assert self._ready is not None
        if not self._ready.done():
            log.error("espeak worker: %s", reason)
            self._ready.set_exception(
                EngineError(
                    "The speech synthesiser cannot be started.", code="tts_unavailable", retryable=False
                )
            )

    async def _drain(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.read(4096):
            log.debug("espeak worker: %s", line.decode("utf-8", "replace").rstrip())

    async def aclose(self) -> None:
        """Ends and reaps the process and waits for the tasks that read its pipes."""
        self.alive = False
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(0.5):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._ready is not None and self._ready.done() and not self._ready.cancelled():
            self._ready.exception()
