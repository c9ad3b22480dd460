"""What a session tells its client, independent of any wire format.

Every event carries its Socket.IO name in ``name``. ``turn_id`` counts the caller's turns of a
session from 1; ``reply_id`` names one spoken reply. Fields marked * are the documented ones of the
SelamGPT protocol; all others are additions that a documented client may ignore.

===================  =======================================================================
name                 when
===================  =======================================================================
connected            the door is open: status*, sid*, voice*, message*; sent by the door itself
session_started      the session exists and listens
transcription        what the caller said: text*, is_final*
response             what the agent answers: text*, once per reply
response_delta       a piece of it while the model writes
audio_chunk          a piece of speech: audio*
input_level          how loud the microphone is, and the gate (opt-in; at most 10 a second)
suggestions          what a rule-based agent understands now (opt-in; when each reply begins)
audio_end            the reply's last event: total_chunks*; exactly once per reply that sent
                     a response or a chunk
clear                buffering clients drop what they have not played
tool_call            the client is to carry out a tool and answer with ``tool_result``
result               a task has ended with this outcome, e.g. a booking
turn_metrics         how long each stage of the turn took
decision             why the server waited, answered or stopped (opt-in)
voice_changed        another voice speaks from now on, and why
warning              something the caller or operator can mend
error                a typed error; the session lives on unless session_ended follows
control_ack          a control took effect: action*, status*
session_updated      an ``update_session`` was accepted; effective from the next turn
session_ended        the session is gone: session_id*, status*
===================  =======================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from selam_agent.errors import SelamError
from selam_agent.ports import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events."""

    name: ClassVar[str] = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Event):
    """The client's key and voice are accepted; ``sid`` names the connection.

    ``next_token``: a temporary token for the connection after this one, where the one it came with
    is of that kind (the page's link); else None and left out.
    """

    name: ClassVar[str] = "connected"
    sid: str
    voice: str
    message: str
    status: str = "connected"
    next_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(Event):
    """``engines``: what is at work, as ``{stt: {...}, llm: {...}, tts: {...}}``.

    ``resume_token``: with it a dropped connection may come back once; None when it may not.
    ``resumed``: this is a session that went on after such a drop.
    """

    name: ClassVar[str] = "session_started"
    session_id: str
    voice: str
    language: str | None
    output_format: str
    sample_rate: int
    engines: Mapping[str, Mapping[str, Any]]
    status: str = "started"
    resume_token: str | None = None
    resumed: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription(Event):
    """``language`` as recognised or as configured; ``revision`` grows when a turn goes on.

    ``source``: ``speech`` or ``text`` (a ``text_input``).
    """

    name: ClassVar[str] = "transcription"
    text: str
    is_final: bool
    language: str | None
    turn_id: int
    revision: int = 0
    source: str = "speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Event):
    """The reply's whole text; on an interruption the text so far."""

    name: ClassVar[str] = "response"
    text: str
    turn_id: int
    reply_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDelta(Event):
    """A piece of the text as the model writes it."""

    name: ClassVar[str] = "response_delta"
    delta: str
    turn_id: int
    reply_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioChunk(Event):
    """``audio``: encoded bytes of ``duration_ms`` from ``start_ms`` on; ``words`` in ms of the reply's audio.

    ``start_ms`` goes back where a phrase is said again.
    """

    name: ClassVar[str] = "audio_chunk"
    audio: bytes
    format: str
    sample_rate: int
    index: int
    duration_ms: float
    text: str
    turn_id: int
    reply_id: str
    words: tuple[Word, ...] = ()
    start_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLevel(Event):
    """The loudest 20 ms frame since the last such event.

    ``rms`` and ``gate`` in int16 units: below the gate (``vad_threshold``) nothing is speech.
    ``voiced``: whether a frame was taken for speech.
    """

    name: ClassVar[str] = "input_level"
    rms: float
    gate: float
    voiced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestions(Event):
    """Up to four phrases that can be said now."""

    name: ClassVar[str] = "suggestions"
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioEnd(Event):
    """``spoken_text`` is what the caller heard of the reply."""

    name: ClassVar[str] = "audio_end"
    total_chunks: int
    interrupted: bool
    spoken_text: str
    turn_id: int
    reply_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear(Event):
    """Drop buffered audio of this reply."""

    name: ClassVar[str] = "clear"
    reply_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(Event):
    """``tool`` (``name`` on the wire) is to be carried out with these ``arguments``."""

    name: ClassVar[str] = "tool_call"
    call_id: str
    tool: str
    arguments: Mapping[str, Any]
    turn_id: int
    reply_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Event):
    """A finished task's outcome, e.g. ``{"at": "2026-11-23T09:00+03:00"}``."""

    name: ClassVar[str] = "result"
    task: str
    data: Mapping[str, Any]
    turn_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnMetrics(Event):
    """Milliseconds, in order; they add up to ``v2v_ms``.

    ``v2v_ms``: from the acoustic end of the caller's speech to the first audible sample sent.
    ``endpoint_ms``: silence waited for; ``stt_ms``, ``llm_ms`` (first fragment of text; of that
    ``first_token_ms`` until the model's first words),
    ``tts_ms`` (first audio) and ``send_ms`` (encoding and pacing). What was ready before the turn
    was over costs nothing: ``speculation`` says whether the answer was prepared in the pause
    (``hit``), prepared in vain (``miss``) or not at all (``none``). ``dropped``: answers of this turn
    that were prepared and thrown away, before a hit as well; ``wasted_ms``: for how long model and
    voice, added up, were at work on them.
    """

    name: ClassVar[str] = "turn_metrics"
    turn_id: int
    reply_id: str
    endpoint_ms: float
    stt_ms: float
    llm_ms: float
    tts_ms: float
    send_ms: float
    v2v_ms: float
    reason: str
    speculation: str = "none"
    dropped: int = 0
    wasted_ms: float = 0.0
    first_token_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Event):
    """What the turn-taker decided, with its reason. ``at_ms`` is audio time of the session."""

    name: ClassVar[str] = "decision"
    decision: str
    reason: str
    at_ms: int
    turn_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceChanged(Event):
    """The agent speaks with another voice from now on; ``from`` and ``to`` on the wire.

    ``reason``: ``caller_language``, ``interpreter`` (the other one of the two languages),
    ``untranslated`` and ``translated`` (a sentence stayed as it was, and the next did not), or ``client``
    after an ``update_session``.
    """

    name: ClassVar[str] = "voice_changed"
    old_voice: str
    new_voice: str
    language: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something that can be mended; ``code`` is stable, ``message`` is for people."""

    name: ClassVar[str] = "warning"
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent(Event):
    """``type`` is one of the five documented names; ``retry_after`` in seconds, where it is known."""

    name: ClassVar[str] = "error"
    type: str
    code: str
    message: str
    retryable: bool
    details: Mapping[str, Any] | None = None
    # The reply that failed, if it was one.
    reply_id: str | None = None
    retry_after: float | None = None

    @classmethod
    def of(cls, error: SelamError, *, reply_id: str | None = None) -> ErrorEvent:
        """The event that tells a client about this error."""
        return cls(
            type=error.type,
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            details=error.details,
            reply_id=reply_id,
            retry_after=error.retry_after,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAck(Event):
    """Sent after the effect of a control."""

    name: ClassVar[str] = "control_ack"
    action: str
    status: str = "executed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdated(Event):
    """``changes``: what is in force from the next turn on, by the names of the request."""

    name: ClassVar[str] = "session_updated"
    session_id: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """Why, in ``reason``; how long it lasted, and how much audio came from the client.

    ``reason``: ``client`` (it said so), ``agent`` (the model ended the call), ``silence`` (the caller
    did not answer a prompt), ``idle``, ``max_duration``, ``quota`` (the key's audio for today is used
    up), ``shutdown`` or ``error``.
    """

    name: ClassVar[str] = "session_ended"
    session_id: str
    reason: str
    status: str = "ended"
    duration_s: float = 0.0
    audio_s: float = 0.0
