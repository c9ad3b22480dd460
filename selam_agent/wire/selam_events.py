"""Events of a session as SelamGPT payloads: the one table between ``events.py`` and the wire."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from selam_agent.events import (
    AudioChunk,
    AudioEnd,
    Connected,
    ErrorEvent,
    Event,
    Notice,
    SessionStarted,
    SessionUpdated,
    ToolCall,
    VoiceChanged,
)
from selam_agent.wire import base64_audio


def payload(event: Event, *, binary: bool = False) -> dict[str, Any]:
    """The documented keys and our additions.

    Args:
        event: any event of ``events.py``.
        binary: send audio as bytes (a Socket.IO attachment) instead of base64 text.
    """
    if isinstance(event, AudioChunk):
        return _audio_chunk(event, binary=binary)
    special = _SPECIAL.get(type(event))
    return special(event) if special else as_dict(event)


def encoded(event: Event, prefix: bytes = b"") -> bytes:
    """``prefix`` and the event as Socket.IO writes it: ``["name",payload]``, in JSON."""
    if isinstance(event, AudioChunk):
        # Base64 needs no escaping: the audio, which is nearly all of it, goes past the encoder.
        about = orjson.dumps(_about_audio(event))
        audio = base64_audio.encoded(event.audio)
        return b"".join((prefix, b'["audio_chunk",{"audio":"', audio, b'",', about[1:], b"]"))
    return prefix + orjson.dumps([event.name, payload(event)])


def weight(event: Event) -> tuple[int, float]:
    """About how many bytes the event takes on the wire, and how many ms of audio it holds."""
    if isinstance(event, AudioChunk):
        return len(event.audio) * 4 // 3 + 256 + 48 * len(event.words), event.duration_ms
    texts = (getattr(event, name, "") for name in ("text", "delta", "spoken_text", "message"))
    return 256 + sum(2 * len(text) for text in texts if isinstance(text, str)), 0.0


def _audio_chunk(event: AudioChunk, *, binary: bool) -> dict[str, Any]:
    audio = event.audio if binary else base64_audio.encoded(event.audio).decode("ascii")
    return {"audio": audio, **_about_audio(event)}


def _about_audio(event: AudioChunk) -> dict[str, Any]:
    data: dict[str, Any] = {
        "format": event.format,
        "sample_rate": event.sample_rate,
        "index": event.index,
        "start_ms": _thousandths(event.start_ms),
        "duration_ms": _thousandths(event.duration_ms),
        "text": event.text,
        "turn_id": event.turn_id,
        "reply_id": event.reply_id,
    }
    if event.words:
        data["words"] = [[word.text, word.start_ms, word.end_ms] for word in event.words]
    return data


def _thousandths(ms: float) -> float:
    # Rounding writes a float out and reads it back.
    return round(ms, 3) if ms % 1 else ms


def _audio_end(event: AudioEnd) -> dict[str, Any]:
    return {
        "total_chunks": event.total_chunks,
        "interrupted": event.interrupted,
        "spoken_text": event.spoken_text,
        "turn_id": event.turn_id,
        "reply_id": event.reply_id,
    }


def _session_started(event: SessionStarted) -> dict[str, Any]:
    data = as_dict(event)
    extra = data.pop("extra")
    return {**extra, **data}


def _session_updated(event: SessionUpdated) -> dict[str, Any]:
    changes = {_WISH_NAMES.get(name, name): plain(value) for name, value in event.changes.items()}
    return {**changes, "session_id": event.session_id}


def _tool_call(event: ToolCall) -> dict[str, Any]:
    return {
        "call_id": event.call_id,
        "name": event.tool,
        "arguments": plain(event.arguments),
        "turn_id": event.turn_id,
        "reply_id": event.reply_id,
    }


def _voice_changed(event: VoiceChanged) -> dict[str, Any]:
    return {
        "from": event.old_voice,
        "to": event.new_voice,
        "language": event.language,
        "reason": event.reason,
    }


def _notice(event: Notice) -> dict[str, Any]:
    data: dict[str, Any] = {"code": event.code, "message": event.message}
    if event.details:
        data["details"] = plain(event.details)
    return data


def _error(event: ErrorEvent) -> dict[str, Any]:
    """Flat keys for our clients, and the envelope that the documented HTTP errors have."""
    data: dict[str, Any] = {
        "type": event.type,
        "code": event.code,
        "message": event.message,
        "retryable": event.retryable,
        "error": {"message": event.message, "type": event.type, "code": event.code},
    }
    if event.details:
        data["details"] = plain(event.details)
    if event.retry_after is not None:
        data["retry_after"] = event.retry_after
    return data


def _connected(event: Connected) -> dict[str, Any]:
    data = {"status": event.status, "sid": event.sid, "voice": event.voice, "message": event.message}
    return data if event.next_token is None else {**data, "next_token": event.next_token}


def plain(value: Any) -> Any:
    """Mappings and sequences as JSON has them."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    return value


def as_dict(event: Event) -> dict[str, Any]:
    """A dataclass event by its own field names."""
    if (names := _NAMES.get(type(event))) is None:
        names = _NAMES[type(event)] = tuple(field.name for field in dataclasses.fields(event))
    return {name: plain(getattr(event, name)) for name in names}


# Of the fields of each class; looking them up is most of the work.
_NAMES: dict[type[Event], tuple[str, ...]] = {}
_SCALARS = frozenset({str, int, float, bool, type(None)})


# Fields of the configuration that the request names otherwise.
_WISH_NAMES = {
    "interruption_delay_ms": "interruption_delay",
    "min_silence_ms": "min_silence",
    "max_silence_ms": "max_silence",
}

_SPECIAL: dict[type[Event], Callable[[Any], dict[str, Any]]] = {
    AudioEnd: _audio_end,
    Connected: _connected,
    ErrorEvent: _error,
    Notice: _notice,
    SessionStarted: _session_started,
    SessionUpdated: _session_updated,
    ToolCall: _tool_call,
    VoiceChanged: _voice_changed,
}
