"""When nobody says anything: ask once whether the caller is there, then say goodbye.

On audio time: a push-to-talk caller sends nothing between turns and is never asked.
"""

from __future__ import annotations

from enum import Enum, auto


class Prompt(Enum):
    """What is to be said into the silence."""

    ASK = auto()
    LEAVE = auto()


class Silence:
    """Counts the quiet audio of one session; ``prompt_s`` is 0 for never."""

    def __init__(self, prompt_s: float) -> None:
        self._prompt_ms = prompt_s * 1000
        self._since_ms = 0
        self._asked = False

    @property
    def asks(self) -> bool:
        """Whether it ever asks."""
        return self._prompt_ms > 0

    def caller_spoke(self) -> None:
        """The next silence begins with the question again."""
        self._asked = False

    def at(self, audio_ms: int, *, busy: bool) -> Prompt | None:
        """Audio was received up to this time; ``busy`` while anybody speaks or is about to."""
        if busy:
            self._since_ms = audio_ms
        if not self._prompt_ms or audio_ms - self._since_ms < self._prompt_ms:
            return None
        self._since_ms = audio_ms
        if self._asked:
            return Prompt.LEAVE
        self._asked = True
        return Prompt.ASK
