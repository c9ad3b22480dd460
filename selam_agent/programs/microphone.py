"""A microphone that never stops: the room's noise, and over it what the caller says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import numpy as np

from selam_agent.ports import Pcm16
from selam_agent.programs.caller_voice import RATE

PACKET_MS = 20
_PACKET = RATE * PACKET_MS // 1000


class Microphone:
    """Packets of int16 at 16 kHz on an absolute schedule; ``sent`` holds all of them."""

    def __init__(self, noise_dbfs: float, seed: int) -> None:
        noise = np.random.default_rng(seed).standard_normal(RATE * 4)
        self._noise: Pcm16 = (noise * 32768 * 10 ** (noise_dbfs / 20)).astype(np.int16)
        self._line: Pcm16 = np.zeros(0, np.int16)
        self._said = asyncio.Event()
        self.sent: list[Pcm16] = []

    @property
    def sent_ms(self) -> float:
        """Where the next sample goes."""
        return len(self.sent) * PACKET_MS

    async def run(self, begun: float, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Sends until cancelled. ``begun``: ``time.monotonic()`` of the first sample."""
        # A packet leaves when its last sample has been spoken: 20 ms after its first.
        while True:
            due = begun + (len(self.sent) + 1) * PACKET_MS / 1000
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            packet = self._next_packet()
            self.sent.append(packet)
            await send(packet.tobytes())

    async def say(self, audio: Pcm16) -> None:
        """Puts this over the noise; returns when its last sample has been taken."""
        self._said.clear()
        self._line = audio
        await self._said.wait()

    def _next_packet(self) -> Pcm16:
        offset = len(self.sent) * _PACKET % (self._noise.size - _PACKET)
        packet = self._noise[offset : offset + _PACKET].astype(np.int32)
        if self._line.size:
            part, self._line = self._line[:_PACKET], self._line[_PACKET:]
            packet[: part.size] += part
            if not self._line.size:
                self._said.set()
        return np.clip(packet, -32768, 32767).astype(np.int16)
