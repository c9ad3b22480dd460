"""The events of this protocol as models: for the reference page, and for the tests to hold frames to."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from selam_agent.wire.assemblyai.errors import CODES
from selam_agent.wire.assemblyai.session_object import SessionObject

_Ms = Annotated[int | None, Field(ge=0)]


class ClientEvent(BaseModel):
    """Base of what a client sends."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SessionUpdate(ClientEvent):
    """The first message of a connection; later ones change what may change. ``agent_id`` stands alone."""

    type: Literal["session.update"]
    session: SessionObject | dict[str, Any] | None = None


class SessionResume(ClientEvent):
    """The first message of a connection that takes up a session, within 30 s of its loss."""

    type: Literal["session.resume"]
    session_id: str


class InputAudio(ClientEvent):
    """Audio in the input format, base64; pieces of any size. Recorder streams are recognised."""

    type: Literal["input.audio"]
    audio: str


class ToolResult(ClientEvent):
    """What came of a ``tool.call``, at any time; one for an interrupted reply is dropped."""

    type: Literal["tool.result"]
    call_id: str
    result: Any
    is_error: bool = False


class ReplyCreate(ClientEvent):
    """Has the agent speak; a greeting gives way to it. Beside a ``tool.result`` it adds no second reply."""

    type: Literal["reply.create"]
    instructions: str | None = None


class ReplyCancel(ClientEvent):
    """Ends a reply."""

    type: Literal["reply.cancel"]
    reply_id: str


class ConversationMessage(ClientEvent):
    """Something for the model to know; nothing is said."""

    type: Literal["conversation.message"]
    role: Literal["user", "system"]
    content: str


class SessionEnd(ClientEvent):
    """Ends the session: ``session.ended``, then close code 1000."""

    type: Literal["session.end"]


class ServerEvent(BaseModel):
    """Base of what the server sends. ``timestamp``: epoch seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    timestamp: float


class SessionReady(ServerEvent):
    """The session listens. ``resume_token``: opens a connection that resumes it, as ``Bearer``."""

    type: Literal["session.ready"]
    session_id: str
    expires_at: int
    resume_token: str
    config: dict[str, Any]


class SessionUpdated(ServerEvent):
    """The configuration in force, all defaults resolved; also before the first ``session.ready``."""

    type: Literal["session.updated"]
    config: dict[str, Any]


class SessionError(ServerEvent):
    """``code`` is one of the table below; ``param`` the path of a field."""

    type: Literal["session.error"]
    code: str
    message: str
    param: str | None
    session_id: str | None


class SessionEnded(ServerEvent):
    """The last event."""

    type: Literal["session.ended"]
    session_duration_seconds: float
    audio_duration_seconds: float | None


class SpeechStarted(ServerEvent):
    """The caller speaks; while the agent speaks: interrupts it."""

    type: Literal["input.speech.started"]


class SpeechStopped(ServerEvent):
    """The caller's turn is over."""

    type: Literal["input.speech.stopped"]


class UserDelta(ServerEvent):
    """The whole utterance so far."""

    type: Literal["transcript.user.delta"]
    item_id: str
    text: str


class UserTranscript(ServerEvent):
    """What the caller said."""

    type: Literal["transcript.user"]
    item_id: str
    text: str


class ReplyStarted(ServerEvent):
    """The agent answers."""

    type: Literal["reply.started"]
    reply_id: str
    item_id: str


class ReplyAudio(ServerEvent):
    """Audio in the output format, base64, paced to real time with a small lead."""

    type: Literal["reply.audio"]
    reply_id: str
    data: str | bytes


class AgentDelta(ServerEvent):
    """One word, with its place in the reply's audio where the voice tells it."""

    type: Literal["transcript.agent.delta"]
    reply_id: str
    item_id: str
    delta: str
    start_ms: _Ms
    end_ms: _Ms


class AgentTranscript(ServerEvent):
    """What the caller heard of the reply, never more."""

    type: Literal["transcript.agent"]
    reply_id: str
    item_id: str
    text: str
    interrupted: bool


class ReplyDone(ServerEvent):
    """Nothing more of this reply follows."""

    type: Literal["reply.done"]
    reply_id: str
    status: Literal["completed", "interrupted"]


class ReplyInterrupted(ServerEvent):
    """Only at ``/v1/realtime``, before ``reply.done``."""

    type: Literal["reply.interrupted"]
    reply_id: str


class ReplyError(ServerEvent):
    """The model or the voice failed; ``reply.done`` follows."""

    type: Literal["reply.error"]
    reply_id: str
    code: str
    message: str
    retryable: bool
    status_code: int | None
    provider_code: str | None
    provider_param: str | None


class ToolCall(ServerEvent):
    """The client is to carry out a tool. ``args``: the same, for older clients."""

    type: Literal["tool.call"]
    call_id: str
    name: str
    arguments: dict[str, Any]
    args: dict[str, Any]


def events(base: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The models of one direction, by the type of their event."""
    found = {}
    for model in base.__subclasses__():
        (name,) = get_args(model.model_fields["type"].annotation)
        found[str(name)] = model
    return found


def error_codes() -> list[str]:
    """Every ``code`` of a ``session.error``."""
    return sorted(CODES)
