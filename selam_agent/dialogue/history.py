"""The conversation as it took place: what the caller said and what the caller heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal

from selam_agent.ports import Message

MAX_MESSAGES = 200
MAX_CHARACTERS = 60_000


class History:
    """Bounded; the oldest messages go first."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    def caller_said(self, text: str) -> None:
        self._add(Message(role="user", content=text))

    def note(self, role: Literal["user", "system"], text: str) -> None:
        """Something nobody said, for the model to know."""
        self._add(Message(role=role, content=text))

    def agent_was_heard(self, text: str, *, interrupted: bool = False) -> None:
        """``text`` is what left the loudspeaker, not what the model wrote."""
        if text:
            self._add(Message(role="assistant", content=text, interrupted=interrupted))

    def add(self, messages: Iterable[Message]) -> None:
        """The agent's messages of one reply, with its calls and their results."""
        for message in messages:
            self._add(message)

    def _add(self, message: Message) -> None:
        self._messages.append(message)
        total = sum(len(each.content) for each in self._messages)
        while len(self._messages) > 1 and (
            len(self._messages) > MAX_MESSAGES
            or total > MAX_CHARACTERS
            # A result whose call is gone means nothing.
            or self._messages[0].role == "tool"
        ):
            total -= len(self._messages.popleft().content)
