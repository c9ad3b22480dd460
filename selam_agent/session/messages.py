"""What may lie in a session's inbox, besides the reports of a reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from selam_agent.dialogue.decisions import Listen
from selam_agent.errors import SelamError
from selam_agent.ports import Outlet, Transcript
from selam_agent.session.config import SessionConfig
from selam_agent.session.speaker import Speaker

# Finite, so that it can be taken off a sum.
_FILE_MS = 60_000.0
_SAMPLES_PER_BYTE = {"pcm16": 0.5, "pcmu": 1.0, "pcma": 1.0}


class Heard:
    """Bytes from the client, with their arrival time in loop seconds.

    ``at_most_ms``: how much raw audio it holds, when it is that; for a file, more than ever waits.
    """

    # By hand: fifty are made each second, and a frozen dataclass sets its fields the long way round.
    __slots__ = ("arrived", "at_most_ms", "data", "format", "sample_rate")

    def __init__(self, data: bytes, format: str, sample_rate: int, arrived: float) -> None:
        self.data = data
        self.format = format
        self.sample_rate = sample_rate
        self.arrived = arrived
        samples = _SAMPLES_PER_BYTE.get(format)
        self.at_most_ms = _FILE_MS if samples is None else len(data) * samples * 1000 / sample_rate


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
class Finish:
    """The session is to end when the turn that is going on was answered."""

    reason: str


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
class Interim:
    """What was said so far of a turn that goes on; None when nothing was understood."""

    turn: int
    revision: int
    text: str | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Typed:
    """The caller's words as text."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the model to know, not to be answered."""

    role: Literal["user", "system"]
    text: str


@dataclass(frozen=True, slots=True)
class Create:
    """The agent is to speak of its own accord; ``instructions`` are for this reply only."""

    instructions: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """This reply is to end, if it is the current one."""

    reply_id: str


@dataclass(frozen=True, slots=True)
class Update:
    """New wishes of the client, checked, with the voice they mean; ``told``: what it is told of them."""

    config: SessionConfig
    speaker: Speaker
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a tool call, as text for the model."""

    call_id: str
    result: str


@dataclass(frozen=True, slots=True)
class Played:
    """The client has played this much (ms) of a reply."""

    reply_id: str
    played_ms: float


@dataclass(frozen=True, slots=True)
class Away:
    """The client's connection broke; ``since``: when it was last there, in loop seconds."""

    since: float


@dataclass(frozen=True, slots=True)
class Back:
    """The client is here again, at this outlet."""

    outlet: Outlet


@dataclass(frozen=True, slots=True)
class Tick:
    """The timer went off."""
