"""The error codes of the protocol: which of ours becomes which, and which end the connection."""

from __future__ import annotations

from typing import Any

from selam_agent.errors import (
    AudioError,
    AuthenticationError,
    AuthorizationError,
    SelamError,
    ValidationError,
)
from selam_agent.events import ErrorEvent

# Clients with typed models know exactly these.
CODES = frozenset(
    (
        *("agent_id_not_first", "agent_not_found", "at_capacity", "audio_rate_violation"),
        *("concurrency_exceeded", "immutable_field", "internal_error", "invalid_audio", "invalid_config"),
        *("invalid_format", "invalid_value", "invalid_webhook", "session_expired", "session_forbidden"),
        *("session_not_found", "unauthorized"),
    )
)
# The connection has no use after these.
FATAL = frozenset(
    (
        *("unauthorized", "at_capacity", "concurrency_exceeded"),
        *("session_expired", "session_forbidden", "session_not_found"),
    )
)

_SAME = {
    # of ours → of theirs
    "shutting_down": "at_capacity",
    "audio_quota_exceeded": "concurrency_exceeded",
    "overloaded": "internal_error",
    "voice_language_mismatch": "invalid_config",
    "voice_unavailable": "invalid_value",
    "resume_failed": "session_expired",
}
_PARAMS = {
    "unknown_voice": "output.voice",
    "missing_voice": "output.voice",
    "voice_unavailable": "output.voice",
    "voice_language_mismatch": "output.voice",
    "unknown_language": "language",
    "unknown_call": "call_id",
}


class ProtocolError(ValidationError):
    """A message of the client that is refused, with the protocol's own code.

    ``param``: path of the field in the session object; None for errors about the message itself.
    ``stays``: the connection goes on even when it is the first update that is wrong.
    """

    def __init__(self, code: str, message: str, param: str | None = None, *, stays: bool = False) -> None:
        super().__init__(message, code=code)
        self.param = param
        self.stays = stays


def code_of(type_: str, code: str) -> str:
    """The protocol's code for an error of ours."""
    if code in CODES:
        return code
    if code in _SAME:
        return _SAME[code]
    return {
        AuthenticationError.type: "unauthorized",
        AuthorizationError.type: "unauthorized",
        ValidationError.type: "invalid_value",
        AudioError.type: "invalid_audio",
    }.get(type_, "internal_error")


def error_frame(error: SelamError | ErrorEvent, session_id: str | None) -> dict[str, Any]:
    """The ``session.error`` that tells of it."""
    code = code_of(error.type, error.code)
    return {
        "type": "session.error",
        "code": code,
        "message": error.message,
        "param": error.param if isinstance(error, ProtocolError) else _PARAMS.get(error.code),
        "session_id": session_id,
    }
