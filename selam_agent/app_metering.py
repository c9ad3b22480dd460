"""Measures what the sessions' events do not tell: the recogniser's queue, the event loop, the engines."""

from __future__ import annotations

import asyncio

from selam_agent import metrics
from selam_agent.metrics import Metrics
from selam_agent.ports import Transcriber, TranscriberInfo, Transcript, TranscriptionRequest

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


async def watch_loop(numbers: Metrics) -> None:
    """Sees how late the event loop is, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_EVERY_S
        await asyncio.sleep(_LAG_EVERY_S)
        numbers.observe(metrics.LOOP_LAG, max(0.0, loop.time() - due))
