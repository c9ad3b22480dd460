"""The bodies of these routes; the OpenAPI document is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from selam_agent.session.config import MAX_GREETING, MAX_INSTRUCTIONS, Translation
from selam_agent.wire.assemblyai.session_object import Input, Output, Tool
from selam_agent.wire.tokens import MAX_EXPIRY_S, MAX_SESSION_S, MIN_SESSION_S

_Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Prompt = Annotated[str, StringConstraints(max_length=MAX_INSTRUCTIONS)]
# Of that service, and not of this server.
_Empty = Annotated[list[Any], Field(max_length=0)]


class Body(BaseModel):
    """What a client sends. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Voice(Body):
    """One of ours, or any name of that service's catalogues."""

    voice_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class AgentChanges(Body):
    """Any part of an agent: what is left out stays, lists replace."""

    name: _Name | None = None
    system_prompt: _Prompt | None = None
    voice: Voice | None = None
    greeting: Annotated[str, StringConstraints(max_length=MAX_GREETING)] | None = None
    tools: list[Tool] | None = None
    input: Input | None = None
    output: Output | None = None
    language: Annotated[str, StringConstraints(max_length=35)] | None = None
    translation: Translation | None = None
    llm: _Empty | None = None
    pre_connect_requests: _Empty | None = None
    transfer_targets: _Empty | None = None


class NewAgent(AgentChanges):
    """An agent to be stored."""

    name: _Name
    system_prompt: _Prompt
    voice: Voice


class AgentSummary(BaseModel):
    id: str
    name: str
    created_at: str
    updated_at: str


class Agent(AgentSummary):
    """A stored agent; each change makes a new ``version``."""

    version: int
    system_prompt: str
    voice: Voice
    greeting: str | None
    tools: list[Tool]
    input: dict[str, Any]
    output: dict[str, Any]
    language: str | None
    translation: Translation | None
    llm: list[Any]
    pre_connect_requests: list[Any]
    transfer_targets: list[Any]


class Cursor(BaseModel):
    next_cursor: str = ""


class AgentList(BaseModel):
    agents: list[AgentSummary]
    has_more: bool = False
    response_metadata: Cursor


class ListQuery(Body):
    """Newest first; an empty cursor is the beginning, and the end."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str = ""


class SessionQuery(ListQuery):
    status: Literal["created", "completed", ""] = ""
    agent_id: str = ""


class SessionSummary(BaseModel):
    id: str
    agent_id: str | None
    status: Literal["created", "completed"]
    public_close_reason: str | None
    duration_seconds: float | None
    created_at: str
    ended_at: str | None


class Artifact(BaseModel):
    """``url`` needs no key and works for an hour."""

    type: Literal["timeline", "metadata"]
    url: str
    content_type: str = "application/json"


class Session(SessionSummary):
    """``config`` and the words of the timeline are there with ``records.keep = "text"``."""

    config: dict[str, Any] | None
    artifacts: list[Artifact]


class SessionEvents(BaseModel):
    """In order; each has a ``type`` (``decision``, ``turn_metrics``) and ``at_ms`` since the beginning."""

    session_id: str
    events: list[dict[str, Any]]


class SessionList(BaseModel):
    sessions: list[SessionSummary]
    has_more: bool = False
    response_metadata: Cursor


class TokenQuery(BaseModel):
    """Other parameters are ignored, as there."""

    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_EXPIRY_S)]
    max_session_duration_seconds: Annotated[int, Field(ge=MIN_SESSION_S, le=MAX_SESSION_S)] = MAX_SESSION_S


class TokenRequest(Body):
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_EXPIRY_S)] = 60


class Token(BaseModel):
    token: str
    expires_in_seconds: int


class ExpiringToken(BaseModel):
    token: str
    expires_at: str


class BuiltinTools(BaseModel):
    builtin_tools: list[Any]


class Problem(BaseModel):
    message: str
    param: str | None


class Error(BaseModel):
    """``detail`` is what older clients read; ``error`` what those of our other routes do."""

    code: str
    message: str
    param: str | None
    request_id: str
    errors: list[Problem] | None
    detail: Any
    error: dict[str, str]
