"""What happens in a session between its events: for doors whose protocol tells more than SelamGPT's.

They reach a client only with ``SessionConfig.signals``; the session's record sees them always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from selam_agent.events import Event

Trigger = Literal["greeting", "user_speech", "text", "reply_create", "server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal(Event):
    """Base of all signals."""

    name: ClassVar[str] = "signal"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Signal):
    """The caller speaks; while the agent speaks: means to interrupt it."""

    name: ClassVar[str] = "speech_started"
    turn_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped(Signal):
    """The turn is over; it may still be found to go on, which is another ``SpeechStarted``."""

    name: ClassVar[str] = "speech_stopped"
    turn_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenOver(Signal):
    """Somebody spoke over the agent, and this was made of it.

    ``words``, ``duration`` and ``energy`` stopped the agent; after ``no_words`` (a cough) and
    ``not_meant`` (a backchannel, an echo) it goes on.
    """

    name: ClassVar[str] = "spoken_over"
    verdict: Literal["words", "duration", "energy", "no_words", "not_meant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyStarted(Signal):
    """The agent answers: everything of this reply follows. ``trigger``: ``server`` for its own phrases."""

    name: ClassVar[str] = "reply_started"
    turn_id: int
    reply_id: str
    trigger: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsAwaited(Signal):
    """The reply asked for tools, and what it said before them has been played.

    ``spoken_text`` is all the reply has said so far, in ``at_ms`` of its audio. What follows is the
    answer to the tools' results.
    """

    name: ClassVar[str] = "tools_awaited"
    reply_id: str
    spoken_text: str
    at_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnded(Signal):
    """A call has its result, in the client's words; ``timed_out``: nobody answered."""

    name: ClassVar[str] = "tool_ended"
    call_id: str
    result: str
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyEnded(Signal):
    """Nothing more of this reply follows; exactly one for each ``ReplyStarted``."""

    name: ClassVar[str] = "reply_ended"
    turn_id: int
    reply_id: str
    interrupted: bool
    spoken_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taped(Signal):
    """The next piece of the session's decisions, for its record alone: JSON lines, see ``dialogue.tape``."""

    name: ClassVar[str] = "taped"
    tape: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Signal):
    """The next piece of the call, for its record alone: s16le stereo at 16 kHz, caller left."""

    name: ClassVar[str] = "recorded"
    pcm: bytes
