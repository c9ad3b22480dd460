"""What clients may send, checked: the payloads of ``start_session``, ``audio_chunk`` and ``control``."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, StringConstraints

from selam_agent.errors import ValidationError
from selam_agent.session.config import MAX_GREETING, MAX_INSTRUCTIONS, OutputFormat, Playback, SessionConfig

INPUT_FORMATS = ("pcm16", "pcmu", "pcma", "wav")
MIN_RATE, MAX_RATE = 8_000, 48_000

# The rates that MP3 knows; the other formats follow for simplicity.
OUTPUT_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_G711 = ("pcmu", "pcma")
_SELF_CONTAINED = ("mp3", "wav")

_Name = Annotated[StrictStr, StringConstraints(min_length=1, max_length=64)]


class _StartSession(BaseModel):
    """Unknown keys are ignored: a client may be newer than this server."""

    model_config = ConfigDict(extra="ignore", strict=True)

    voice: _Name
    language: Annotated[StrictStr, StringConstraints(max_length=35)] = ""
    instructions: Annotated[StrictStr, StringConstraints(max_length=MAX_INSTRUCTIONS)] = ""
    greeting: Annotated[StrictStr, StringConstraints(max_length=MAX_GREETING)] = ""
    vad_threshold: Annotated[float, Field(ge=0, le=32_767, allow_inf_nan=False)] = 600.0
    interrupt_threshold: Annotated[int, Field(ge=1, le=100)] = 8
    output_format: OutputFormat = "mp3"
    output_sample_rate: int | None = None
    binary: StrictBool = False
    playback: Playback | None = None
    decisions: StrictBool = False


@dataclass(frozen=True, slots=True)
class Start:
    """A checked ``start_session``; ``binary`` concerns the connection, not the session."""

    config: SessionConfig
    binary: bool


@dataclass(frozen=True, slots=True)
class AudioIn:
    """A checked ``audio_chunk``."""

    data: bytes
    format: str
    sample_rate: int


def parse_start(data: object, default_voice: str) -> Start:
    """``start_session``.

    Args:
        data: the client's payload; a field that is null counts as left out.
        default_voice: the voice named at connect, for a payload without one.

    Raises:
        ValidationError: names every field that is wrong, and why.
    """
    fields = {key: value for key, value in _object(data, "start_session").items() if value is not None}
    for name in ("interrupt_threshold", "output_sample_rate"):
        if isinstance(number := fields.get(name), float) and number.is_integer():
            fields[name] = int(number)  # JSON has only one kind of number
    fields.setdefault("voice", default_voice)
    try:
        wish = _StartSession.model_validate(fields)
    except pydantic.ValidationError as error:
        raise _readable(error) from None
    rate = _output_rate(wish)
    return Start(
        SessionConfig(
            voice=wish.voice,
            language=_language(wish.language),
            instructions=wish.instructions,
            greeting=wish.greeting,
            vad_threshold=wish.vad_threshold,
            interrupt_threshold=wish.interrupt_threshold,
            output_format=wish.output_format,
            output_sample_rate=rate,
            playback=wish.playback or ("immediate" if wish.output_format in _SELF_CONTAINED else "buffered"),
            decisions=wish.decisions,
        ),
        wish.binary,
    )


def parse_audio(data: object) -> AudioIn:
    """``audio_chunk``; by hand, since it runs for every packet.

    Raises:
        ValidationError: the payload's shape, the base64, the format or the rate.
    """
    fields = _object(data, "audio_chunk")
    audio = fields.get("audio")
    if isinstance(audio, str):
        try:
            audio = binascii.a2b_base64(audio, strict_mode=True)
        except (binascii.Error, ValueError):
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
        rate = 8_000 if encoding in _G711 else 16_000
    elif isinstance(rate, float) and rate.is_integer():
        rate = int(rate)
    if not isinstance(rate, int) or isinstance(rate, bool) or not MIN_RATE <= rate <= MAX_RATE:
        raise ValidationError(
            f"sample_rate must be a whole number from {MIN_RATE} to {MAX_RATE}", code="invalid_sample_rate"
        )
    return AudioIn(audio, encoding, rate)


def parse_control(data: object) -> str:
    """The action of a ``control``; the session knows which ones exist."""
    action = _object(data, "control").get("action")
    if not isinstance(action, str):
        raise ValidationError(f"action must be text, not {_kind(action)}", code="invalid_payload")
    return action[:64]


def _object(data: object, event: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValidationError(f"{event} takes an object, not {_kind(data)}", code="invalid_payload")
    return data


def _output_rate(wish: _StartSession) -> int:
    if wish.output_format in _G711:
        if wish.output_sample_rate not in (None, 8_000):
            raise ValidationError(f"output_sample_rate: {wish.output_format} is always 8000")
        return 8_000
    rate = wish.output_sample_rate or 24_000
    if rate not in OUTPUT_RATES:
        raise ValidationError(
            f"output_sample_rate must be one of {', '.join(map(str, OUTPUT_RATES))}",
            details={"rates": list(OUTPUT_RATES)},
        )
    return rate


def _language(text: str) -> str | None:
    """``am-ET`` → ``am``; nothing, or ``auto``, leaves it to the recogniser."""
    code = text.strip().lower().replace("_", "-").partition("-")[0]
    return None if code in ("", "auto") else code


def _readable(error: pydantic.ValidationError) -> ValidationError:
    problems = {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
    text = "; ".join(f"{field}: {problem}" for field, problem in problems.items())
    return ValidationError(text, details={"fields": problems})


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
