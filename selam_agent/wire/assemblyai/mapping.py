"""From a client's session object to the wishes of a session, and from its faults to error codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from selam_agent.languages.packs import Packs
from selam_agent.session.config import OutputFormat
from selam_agent.wire.assemblyai.errors import ProtocolError
from selam_agent.wire.assemblyai.session_object import RATES, SessionObject, Tool, TurnDetection
from selam_agent.wire.assemblyai.voices import local_voice

CODECS: dict[str, OutputFormat] = {"audio/pcm": "pcm16", "audio/pcmu": "pcmu", "audio/pcma": "pcma"}


def parse(given: Mapping[str, Any]) -> SessionObject:
    """The session object, checked.

    Raises:
        ProtocolError: ``invalid_value`` with the path of the first field that is wrong, or
            ``invalid_config`` where fields do not fit together.
    """
    for name, problem in _REFUSED.items():
        if given.get(name):
            code = "invalid_webhook" if name == "webhook" else "invalid_value"
            raise ProtocolError(code, problem, name)
    known = {key: value for key, value in given.items() if key not in _REFUSED}
    try:
        return SessionObject.model_validate(_without_nulls(known))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        path = _path(first)
        message = first["msg"].removeprefix("Value error, ")
        code = "invalid_config" if path.endswith("turn_detection") else "invalid_value"
        raise ProtocolError(code, f"'{path}': {message}", path) from None


def wishes(session: SessionObject, packs: Packs) -> dict[str, Any]:
    """The fields of ``SessionConfig`` that this session object decides.

    Raises:
        ValidationError: (``unknown_language``).
    """
    language = _language(session, packs)
    heard, said = session.input, session.output
    detection = heard.turn_detection or TurnDetection()
    encoding = said.format.encoding if said.format is not None else "audio/pcm"
    tools = session.tools or ()
    prompt = (heard.transcription_prompt,) if heard.transcription_prompt else ()
    return {
        "voice": local_voice(said.voice, language, packs),
        "language": language,
        "languages": _known(session, packs),
        "translation": session.translation,
        "instructions": session.system_prompt or "",
        "greeting": session.greeting or "",
        "uninterruptible_greeting": "greeting" in (detection.uninterruptible_turns or ()),
        "vad_threshold": gate(detection.vad_threshold),
        "min_silence_ms": detection.min_silence,
        "max_silence_ms": detection.max_silence,
        "interruption": "off" if detection.interrupt_response is False else None,
        "interruption_delay_ms": detection.interruption_delay or 0,
        "output_format": CODECS[encoding],
        "output_sample_rate": RATES[encoding],
        "hints": (*prompt, *(heard.keyterms or ())),
        "volume": 100.0 if said.volume is None else said.volume,
        "tools": tuple(_function(each) for each in tools),
        "filled_tools": frozenset(each.name for each in tools if each.execution_mode == "interactive"),
        "tool_timeouts": {each.name: float(each.timeout_seconds) for each in tools},
    }


def gate(vad_threshold: float | None) -> float:
    """RMS under which nothing is speech: 600 at 0.5, a quarter of it at 0, four times as much at 1."""
    return 600.0 if vad_threshold is None else 600.0 * 4.0 ** (2 * vad_threshold - 1)


def _language(session: SessionObject, packs: Packs) -> str | None:
    """Stated, or the one of ``language_codes`` that this server knows; else it is recognised."""
    if session.language is not None:
        code = session.language.strip().lower().replace("_", "-").partition("-")[0]
        return packs[code].code if code not in ("", "auto") else None
    codes = session.input.language_codes or []
    return codes[0] if len(codes) == 1 and codes[0] in packs else None


def _known(session: SessionObject, packs: Packs) -> tuple[str, ...]:
    """The languages that callers speak, as far as this server knows them; others change nothing."""
    codes = session.input.language_codes or []
    return tuple(dict.fromkeys(code for code in codes if code in packs))


def _function(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _without_nulls(value: Any) -> Any:
    """Null means the same as nothing, also in ``greeting``; a tool's schema is left as it is."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_nulls(each) for key, each in value.items() if each is not None}


def _path(error: ErrorDetails) -> str:
    """``tools[0].parameters`` of ``("tools", 0, "parameters")``."""
    path = ""
    for part in error["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


_REFUSED = {
    "llm": "BYO LLM config is not allowed on session.update; the server's own model answers.",
    "pre_connect_requests": "This server makes no pre-connect requests.",
    "webhook": "This server delivers no webhooks.",
}
