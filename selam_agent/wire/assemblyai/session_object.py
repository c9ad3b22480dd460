"""The ``session`` object of a client: its shape, what may change later, and its echo.

Field by field as documented; ``language`` and ``translation`` are ours. Unknown keys are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from selam_agent.session.config import MAX_GREETING, MAX_INSTRUCTIONS, Translation

Encoding: TypeAlias = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
RATES: dict[str, int] = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}

_Text = Annotated[str, StringConstraints(strict=True)]
_Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Silence = Annotated[int, Field(ge=0, le=10_000)]
_Term = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Steering = Annotated[str, StringConstraints(max_length=500)]
_MAX_TOOLS = 64


class Part(BaseModel):
    """A part of the session object; null counts as left out."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Format(Part):
    encoding: Encoding = "audio/pcm"
    sample_rate: int | None = None

    @model_validator(mode="after")
    def _fits(self) -> Format:
        if self.sample_rate not in (None, RATES[self.encoding]):
            raise ValueError(f"{self.encoding} has a sample_rate of {RATES[self.encoding]}")
        return self

    @property
    def rate(self) -> int:
        """Samples per second."""
        return RATES[self.encoding]


class TurnDetection(Part):
    """``type`` and a ``vad_threshold`` of 0.5 change nothing; a stated silence (ms) is obeyed exactly."""

    type: Literal["server_vad", "semantic_vad"] | None = None
    vad_threshold: _Fraction | None = None
    min_silence: _Silence | None = None
    max_silence: _Silence | None = None
    interrupt_response: bool | None = None
    interruption_delay: Annotated[int, Field(ge=0, le=1_000)] | None = None
    uninterruptible_turns: list[Literal["greeting", "dtmf_prompt", "tool_refused_ask"]] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> TurnDetection:
        shortest, longest = self.min_silence, self.max_silence
        if shortest is not None and longest is not None and shortest > longest:
            raise ValueError(f"min_silence ({shortest}) is more than max_silence ({longest})")
        return self


class Input(Part):
    type: Literal["audio", "text"] = "audio"
    format: Format | None = None
    keyterms: Annotated[list[_Term], Field(max_length=100)] | None = None
    transcription_mode: Literal["min_latency", "balanced", "max_accuracy"] | None = None
    transcription_prompt: Annotated[str, StringConstraints(max_length=1_750)] | None = None
    continuous_partials: bool | None = None
    language_codes: Annotated[list[_Text], Field(max_length=32)] | None = None
    voice_focus: Literal["near-field", "far-field"] | None = None
    voice_focus_threshold: _Fraction | None = None
    turn_detection: TurnDetection | None = None


class Output(Part):
    type: Literal["audio", "text"] = "audio"
    voice: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    format: Format | None = None
    volume: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None


class ResponseInstructions(Part):
    """What the model is told along with a tool's result."""

    success: _Steering | None = None
    error: _Steering | None = None


class Tool(Part):
    """A tool the client carries out. The nested form of OpenAI is taken too."""

    type: Literal["function"] = "function"
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Annotated[str, StringConstraints(max_length=4_096)] = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    execution_mode: Literal["interactive", "hold"] = "interactive"
    timeout_seconds: Annotated[float, Field(ge=1, le=300)] = 120
    response_instructions: ResponseInstructions | None = None
    http: None = None
    dtmf_collected_arguments: Annotated[list[Any], Field(max_length=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _unnested(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(function := data.get("function"), dict):
            return {key: value for key, value in data.items() if key != "function"} | function
        return data

    @field_validator("parameters")
    @classmethod
    def _schema(cls, given: dict[str, Any]) -> dict[str, Any]:
        for key, kind, name in (("properties", dict, "an object"), ("required", list, "a list")):
            if not isinstance(given.get(key, kind()), kind):
                raise ValueError(f"'{key}' must be {name}")
        if given.get("type", "object") != "object":
            raise ValueError("'type' must be \"object\"")
        return {"type": "object", "properties": {}, **given}


class SessionObject(Part):
    """A session as a client describes it, inline or stored."""

    system_prompt: Annotated[str, StringConstraints(max_length=MAX_INSTRUCTIONS)] | None = None
    greeting: Annotated[str, StringConstraints(max_length=MAX_GREETING)] | None = None
    tools: Annotated[list[Tool], Field(max_length=_MAX_TOOLS)] | None = None
    input: Input = Field(default_factory=Input)
    output: Output = Field(default_factory=Output)
    language: Annotated[str, StringConstraints(max_length=35)] | None = None
    translation: Translation | None = None

    @field_validator("tools")
    @classmethod
    def _distinct(cls, tools: list[Tool] | None) -> list[Tool] | None:
        names = [tool.name for tool in tools or ()]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the name {name!r} is there twice")
        return tools


# Fixed once the first update was accepted.
IMMUTABLE = ("greeting", "output.voice", "output.format", "output.type")


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """``old`` with the changes of a partial update: objects are merged, everything else is replaced."""
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and key not in ("format",):
            result[key] = merged(before, value)
        else:
            result[key] = value
    return result


def immutable_in(given: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Path of the first fixed field that an update would change; restating one is no change.

    ``config``: the echo of what is in force.
    """
    for path in IMMUTABLE:
        section, _, name = path.rpartition(".")
        place, now = (given.get(section), config[section]) if section else (given, config)
        if isinstance(place, Mapping) and name in place and not _same(place[name], now[name]):
            return path
    return None


def _same(given: Any, now: Any) -> bool:
    if isinstance(given, Mapping) and isinstance(now, Mapping):
        return all(value == now.get(key) for key, value in given.items())
    return bool(given == now)


def echo(
    session: SessionObject, *, agent_id: str | None, voice: str, silences: tuple[int, int]
) -> dict[str, Any]:
    """The configuration in force, all defaults resolved; what is not set is null.

    Args:
        voice: the name the client knows its voice by.
        silences: the server's own shortest and longest wait (ms), for those that are not stated.
    """
    heard, said = session.input, session.output
    detection: dict[str, Any] | None = None
    if (given := heard.turn_detection) is not None:
        detection = {
            "type": given.type,
            "vad_threshold": 0.5 if given.vad_threshold is None else given.vad_threshold,
            "min_silence": silences[0] if given.min_silence is None else given.min_silence,
            "max_silence": silences[1] if given.max_silence is None else given.max_silence,
            "interrupt_response": given.interrupt_response is not False,
            "interruption_delay": given.interruption_delay,
            "uninterruptible_turns": given.uninterruptible_turns or [],
        }
    shown: dict[str, Any] = {
        "id": agent_id,
        "system_prompt": session.system_prompt,
        "greeting": session.greeting,
        "input": {
            "type": heard.type,
            "format": _format(heard.format),
            "turn_detection": detection,
            "keyterms": heard.keyterms,
            "transcription_mode": heard.transcription_mode or "balanced",
            "continuous_partials": heard.continuous_partials,
            "transcription_prompt": heard.transcription_prompt,
            "language_codes": heard.language_codes,
            "voice_focus": heard.voice_focus or "near-field",
            "voice_focus_threshold": (
                0.85 if heard.voice_focus_threshold is None else heard.voice_focus_threshold
            ),
        },
        "output": {
            "type": said.type,
            "voice": voice,
            "format": _format(said.format),
            "volume": said.volume,
        },
        "tools": [_tool(each) for each in session.tools or ()],
        "llm": [],
        "pre_connect_requests": [],
    }
    ours = {"language": session.language, "translation": session.translation}
    return shown | {name: value for name, value in ours.items() if value is not None}


def _format(given: Format | None) -> dict[str, Any]:
    given = given or Format()
    return {"encoding": given.encoding, "sample_rate": given.rate}


def _tool(tool: Tool) -> dict[str, Any]:
    steering = tool.response_instructions
    return {
        "type": tool.type,
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "execution_mode": tool.execution_mode,
        "timeout_seconds": tool.timeout_seconds,
        "http": None,
        "response_instructions": None if steering is None else steering.model_dump(),
        "deployment_id": None,
        "session_update": None,
        "image_tag": None,
    }
