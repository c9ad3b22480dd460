"""A bounded pool of threads that serves waiting calls by priority.

``concurrent.futures`` knows neither priorities nor bounds, and keeps calls nobody waits for any more.
Here the lowest priority number goes first (a final transcript before a speculative one before an
interim one), equals in order of arrival; what is cancelled, late or replaced leaves the queue at once.
A call that already runs in native code cannot be stopped: its result is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from selam_agent.errors import EngineError

__all__ = ["PriorityExecutor"]

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    call: Callable[[], T]
    order: tuple[int, int]
    key: Hashable | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[T] = field(init=False)

    def __post_init__(self) -> None:
        self.future = self.loop.create_future()

    def settle(self, result: T | None, error: BaseException | None) -> None:
        """From a worker thread; the loop may be gone by then."""

        def on_loop() -> None:
            if not self.future.done():
                if error is not None:
                    self.future.set_exception(error)
                else:
                    self.future.set_result(result)  # type: ignore[arg-type]

        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(on_loop)


class PriorityExecutor:
    """Owns ``workers`` threads; they start with the first call and are joined in :meth:`aclose`.

    Args:
        workers: calls that run at the same time.
        capacity: calls that may wait; running ones do not count.
        name: of the threads.
    """

    def __init__(self, workers: int, capacity: int, name: str = "engine") -> None:
        self._workers, self._capacity, self._name = workers, capacity, name
        self._waiting: list[_Job[Any]] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False
        self._numbers = itertools.count()

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return len(self._waiting)

    async def run(
        self,
        call: Callable[[], T],
        *,
        priority: int,
        deadline: float,
        key: Hashable | None = None,
    ) -> T:
        """Runs ``call`` in a thread and returns its result.

        Args:
            priority: lower goes first.
            deadline: seconds to wait for the result, queueing included.
            key: a newer call with the same key and priority replaces the one still waiting.

        Raises:
            EngineError: ``stt_busy`` the queue is full of calls at least as urgent, ``stt_timeout``,
                ``stt_superseded`` by a newer call with the same key, ``stt_closed``.
            Exception: whatever ``call`` raised.
        """
        job: _Job[T] = _Job(call, (priority, next(self._numbers)), key, asyncio.get_running_loop())
        self._enqueue(job)
        try:
            async with asyncio.timeout(deadline):
                return await job.future
        except TimeoutError:
            # A TimeoutError of the call itself is not ours to rename.
            if job.future.done() and not job.future.cancelled():
                raise
            raise EngineError("The speech recogniser did not answer in time.", code="stt_timeout") from None
        finally:
            self._drop(job)

    def _enqueue(self, job: _Job[Any]) -> None:
        with self._changed:
            if self._closed:
                raise EngineError(
                    "The speech recogniser has been closed.", code="stt_closed", retryable=False
                )
            if job.key is not None:
                for older in [j for j in self._waiting if j.key == job.key and j.order[0] == job.order[0]]:
                    self._waiting.remove(older)
                    _refuse(older, "A newer interim transcription took its place.", "stt_superseded")
            if len(self._waiting) >= self._capacity:
                last = max(self._waiting, key=lambda j: j.order, default=job)
                busy = "The speech recogniser has too much to do; try again."
                if last.order[0] <= job.order[0]:
                    raise EngineError(busy, code="stt_busy")
                self._waiting.remove(last)
                _refuse(last, busy, "stt_busy")
            self._waiting.append(job)
            if len(self._threads) < self._workers and self._idle < len(self._waiting):
                thread = threading.Thread(
                    target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def _drop(self, job: _Job[Any]) -> None:
        with self._changed, contextlib.suppress(ValueError):
            self._waiting.remove(job)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._waiting and not self._closed:
                    self._changed.wait()
                self._idle -= 1
                if not self._waiting:
                    return
                job = min(self._waiting, key=lambda j: j.order)
                self._waiting.remove(job)
            result, error = None, None
            try:
                result = job.call()
            except BaseException as raised:  # belongs to whoever waits
                error = raised
            job.settle(result, error)
            # Results and tracebacks hold audio; nothing of it may stay while the thread waits.
            del job, result, error

    async def aclose(self, grace: float = 10.0) -> None:
        """Refuses what waits and joins the threads; a call that runs gets ``grace`` seconds to end."""
        with self._changed:
            self._closed = True
            for job in self._waiting:
                _refuse(job, "The speech recogniser has been closed.", "stt_closed")
            self._waiting.clear()
            self._changed.notify_all()
        end = asyncio.get_running_loop().time() + grace
        for thread in self._threads:
            while thread.is_alive() and asyncio.get_running_loop().time() < end:
                thread.join(0)
                await asyncio.sleep(0.001)
            if thread.is_alive():
                log.warning("thread %s is still in native code after %.0f s; abandoned", thread.name, grace)
        self._threads.clear()


def _refuse(job: _Job[Any], message: str, code: str) -> None:
    job.settle(None, EngineError(message, code=code, retryable=code == "stt_busy"))
