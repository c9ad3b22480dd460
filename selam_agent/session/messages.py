"""What may lie in a session's inbox, besides the reports of a reply."""

from __future__ import annotations

from dataclasses import dataclass

from selam_agent.dialogue.decisions import Listen
from selam_agent.errors import SelamError
from selam_agent.ports import Transcript


@dataclass(frozen=True, slots=True)
class Heard:
    """Bytes from the client, with their arrival time in loop seconds."""

    data: bytes
    format: str
    sample_rate: int
    arrived: float


@dataclass(frozen=True, slots=True)
class Control:
    """One of the protocol's control actions."""

    action: str


@dataclass(frozen=True, slots=True)
class End:
    """The session is to end; ``silently`` when nobody is there to hear about it."""

    reason: str
    silently: bool = False


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The recogniser's answer for one revision of a turn."""

    turn: int
    revision: int
    transcript: Transcript | None
    error: SelamError | None


@dataclass(frozen=True, slots=True)
class Overheard:
    """What was said over the agent: the text, or None when there were no words."""

    asked: Listen
    text: str | None


@dataclass(frozen=True, slots=True)
class Tick:
    """The timer went off."""
