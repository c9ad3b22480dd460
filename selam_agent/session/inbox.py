"""What waits for a session's actor: bounded, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias, cast

from selam_agent.errors import AudioError, SessionError
from selam_agent.session import messages
from selam_agent.session.messages import Control, End, Heard, Tick
from selam_agent.session.reply import Audible, Over

Message: TypeAlias = (
    Heard
    | Control
    | End
    | messages.Finish
    | Tick
    | Audible
    | Over
    | messages.Transcribed
    | messages.Overheard
    | messages.Interim
    | messages.Typed
    | messages.Note
    | messages.Create
    | messages.Cancel
    | messages.Update
    | messages.ToolResult
    | messages.Played
    | messages.Away
    | messages.Back
)

# What has arrived and is not worked through yet. 8 MiB is 30 s of the fattest audio there is.
_MAX_MESSAGES = 4096
_MAX_BYTES = 8 << 20


class Inbox:
    """Whoever has something for a session puts it here; only the actor takes it out.

    Audio that can decide nothing yet does not wake the actor: it waits until there is as much of it as
    ``expect`` was told, or until something else comes. ``on_expect`` is told of how many packets, so long
    (s) each, none can decide anything before the last: they may come in one piece.
    """

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._audio_ms = 0.0
        # How many of those that wait are no audio.
        self._others = 0
        self._patience_ms = 0.0
        # With so much there is as much as may wait, or will be too much when the next packets come.
        self._enough_ms = 0.0
        self._packet_ms = 0.0
        # When the last audio came that was taken out.
        self._arrived = 0.0
        self.on_expect: Callable[[int, float], None] | None = None
        # What the actor sleeps on; an asyncio.Event would cost a future and a queue of its own each time.
        self._sleeper: asyncio.Future[None] | None = None

    def expect(self, patience_ms: float, *, in_one_piece: bool) -> None:
        """How much audio may wait before it is to be heard, and whether it need not come before."""
        self._patience_ms = self._enough_ms = patience_ms
        each_ms = self._packet_ms
        if self.on_expect is not None and each_ms:
            packets = max(1, int((patience_ms - self._audio_ms) / each_ms)) if in_one_piece else 1
            self._enough_ms = patience_ms - (packets - 1) * each_ms
            self.on_expect(packets, each_ms / 1000)

    def fetch(self) -> bool:
        """Has audio that has come already read at once; false where none can wait for that."""
        if self.on_expect is None:
            return False
        self.on_expect(1, self._packet_ms / 1000)
        return True

    def post(self, message: Message) -> None:
        """For what is bounded by itself: reports of replies and engines, timers, the end."""
        self._waiting.append(message)
        self._others += 1
        self._wake()

    def post_bounded(self, message: Message) -> None:
        """For what a client sends. Raises SessionError when there is too much of it."""
        if len(self._waiting) >= 2 * _MAX_MESSAGES:
            raise SessionError("The session is overloaded.", code="overloaded", retryable=True)
        self.post(message)

    def post_audio(self, *packets: Heard) -> None:
        """Takes all of them, or raises AudioError when more audio waits than may."""
        size = sum([len(each.data) for each in packets])
        if len(self._waiting) >= _MAX_MESSAGES or self._bytes + size > _MAX_BYTES:
            raise AudioError(
                f"Audio arrives faster than it can be worked through; {size} bytes were refused.",
                code="audio_rate_violation",
                retryable=True,
            )
        self._bytes += size
        self._packet_ms = packets[-1].at_most_ms
        self._audio_ms += sum([each.at_most_ms for each in packets])
        self._waiting += packets
        if self._audio_ms >= self._enough_ms:
            self._wake()

    async def next(self) -> Message | list[Heard]:
        """The oldest message, when there is one; of audio as much as may wait, one packet at least."""
        while not self._others and (not self._waiting or self._audio_ms < self._enough_ms):
            self._sleeper = asyncio.get_running_loop().create_future()
            try:
                await self._sleeper
            finally:
                self._sleeper = None
        message = self._waiting.popleft()
        if isinstance(message, Heard):
            return self._audio(message)
        self._others -= 1
        return message

    def _audio(self, first: Heard) -> list[Heard]:
        waiting = self._waiting
        if not self._others:
            only = cast("deque[Heard]", waiting)
            if not only or self._audio_ms - only[-1].at_most_ms < self._patience_ms:
                # Nearly always: the last packet is the one that was waited for.
                packets = [first, *only]
                only.clear()
                self._bytes, self._audio_ms = 0, 0.0
                return self._dated(packets)
        packets, ms = [first], first.at_most_ms
        while ms < self._patience_ms and waiting and isinstance(packet := waiting[0], Heard):
            packets.append(packet)
            ms += packet.at_most_ms
            waiting.popleft()
        self._bytes -= sum(len(each.data) for each in packets)
        # Anew when nothing is left: sums of fractions drift.
        self._audio_ms = self._audio_ms - ms if waiting else 0.0
        return self._dated(packets)

    def _dated(self, packets: list[Heard]) -> list[Heard]:
        """Packets that came in one piece had come one after the other."""
        if self.on_expect is not None:
            latest = packets[-1].arrived
            for packet in reversed(packets):
                packet.arrived = latest = max(self._arrived, min(latest, packet.arrived))
                latest -= packet.at_most_ms / 1000
            self._arrived = packets[-1].arrived
        return packets

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    @property
    def has_end(self) -> bool:
        """Whether the end waits already."""
        return any(isinstance(each, End) for each in self._waiting)

    def close(self) -> list[Message]:
        """Nobody takes messages any more; returns those that were left."""
        left = list(self._waiting)
        self._waiting.clear()
        if self.on_expect is not None:
            self.on_expect(1, 0.0)
        return left
