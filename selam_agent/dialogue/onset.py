"""Has somebody begun to speak? The last few frames, and when they say so."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from selam_agent.dialogue.decisions import FRAME_MS

# Speech starts when 3 of the last 5 frames are voiced: a click is one or two frames long.
ONSET_VOICED = 3
ONSET_WINDOW = 5


class Onset:
    """The last ``ONSET_WINDOW`` frames since ``clear``."""

    def __init__(self) -> None:
        self._voiced: deque[bool] = deque(maxlen=ONSET_WINDOW)
        # Whether the agent was audible; it was so before ``clear`` as well.
        self._over: deque[bool] = deque(maxlen=ONSET_WINDOW)

    def add(self, voiced: bool, over_agent: bool) -> None:
        """One frame more."""
        self._voiced.append(voiced)
        self._over.append(over_agent)

    def add_silence(self, over_agent: Sequence[bool]) -> None:
        """Frames more, none of them voiced."""
        self._voiced.extend([False] * len(over_agent))
        self._over.extend(over_agent)

    @property
    def any_voiced(self) -> bool:
        """Whether one of them is."""
        return True in self._voiced

    def clear(self) -> None:
        """What comes now must prove itself as speech again."""
        self._voiced.clear()

    @property
    def is_speech(self) -> bool:
        """Whether somebody speaks."""
        return sum(self._voiced) >= ONSET_VOICED

    @property
    def may_become_speech(self) -> bool:
        """Whether one of the last two frames was voiced."""
        return any(list(self._voiced)[1 - ONSET_VOICED :])

    @property
    def frames_missing(self) -> int:
        """At least so many more frames come before it is speech."""
        # A full window drops its oldest frame for the next.
        return ONSET_VOICED - sum(list(self._voiced)[1 - ONSET_WINDOW :])

    @property
    def voiced_ms(self) -> int:
        """Of the window."""
        return FRAME_MS * sum(self._voiced)

    @property
    def frames(self) -> int:
        """How many frames ago it began: the first voiced one counts."""
        return len(self._voiced) - self._voiced.index(True)

    @property
    def began_over_agent(self) -> bool:
        """Whether the agent was audible then."""
        return self._over[-self.frames]
