"""What a client sends besides its session object, checked by hand: audio comes fifty times a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from selam_agent.session.config import MAX_TEXT_INPUT
from selam_agent.session.tools import MAX_RESULT, result_text
from selam_agent.wire import base64_audio
from selam_agent.wire.assemblyai.errors import ProtocolError

_MAX_ID = 128


@dataclass(frozen=True, slots=True)
class ToolResult:
    """``result`` as the client gave it: text, or any JSON value."""

    call_id: str
    result: Any
    is_error: bool

    def text(self, steering: str | None) -> str:
        """What the model reads of it. Raises ProtocolError when it is too long."""
        text = result_text(self.result, is_error=self.is_error)
        if len(text) > MAX_RESULT:
            raise ProtocolError("invalid_value", f"'result' has more than {MAX_RESULT} characters", "result")
        return f"{text}\n\n{steering}" if steering else text


def parse(text: str | bytes) -> tuple[str, dict[str, Any]]:
    """The type of a message, and the whole of it. Raises ProtocolError (``invalid_format``)."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ProtocolError("invalid_format", "Invalid JSON format.", stays=True) from None
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str):
        raise ProtocolError("invalid_format", "A message is an object with a 'type'.", stays=True)
    return kind, message


def audio_of(message: Mapping[str, Any]) -> bytes:
    """The bytes of an ``input.audio``. Raises ProtocolError."""
    audio = message.get("audio")
    if not isinstance(audio, str):
        raise misshapen("input.audio")
    try:
        return base64_audio.decoded(audio)
    except ValueError:
        raise ProtocolError("invalid_audio", "Invalid audio data", stays=True) from None


def session_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """The session object of a ``session.update``; it may be left out. Raises ProtocolError."""
    session = message.get("session")
    if session is None:
        return {}
    if not isinstance(session, dict):
        raise misshapen("session.update")
    return session


def tool_result_of(message: Mapping[str, Any]) -> ToolResult:
    """A ``tool.result``. Raises ProtocolError."""
    call_id, is_error = message.get("call_id"), message.get("is_error", False)
    if not isinstance(call_id, str) or not isinstance(is_error, bool) or "result" not in message:
        raise misshapen("tool.result")
    return ToolResult(call_id[:_MAX_ID], message["result"], is_error)


def note_of(message: Mapping[str, Any]) -> tuple[Literal["user", "system"], str]:
    """Role and words of a ``conversation.message``. Raises ProtocolError."""
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "system") or not isinstance(content, str) or len(content) > MAX_TEXT_INPUT:
        raise misshapen("conversation.message")
    return role, content


def text_of(message: Mapping[str, Any], name: str, *, optional: bool = False) -> str:
    """A field that is text. Raises ProtocolError."""
    value = message.get(name)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or len(value) > MAX_TEXT_INPUT:
        raise misshapen(message["type"])
    return value


def misshapen(kind: str) -> ProtocolError:
    """A message whose fields are not those of its type."""
    return ProtocolError("invalid_format", f"Invalid message format for type '{kind}'", stays=True)
