"""What a client receives, as plain dataclasses without any dependency on the server's internals.

Every field has a default, so a server that sends fewer keys (or more: see ``raw``) is understood.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEvent:
    """``received``: ``time.monotonic()`` on arrival. ``raw``: the payload as it came."""

    name: ClassVar[str] = ""
    received: float = field(default=0.0, compare=False)
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(ClientEvent):
    """The server has accepted key and voice."""

    name: ClassVar[str] = "connected"
    status: str = ""
    sid: str = ""
    voice: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(ClientEvent):
    """``engines``: what is at work, as ``{stt: {...}, llm: {...}, tts: {...}}``.

    ``resume_token``: see ``SelamClient.resume``; ``resumed``: this is a session that went on.
    """

    name: ClassVar[str] = "session_started"
    session_id: str = ""
    status: str = ""
    voice: str = ""
    language: str | None = None
    output_format: str = "mp3"
    sample_rate: int = 24_000
    engines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    resume_token: str | None = None
    resumed: bool = False
    translation: str = "off"
    languages: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription(ClientEvent):
    """What the caller said; ``source`` is ``speech`` or ``text``."""

    name: ClassVar[str] = "transcription"
    text: str = ""
    is_final: bool = True
    language: str | None = None
    turn_id: int = 0
    revision: int = 0
    source: str = "speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(ClientEvent):
    """What the agent answers, once per reply; on an interruption the text so far."""

    name: ClassVar[str] = "response"
    text: str = ""
    turn_id: int = 0
    reply_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDelta(ClientEvent):
    """A piece of the answer while it is written."""

    name: ClassVar[str] = "response_delta"
    delta: str = ""
    turn_id: int = 0
    reply_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioChunk(ClientEvent):
    """``audio``: encoded bytes; ``start_ms`` and ``words`` (word, start, end) in ms of the reply's audio."""

    name: ClassVar[str] = "audio_chunk"
    audio: bytes = b""
    format: str = "mp3"
    sample_rate: int = 24_000
    index: int = 0
    text: str = ""
    turn_id: int = 0
    reply_id: str = ""
    words: tuple[tuple[str, int, int], ...] = ()
    start_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLevel(ClientEvent):
    """How loud the microphone is, and the gate below which nothing is speech: RMS in int16 units."""

    name: ClassVar[str] = "input_level"
    rms: float = 0.0
    gate: float = 0.0
    voiced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestions(ClientEvent):
    """Up to four phrases that can be said now."""

    name: ClassVar[str] = "suggestions"
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioEnd(ClientEvent):
    """The reply's last event; ``spoken_text`` is what was heard of it."""

    name: ClassVar[str] = "audio_end"
    total_chunks: int = 0
    interrupted: bool = False
    spoken_text: str = ""
    turn_id: int = 0
    reply_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear(ClientEvent):
    """Drop what has not been played of this reply."""

    name: ClassVar[str] = "clear"
    reply_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(ClientEvent):
    """Carry out the tool ``tool`` and answer with ``SelamClient.send_tool_result(call_id, …)``."""

    name: ClassVar[str] = "tool_call"
    call_id: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    turn_id: int = 0
    reply_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(ClientEvent):
    """A finished task's outcome, such as ``{"at": "2026-11-23T09:00+03:00"}``."""

    name: ClassVar[str] = "result"
    task: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    turn_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnMetrics(ClientEvent):
    """Milliseconds from the end of the caller's speech to the first sound of the answer, by stage."""

    name: ClassVar[str] = "turn_metrics"
    turn_id: int = 0
    reply_id: str = ""
    endpoint_ms: float = 0.0
    stt_ms: float = 0.0
    llm_ms: float = 0.0
    tts_ms: float = 0.0
    send_ms: float = 0.0
    v2v_ms: float = 0.0
    reason: str = ""
    speculation: str = ""
    dropped: int = 0
    wasted_ms: float = 0.0
    first_token_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(ClientEvent):
    """What the server's turn-taking decided, and why; ``at_ms`` is audio time of the session."""

    name: ClassVar[str] = "decision"
    decision: str = ""
    reason: str = ""
    at_ms: int = 0
    turn_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceChanged(ClientEvent):
    """Another voice speaks from now on."""

    name: ClassVar[str] = "voice_changed"
    old_voice: str = ""
    new_voice: str = ""
    language: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdated(ClientEvent):
    """New wishes were accepted, effective from the next turn; they are in ``raw``."""

    name: ClassVar[str] = "session_updated"
    session_id: str = ""
    voice: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningEvent(ClientEvent):
    """Something the caller or the operator can mend."""

    name: ClassVar[str] = "warning"
    code: str = ""
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent(ClientEvent):
    """``type`` is one of the protocol's five names; ``retry_after`` in seconds, where it is known."""

    name: ClassVar[str] = "error"
    type: str = "session_error"
    code: str = ""
    message: str = ""
    retryable: bool = False
    details: Mapping[str, Any] | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAck(ClientEvent):
    """A control took effect."""

    name: ClassVar[str] = "control_ack"
    action: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(ClientEvent):
    """The session is gone."""

    name: ClassVar[str] = "session_ended"
    session_id: str = ""
    status: str = ""
    reason: str = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(ClientEvent):
    """An event this client does not know, or one whose payload it cannot read."""

    event: str = ""


_KINDS: dict[str, type[ClientEvent]] = {
    kind.name: kind
    for kind in (
        Connected,
        SessionStarted,
        Transcription,
        Response,
        ResponseDelta,
        AudioChunk,
        InputLevel,
        Suggestions,
        AudioEnd,
        Clear,
        ToolCall,
        Result,
        TurnMetrics,
        Decision,
        VoiceChanged,
        SessionUpdated,
        WarningEvent,
        ErrorEvent,
        ControlAck,
        SessionEnded,
    )
}


# Fields whose names on the wire a dataclass cannot have.
_RENAMED: dict[str, dict[str, str]] = {
    "tool_call": {"tool": "name"},
    "voice_changed": {"old_voice": "from", "new_voice": "to"},
}


def parse_event(name: str, payload: Mapping[str, Any]) -> ClientEvent:
    """Never raises: what cannot be read becomes :class:`Unknown`."""
    now = time.monotonic()
    kind = _KINDS.get(name)
    renamed = _RENAMED.get(name, {})
    if kind is None:
        return Unknown(event=name, raw=payload, received=now)
    values: dict[str, Any] = {
        each.name: payload[key]
        for each in fields(kind)
        if (key := renamed.get(each.name, each.name)) in payload and each.name not in ("received", "raw")
    }
    try:
        if kind is AudioChunk:
            audio = values.get("audio", b"")
            values["audio"] = (
                base64.b64decode(audio, validate=True) if isinstance(audio, str) else bytes(audio)
            )
            values["words"] = tuple((str(w), int(s), int(e)) for w, s, e in values.get("words") or ())
        elif kind is Suggestions:
            values["phrases"] = tuple(map(str, values.get("phrases") or ()))
    except (binascii.Error, TypeError, ValueError):
        return Unknown(event=name, raw=payload, received=now)
    return kind(raw=payload, received=now, **values)
