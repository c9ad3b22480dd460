"""What waits for a session's actor: bounded, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeAlias

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
    """Whoever has something for a session puts it here; only the actor takes it out."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        # What the actor sleeps on; an asyncio.Event would cost a future and a queue of its own each time.
        self._sleeper: asyncio.Future[None] | None = None

    def post(self, message: Message) -> None:
        """For what is bounded by itself: reports of replies and engines, timers, the end."""
        self._waiting.append(message)
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def post_bounded(self, message: Message) -> None:
        """For what a client sends. Raises SessionError when there is too much of it."""
        if len(self._waiting) >= 2 * _MAX_MESSAGES:
            raise SessionError("The session is overloaded.", code="overloaded", retryable=True)
        self.post(message)

    def post_audio(self, message: Heard) -> None:
        """Raises AudioError when more audio waits than may."""
        if len(self._waiting) >= _MAX_MESSAGES or self._bytes + len(message.data) > _MAX_BYTES:
            raise AudioError(
                f"Audio arrives faster than it can be worked through; "
                f"{len(message.data)} bytes were refused.",
                code="audio_rate_violation",
                retryable=True,
            )
        self._bytes += len(message.data)
        self.post(message)

    async def next(self) -> Message:
        """The oldest message, when there is one."""
        while not self._waiting:
            self._sleeper = asyncio.get_running_loop().create_future()
            try:
                await self._sleeper
            finally:
                self._sleeper = None
        message = self._waiting.popleft()
        if isinstance(message, Heard):
            self._bytes -= len(message.data)
        return message

    @property
    def has_end(self) -> bool:
        """Whether the end waits already."""
        return any(isinstance(each, End) for each in self._waiting)

    def close(self) -> list[Message]:
        """Nobody takes messages any more; returns those that were left."""
        left = list(self._waiting)
        self._waiting.clear()
        return left
