"""What voices behind a network share: few requests at once, a circuit breaker, and no waiting on players.

A fragment is taken off the line as fast as it comes, whatever the pace of the one who plays it: the
service's slot is free again after the synthesis, not after the playback. Memory is bounded by the
length of a fragment (2000 characters, about 6 MB of PCM).
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np

from selam_agent.engines.breaker import Breaker
from selam_agent.errors import EngineError
from selam_agent.ports import BreakerState, SpeechChunk, SynthesisRequest, SynthesizerInfo

__all__ = ["RemoteVoice"]

log = logging.getLogger(__name__)

_LONGEST_TEXT: Final = 2000
# Below this (int16) there is nothing to hear.
_SILENCE: Final = 64
# A trial that outlives its listener ends with this.
_TRIAL_S: Final = 10.0


class _Slots:
    """Requests at once, per process: one semaphore for each service and event loop."""

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]]
        self._by_loop = WeakKeyDictionary()

    def of(self, service: str, count: int) -> asyncio.Semaphore:
        mine = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        return mine.setdefault(service, asyncio.Semaphore(count))


_SLOTS: Final = _Slots()


class _Line:
    """One request: what has come of it, and since when it is being served."""

    def __init__(self) -> None:
        # Bounded by the length of the text.
        self.items: asyncio.Queue[SpeechChunk | EngineError | None] = asyncio.Queue()
        self.served_since: float | None = None
        self.sounded = False
        self.settled = False
        self.trial = False


class RemoteVoice(ABC):
    """A :class:`~selam_agent.ports.Synthesizer` and :class:`~selam_agent.ports.Guarded`.

    Args:
        at_once: requests to this service in the process; further ones wait.
        patience_s: a listener who left before any sound after so long counts as a failure.
        deadline_s: silence of the connection after which it is dead.
    """

    def __init__(self, *, at_once: int, patience_s: float, deadline_s: float) -> None:
        self._at_once = at_once
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        self._breaker: Breaker | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    @abstractmethod
    def info(self) -> SynthesizerInfo: ...

    @abstractmethod
    def _speak(self, request: SynthesisRequest) -> AsyncGenerator[SpeechChunk, None]:
        """The service's answer as it comes. Raises what the service's library raises, or EngineError."""

    @abstractmethod
    def _translated(self, error: Exception) -> EngineError:
        """The error to report for one of the library's."""

    @property
    def breaker_state(self) -> BreakerState:
        """``open``: the service has failed twice in a row and is not asked for a while."""
        return self._breaker.state if self._breaker is not None else "closed"

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
        """Speaks one fragment.

        Raises:
            EngineError: ``tts_unavailable`` (unreachable, or failing and left alone for a while),
                ``tts_refused``, ``tts_timeout``, ``tts_silent``, ``tts_broken_off``, ``tts_failed``,
                ``tts_too_long``, ``tts_closed``.
        """
        name = self.info.name
        if self._closed:
            raise EngineError(f"The voice engine {name} has been closed.", code="tts_closed", retryable=False)
        if len(request.text) > _LONGEST_TEXT:
            raise EngineError(
                f"A fragment may have {_LONGEST_TEXT} characters at most.",
                code="tts_too_long",
                retryable=False,
            )
        if self._breaker is None:
            self._breaker = Breaker(asyncio.get_running_loop().time)
        if not self._breaker.admit():
            raise EngineError(
                f"The voice engine {name} fails again and again and is left alone for a while.",
                code="tts_unavailable",
            )
        line = _Line()
        line.trial = self._breaker.state == "half_open"
        task = asyncio.create_task(self._pump(request, line, self._breaker), name=f"{name} voice")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while (item := await line.items.get()) is not None:
                if isinstance(item, EngineError):
                    raise item
                yield item
        finally:
            self._left(line, task, self._breaker)

    def _left(self, line: _Line, task: asyncio.Task[None], breaker: Breaker) -> None:
        """The listener is gone, or has everything."""
        if line.settled or (line.trial and not line.sounded):
            # A trial goes on without its listener, who waits 50 ms and would never learn the outcome.
            return
        task.cancel()
        if line.sounded:
            breaker.succeeded()
        elif line.served_since is not None:
            waited = asyncio.get_running_loop().time() - line.served_since
            if waited >= self._patience_s * 0.95:
                log.info("voice engine %s: no sound after %.0f ms", self.info.name, waited * 1000)
                breaker.failed()

    async def _pump(self, request: SynthesisRequest, line: _Line, breaker: Breaker) -> None:
        try:
            async with asyncio.timeout(_TRIAL_S if line.trial else None):
                async with _SLOTS.of(self.info.name, self._at_once):
                    line.served_since = asyncio.get_running_loop().time()
                    await self._take(request, line)
            breaker.succeeded()
            line.items.put_nowait(None)
        except asyncio.CancelledError:
            if line.trial:
                breaker.withdrawn()
            raise
        except Exception as error:
            failure = error if isinstance(error, EngineError) else self._translated(error)
            log.info("voice engine %s: %s", self.info.name, failure.message)
            breaker.failed()
            line.items.put_nowait(failure)
        finally:
            line.settled = True

    async def _take(self, request: SynthesisRequest, line: _Line) -> None:
        """Silence is not passed on before there is a sound: it must not pass for an answer."""
        silent: list[SpeechChunk] = []
        async with aclosing(self._speak(request)) as stream:
            while True:
                async with asyncio.timeout(self._deadline_s):
                    chunk = await anext(stream, None)
                if chunk is None:
                    break
                if not line.sounded:
                    silent.append(chunk)
                    if not _sounds(chunk):
                        continue
                    line.sounded = True
                    for each in silent:
                        line.items.put_nowait(each)
                else:
                    line.items.put_nowait(chunk)
                # A burst must not hold everybody else.
                await asyncio.sleep(0)
        if not line.sounded:
            raise EngineError(f"The voice engine {self.info.name} sent only silence.", code="tts_silent")

    async def aclose(self) -> None:
        """Ends what is under way."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _sounds(chunk: SpeechChunk) -> bool:
    pcm = np.frombuffer(chunk.pcm, np.int16)
    return bool(len(pcm)) and int(np.abs(pcm.astype(np.int32)).max()) > _SILENCE
