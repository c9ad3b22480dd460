"""Every error the server raises on purpose.

SelamError
├── AuthenticationError   authentication_error  bad or missing key
├── AuthorizationError    authorization_error   the key's tier is too low
├── ValidationError       validation_error      parameters or an unknown event
├── SessionError          session_error         no session, no capacity, an engine gave up
│   └── EngineError       session_error         a recogniser, model or voice failed
├── AudioError            audio_error           audio that cannot be decoded or accepted
└── SettingsError         (never on the wire)   selam.toml or the environment

``type`` is one of the five names that the SelamGPT protocol documents; ``code`` says which
case it is; ``message`` is safe to show to a client; ``retryable`` says whether the same
request may succeed later.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SelamError(Exception):
    """Base of all errors that may reach a client.

    Args:
        message: one sentence for the person who reads it; never contains secrets.
        code: machine-readable case within ``type``.
        details: extra JSON-compatible facts, such as the names that would be accepted.
        retryable: overrides the class's default.
        retry_after: seconds after which the same request may succeed, where that is known.
    """

    type: ClassVar[str] = "session_error"
    default_code: ClassVar[str] = "internal_error"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details = details
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after = retry_after


class AuthenticationError(SelamError):
    """The key is missing, unknown or revoked."""

    type = "authentication_error"
    default_code = "invalid_api_key"


class AuthorizationError(SelamError):
    """The key is valid, but its tier does not reach the voice agent."""

    type = "authorization_error"
    default_code = "tier_too_low"


class ValidationError(SelamError):
    """A parameter, an event name or a payload is not what the protocol allows."""

    type = "validation_error"
    default_code = "invalid_parameter"


class SessionError(SelamError):
    """There is no session, or one cannot be made or go on."""

    type = "session_error"
    default_code = "session_failed"


class EngineError(SessionError):
    """An engine failed; the session lives on."""

    default_code = "engine_failed"
    default_retryable = True


class AudioError(SelamError):
    """Audio that cannot be decoded, or more of it than the session accepts."""

    type = "audio_error"
    default_code = "invalid_audio"


class SettingsError(SelamError):
    """A setting is unknown or has a value that cannot be used; the server does not start."""

    default_code = "invalid_setting"
