"""What a client sends while a session runs, checked; ``wishes.py`` has what it asks of the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from selam_agent.errors import ValidationError
from selam_agent.session.config import MAX_TEXT_INPUT
from selam_agent.session.tools import MAX_RESULT
from selam_agent.wire import base64_audio

INPUT_FORMATS = ("pcm16", "pcmu", "pcma", "wav")
MIN_RATE, MAX_RATE = 8_000, 48_000

_G711 = ("pcmu", "pcma")
_MAX_ID = 128
_LONGEST_REPLY_MS = 3_600_000.0


class AudioIn(NamedTuple):
    """A checked ``audio_chunk``."""

    data: bytes
    format: str
    sample_rate: int


@dataclass(frozen=True, slots=True)
class ToolResultIn:
    """A checked ``tool_result``; ``result`` is any JSON value."""

    call_id: str
    result: Any
    is_error: bool


@dataclass(frozen=True, slots=True)
class Position:
    """A checked ``playback_position``."""

    reply_id: str
    played_ms: float


def parse_audio(data: object) -> AudioIn:
    """``audio_chunk``; by hand, since it runs for every packet.

    Raises:
        ValidationError: the payload's shape, the base64, the format or the rate.
    """
    fields = object_of(data, "audio_chunk")
    audio = fields.get("audio")
    if isinstance(audio, str):
        if audio[:5].lower() == "data:":
            # FileReader.readAsDataURL; a media type may have commas ("codecs=vp8,opus").
            _, named, encoded = audio.partition(";base64,")
            audio = encoded if named else audio
        try:
            audio = base64_audio.decoded(audio)
        except ValueError:
            raise ValidationError("audio is not base64", code="invalid_base64") from None
    elif not isinstance(audio, bytes):
        raise ValidationError(
            f"audio must be base64 text or bytes, not {_kind(audio)}", code="invalid_payload"
        )
    encoding = fields.get("format", "pcm16")
    if not isinstance(encoding, str) or encoding not in INPUT_FORMATS:
        raise ValidationError(
            f"format must be one of {', '.join(INPUT_FORMATS)}",
            code="invalid_format",
            details={"formats": list(INPUT_FORMATS)},
        )
    rate = fields.get("sample_rate")
    if rate is None:
        return AudioIn(audio, encoding, 8_000 if encoding in _G711 else 16_000)
    if isinstance(rate, float) and rate.is_integer():
        rate = int(rate)
    if not isinstance(rate, int) or isinstance(rate, bool) or not MIN_RATE <= rate <= MAX_RATE:
        raise ValidationError(
            f"sample_rate must be a whole number from {MIN_RATE} to {MAX_RATE}", code="invalid_sample_rate"
        )
    return AudioIn(audio, encoding, rate)


def parse_control(data: object) -> str:
    """The action of a ``control``; the session knows which ones exist."""
    action = object_of(data, "control").get("action")
    if not isinstance(action, str):
        raise ValidationError(f"action must be text, not {_kind(action)}", code="invalid_payload")
    return action[:64]


def parse_text(data: object) -> str:
    """The words of a ``text_input``. Raises ValidationError when there are none, or too many."""
    text = object_of(data, "text_input").get("text")
    if not isinstance(text, str):
        raise ValidationError(f"text must be text, not {_kind(text)}", code="invalid_payload")
    text = text.strip()
    if not text:
        raise ValidationError("text is empty", code="invalid_payload")
    if len(text) > MAX_TEXT_INPUT:
        raise ValidationError(
            f"text has {len(text)} characters; at most {MAX_TEXT_INPUT} are allowed.",
            code="too_long",
            details={"max_characters": MAX_TEXT_INPUT, "provided_characters": len(text)},
        )
    return text


def parse_tool_result(data: object) -> ToolResultIn:
    """``tool_result``. Raises ValidationError: the shape, or a result that is too long."""
    fields = object_of(data, "tool_result")
    is_error = fields.get("is_error", False)
    if not isinstance(is_error, bool):
        raise ValidationError("is_error must be true or false", code="invalid_payload")
    result = fields.get("result")
    try:
        size = len(result) if isinstance(result, str) else len(orjson.dumps(result))
    except TypeError:
        raise ValidationError("result must be JSON", code="invalid_payload") from None
    if size > MAX_RESULT:
        raise ValidationError(
            f"result has {size} characters; at most {MAX_RESULT} are allowed.", code="too_long"
        )
    return ToolResultIn(_id(fields, "call_id"), result, is_error)


def parse_position(data: object) -> Position:
    """``playback_position``. Raises ValidationError: the shape, or a time that cannot be."""
    fields = object_of(data, "playback_position")
    played = fields.get("played_ms")
    if isinstance(played, bool) or not isinstance(played, (int, float)):
        raise ValidationError(f"played_ms must be a number, not {_kind(played)}", code="invalid_payload")
    if not 0 <= played <= _LONGEST_REPLY_MS:
        raise ValidationError(f"played_ms must be from 0 to {_LONGEST_REPLY_MS:.0f}", code="invalid_payload")
    return Position(_id(fields, "reply_id"), float(played))


def object_of(data: object, event: str) -> dict[str, Any]:
    """The payload, when it is an object; else raises ValidationError."""
    if not isinstance(data, dict):
        raise ValidationError(f"{event} takes an object, not {_kind(data)}", code="invalid_payload")
    return data


def _id(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
        raise ValidationError(f"{name} must be text of 1 to {_MAX_ID} characters", code="invalid_payload")
    return value


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bytes, bytearray)):
        return "bytes"
    return "a list" if isinstance(value, list) else "an object"
