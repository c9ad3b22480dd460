"""Writing that nobody waits for: a bounded queue, and the task that empties it in order."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

Item = TypeVar("Item")

log = logging.getLogger(__name__)


class WriteBehind(ABC, Generic[Item]):
    """``start`` it, ``put`` items, ``aclose`` it.

    Args:
        what: names the items in the log, in the plural.
        most: how many may wait.
    """

    def __init__(self, *, what: str, most: int) -> None:
        self._what = what
        self._waiting: asyncio.Queue[Item] = asyncio.Queue(most)
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writer = asyncio.create_task(self._run(), name=self._what)

    def put(self, item: Item) -> None:
        """Returns at once; what finds no place is lost, and the log says so."""
        try:
            self._waiting.put_nowait(item)
        except asyncio.QueueFull:
            log.error("one of the %s is lost: the disk is too slow", self._what)

    async def flush(self) -> None:
        """Waits until everything is written."""
        if self._writer is not None:
            await self._waiting.join()

    async def aclose(self, within_s: float = 2.0) -> None:
        """Writes what waits, if it does not take long."""
        if self._writer is None:
            return
        try:
            async with asyncio.timeout(within_s):
                await self.flush()
        except TimeoutError:
            log.error("%d of the %s were not written", self._waiting.qsize(), self._what)
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._writer = None

    @abstractmethod
    async def _write(self, item: Item) -> None:
        """Writes one item; what it raises is logged, and the next item may go well."""

    async def _run(self) -> None:
        while True:
            item = await self._waiting.get()
            try:
                await self._write(item)
            except Exception:
                # Who waits for the queue must not wait for ever.
                log.exception("one of the %s could not be written", self._what)
            finally:
                self._waiting.task_done()
