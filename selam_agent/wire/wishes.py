"""What a client asks of a session: ``start_session`` and ``update_session``, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import orjson
import pydantic
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, StringConstraints

from selam_agent.audio.opus import RATES as OPUS_RATES
from selam_agent.errors import ValidationError
from selam_agent.session.config import (
    MAX_GREETING,
    MAX_INSTRUCTIONS,
    Interruption,
    OutputFormat,
    Playback,
    SessionConfig,
    Translation,
)
from selam_agent.session.tools import END_CALL
from selam_agent.wire.formats import object_of

# The rates that MP3 knows; the other formats follow for simplicity.
OUTPUT_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_G711 = ("pcmu", "pcma")
_SELF_CONTAINED = ("mp3", "opus", "wav")
_MAX_TOOLS = 64
_MAX_TOOLS_BYTES = 64 * 1024

_Name = Annotated[StrictStr, StringConstraints(min_length=1, max_length=64)]
_Silence = Annotated[int, Field(ge=100, le=10_000)]
_Schema = Annotated[dict[str, Any], Field(default_factory=lambda: {"type": "object", "properties": {}})]
_Code = Annotated[StrictStr, StringConstraints(min_length=1, max_length=35)]
_M = TypeVar("_M", bound=BaseModel)


class _Function(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: Annotated[StrictStr, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Annotated[StrictStr, StringConstraints(max_length=4_096)] = ""
    parameters: _Schema


class _Tool(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    type: Literal["function"]
    function: _Function


class _Wishes(BaseModel):
    """What may be asked at the start and later. Unknown keys are ignored: a client may be newer."""

    model_config = ConfigDict(extra="ignore", strict=True)

    language: Annotated[StrictStr, StringConstraints(max_length=35)] = ""
    translation: Translation | None = None
    languages: Annotated[list[_Code], Field(max_length=16)] = []
    instructions: Annotated[StrictStr, StringConstraints(max_length=MAX_INSTRUCTIONS)] = ""
    vad_threshold: Annotated[float, Field(ge=0, le=32_767, allow_inf_nan=False)] = 600.0
    interrupt_threshold: Annotated[int, Field(ge=1, le=100)] = 8
    interruption: Interruption | None = None
    interrupt_response: StrictBool = True
    interruption_delay: Annotated[int, Field(ge=0, le=1_000)] = 0
    min_silence: _Silence | None = None
    max_silence: _Silence | None = None
    tools: Annotated[list[_Tool], Field(max_length=_MAX_TOOLS)] = []
    end_call: StrictBool = False


class _UpdateSession(_Wishes):
    voice: _Name = ""


class _StartSession(_Wishes):
    voice: _Name
    greeting: Annotated[StrictStr, StringConstraints(max_length=MAX_GREETING)] = ""
    uninterruptible_greeting: StrictBool = False
    output_format: OutputFormat = "mp3"
    output_sample_rate: int | None = None
    binary: StrictBool = False
    playback: Playback | None = None
    interim: StrictBool = True
    silence_prompt_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] | None = None
    filler: Annotated[int, Field(ge=0, le=30_000)] | None = None
    decisions: StrictBool = False
    input_level: StrictBool = False
    suggestions: StrictBool = False


class _Resume(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    resume: Annotated[StrictStr, StringConstraints(min_length=1, max_length=128)]
    binary: StrictBool = False


# Fields of the start that stay as they are for the whole session.
_FIXED = frozenset(_StartSession.model_fields) - frozenset(_UpdateSession.model_fields)


@dataclass(frozen=True, slots=True)
class Start:
    """A checked ``start_session``; ``binary`` concerns the connection, not the session."""

    config: SessionConfig
    binary: bool


@dataclass(frozen=True, slots=True)
class Resume:
    """A checked ``start_session`` that takes up a session again."""

    token: str
    binary: bool


def parse_start(data: object, default_voice: str) -> Start | Resume:
    """``start_session``.

    Args:
        data: the client's payload; a field that is null counts as left out.
        default_voice: the voice named at connect, for a payload without one.

    Raises:
        ValidationError: names every field that is wrong, and why.
    """
    fields = _given(data, "start_session")
    if "resume" in fields:
        resume = _check(_Resume, fields)
        return Resume(resume.resume, resume.binary)
    fields.setdefault("voice", default_voice)
    wish = _check(_StartSession, fields)
    return Start(
        SessionConfig(
            voice=wish.voice,
            greeting=wish.greeting,
            uninterruptible_greeting=wish.uninterruptible_greeting,
            output_format=wish.output_format,
            output_sample_rate=_output_rate(wish),
            playback=wish.playback or ("immediate" if wish.output_format in _SELF_CONTAINED else "buffered"),
            interim=wish.interim,
            silence_prompt_s=wish.silence_prompt_s,
            filler_ms=wish.filler,
            decisions=wish.decisions,
            input_level=wish.input_level,
            suggestions=wish.suggestions,
            **_common(wish),
        ),
        wish.binary,
    )


def parse_update(data: object) -> dict[str, Any]:
    """``update_session``: the fields of ``SessionConfig`` that change.

    Raises:
        ValidationError: names every field that is wrong or cannot be changed, and why.
    """
    fields = _given(data, "update_session")
    if fixed := sorted(_FIXED & set(fields)):
        raise ValidationError(
            f"{', '.join(fixed)} cannot be changed while the session runs.",
            code="not_changeable",
            details={"fields": fixed},
        )
    wish = _check(_UpdateSession, fields)
    given = wish.model_fields_set
    if not given:
        known = sorted(_UpdateSession.model_fields)
        raise ValidationError(
            f"update_session names nothing to change; it can change {', '.join(known)}.",
            code="nothing_to_change",
            details={"fields": known},
        )
    changes = {name: value for name, value in _common(wish).items() if _FROM.get(name, {name}) & given}
    if "voice" in given:
        changes["voice"] = wish.voice
    return changes


# Where a field of the configuration comes from, if not from the request's field of its name.
_FROM: dict[str, set[str]] = {
    "locale": {"language", "languages"},
    "interruption": {"interruption", "interrupt_response"},
    "interruption_delay_ms": {"interruption_delay"},
    "min_silence_ms": {"min_silence"},
    "max_silence_ms": {"max_silence"},
}


def _common(wish: _Wishes) -> dict[str, Any]:
    shortest, longest = wish.min_silence, wish.max_silence
    if shortest is not None and longest is not None and shortest > longest:
        raise ValidationError(
            f"min_silence ({shortest}) is more than max_silence ({longest}).",
            details={"fields": {"min_silence": "is more than max_silence"}},
        )
    return {
        "language": _language(wish.language),
        "locale": next(filter(None, map(_locale, (wish.language, *wish.languages))), ""),
        "translation": wish.translation,
        "languages": _languages(wish.languages),
        "instructions": wish.instructions,
        "vad_threshold": wish.vad_threshold,
        "interrupt_threshold": wish.interrupt_threshold,
        "interruption": wish.interruption if wish.interrupt_response else "off",
        "interruption_delay_ms": wish.interruption_delay,
        "min_silence_ms": shortest,
        "max_silence_ms": longest,
        "tools": _tools(wish.tools),
        "end_call": wish.end_call,
    }


def _tools(tools: list[_Tool]) -> tuple[dict[str, Any], ...]:
    names = [tool.function.name for tool in tools]
    for index, tool in enumerate(tools):
        problem = ""
        if names.index(tool.function.name) != index:
            problem = "the name is there twice"
        elif tool.function.name == END_CALL:
            problem = "this name is the server's own; ask for it with end_call"
        elif tool.function.parameters.get("type") != "object":
            problem = 'parameters must be a JSON schema of type "object"'
        if problem:
            field = f"tools.{index}.function"
            raise ValidationError(f"{field}: {problem}", details={"fields": {field: problem}})
    made = tuple(tool.model_dump() for tool in tools)
    if len(orjson.dumps(made)) > _MAX_TOOLS_BYTES:
        raise ValidationError(f"tools: more than {_MAX_TOOLS_BYTES} bytes of JSON", code="too_long")
    return made


def _given(data: object, event: str) -> dict[str, Any]:
    fields = {key: value for key, value in object_of(data, event).items() if value is not None}
    for name, number in fields.items():
        if isinstance(number, float) and number.is_integer() and name != "vad_threshold":
            fields[name] = int(number)  # JSON has only one kind of number
    return fields


def _check(model: type[_M], fields: dict[str, Any]) -> _M:
    try:
        return model.model_validate(fields)
    except pydantic.ValidationError as error:
        problems = {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
        text = "; ".join(f"{field}: {problem}" for field, problem in problems.items())
        raise ValidationError(text, details={"fields": problems}) from None


def _output_rate(wish: _StartSession) -> int:
    if wish.output_format in _G711:
        if wish.output_sample_rate not in (None, 8_000):
            raise ValidationError(f"output_sample_rate: {wish.output_format} is always 8000")
        return 8_000
    rate = wish.output_sample_rate or 24_000
    known = tuple(sorted(OPUS_RATES)) if wish.output_format == "opus" else OUTPUT_RATES
    if rate not in known:
        raise ValidationError(
            f"output_sample_rate must be one of {', '.join(map(str, known))}", details={"rates": list(known)}
        )
    return rate


def _languages(texts: list[str]) -> tuple[str, ...]:
    codes = [_language(text) for text in texts]
    if None in codes or len(set(codes)) != len(codes):
        problem = "each must be another language's code"
        raise ValidationError(f"languages: {problem}", details={"fields": {"languages": problem}})
    return tuple(code for code in codes if code is not None)


def _locale(text: str) -> str:
    """``am_et`` and ``am-Ethi-ET`` → ``am-ET``; nothing where no region is named."""
    language, *subtags = text.strip().replace("_", "-").split("-")
    region = next((each.upper() for each in subtags if len(each) == 2 and each.isalpha()), "")
    return f"{language.lower()}-{region}" if region else ""


def _language(text: str) -> str | None:
    """``am-ET`` → ``am``; nothing, or ``auto``, leaves it to the recogniser."""
    code = text.strip().lower().replace("_", "-").partition("-")[0]
    return None if code in ("", "auto") else code
