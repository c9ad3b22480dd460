"""Measures what the sessions' events do not tell: the recogniser's queue, the event loop, the engines."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from selam_agent import metrics
from selam_agent.metrics import Metrics
from selam_agent.ports import Routing, Transcriber, TranscriberInfo, Transcript, TranscriptionRequest
from selam_agent.session.config import Engines

_LAG_EVERY_S = 0.5


class MeteredTranscriber:
    """A recogniser and how long it takes; everything else is its own."""

    def __init__(self, transcriber: Transcriber, numbers: Metrics) -> None:
        self._transcriber = transcriber
        self._numbers = numbers
        self._clock = asyncio.get_running_loop().time
        self._pending = 0
        numbers.measure(metrics.STT_QUEUE, lambda: self._pending)

    @property
    def info(self) -> TranscriberInfo:
        return self._transcriber.info

    def info_for(self, language: str | None) -> TranscriberInfo:
        """Of the recogniser that hears this language."""
        transcriber = self._transcriber
        return transcriber.info_for(language) if isinstance(transcriber, Routing) else transcriber.info

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """As the engine does."""
        begun = self._clock()
        self._pending += 1
        outcome = "failed"
        try:
            transcript = await self._transcriber.transcribe(request)
            outcome = "ok"
            return transcript
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._pending -= 1
            priority = request.priority.name.lower()
            self._numbers.observe(
                metrics.STT_SECONDS, self._clock() - begun, priority=priority, outcome=outcome
            )

    async def aclose(self) -> None:
        await self._transcriber.aclose()


def watch_breakers(engines: Engines, numbers: Metrics) -> None:
    """Shows the state of the breakers of remote voices at each scrape."""
    for name, each in engines.synthesizers.items():
        if hasattr(each, "breaker_state"):
            numbers.measure(metrics.BREAKER, functools.partial(_breaker, each), engine=name)


def _breaker(engine: Any) -> float:
    return {"closed": 0.0, "half_open": 0.5, "open": 1.0}[engine.breaker_state]


async def watch_loop(numbers: Metrics) -> None:
    """Sees how late the event loop is, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_EVERY_S
        await asyncio.sleep(_LAG_EVERY_S)
        numbers.observe(metrics.LOOP_LAG, max(0.0, loop.time() - due))
