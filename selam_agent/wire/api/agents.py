"""``/v1/agents``: a session's configuration, stored, with an id to begin sessions by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from selam_agent.errors import ValidationError
from selam_agent.store_agents import AgentStore, StoredAgent
from selam_agent.wire.api import models
from selam_agent.wire.api.envelope import answer, body_of, invalid, not_found, of_mistake, query_of
from selam_agent.wire.assemblyai.session_object import merged

_DEFAULT_INPUT = {
    "type": "audio",
    "format": {"encoding": "audio/pcm", "sample_rate": 24_000},
    "turn_detection": None,
    "keyterms": None,
}


class AgentRoutes:
    """The handlers; ``owner_of`` gives the id of the request's key.

    Args:
        fits: raises ValidationError when a session object could not open a session here.
        changed: is told of each change, with the agent's id and its session object.
    """

    def __init__(
        self,
        store: AgentStore,
        *,
        owner_of: Callable[[web.Request], str],
        fits: Callable[[Mapping[str, Any]], None],
        changed: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._store = store
        self._owner_of = owner_of
        self._fits = fits
        self._changed = changed

    async def create(self, request: web.Request) -> web.Response:
        given = await body_of(request, models.NewAgent)
        body = _given(given)
        name = body.pop("name")
        self._check(body)
        try:
            agent = await self._store.create(self._owner_of(request), name, body)
        except ValidationError as error:
            raise of_mistake(error) from None
        return answer(record(agent), 201)

    async def list(self, request: web.Request) -> web.Response:
        query = query_of(request, models.ListQuery)
        try:
            page = await self._store.list(self._owner_of(request), limit=query.limit, cursor=query.cursor)
        except ValidationError as error:
            raise invalid(error.message, "cursor") from None
        return answer(
            {
                "agents": [_summary(each) for each in page.items],
                "has_more": bool(page.next_cursor),
                "response_metadata": {"next_cursor": page.next_cursor},
            }
        )

    async def get(self, request: web.Request) -> web.Response:
        return answer(record(await self._find(request)))

    async def update(self, request: web.Request) -> web.Response:
        given = await body_of(request, models.AgentChanges)
        agent = await self._find(request)
        body = merged(agent.body, _given(given))
        name = body.pop("name", agent.name)
        self._check(body)
        changed = await self._store.update(agent.owner, agent.id, name, body)
        if changed is None:
            raise not_found("agent_not_found", "agent")
        self._changed(changed.id, session_object(changed))
        return answer(record(changed))

    async def delete(self, request: web.Request) -> web.Response:
        if not await self._store.delete(self._owner_of(request), request.match_info["id"]):
            raise not_found("agent_not_found", "agent")
        return web.Response(status=204)

    async def _find(self, request: web.Request) -> StoredAgent:
        agent = await self._store.get(self._owner_of(request), request.match_info["id"])
        if agent is None:
            raise not_found("agent_not_found", "agent")
        return agent

    def _check(self, body: Mapping[str, Any]) -> None:
        try:
            self._fits(_session_object(body))
        except ValidationError as error:
            param = getattr(error, "param", None)
            voice = param == "output.voice" or error.code in ("unknown_voice", "voice_language_mismatch")
            raise invalid(error.message, "voice" if voice else param) from None


def session_object(agent: StoredAgent) -> dict[str, Any]:
    """The session object that a session of this agent begins with."""
    return _session_object(agent.body)


def _session_object(body: Mapping[str, Any]) -> dict[str, Any]:
    # The session speaks with the agent's own voice, whatever its output says.
    output = {**(body.get("output") or {}), "voice": body["voice"]["voice_id"]}
    names = ("system_prompt", "greeting", "tools", "input", "language", "translation")
    kept = {name: body.get(name) for name in names}
    return {**{name: value for name, value in kept.items() if value is not None}, "output": output}


def record(agent: StoredAgent) -> dict[str, Any]:
    """The agent as ``GET`` shows it."""
    body = agent.body
    return {
        **_summary(agent),
        "version": agent.version,
        "system_prompt": body["system_prompt"],
        "voice": body["voice"],
        "greeting": body.get("greeting"),
        "tools": body.get("tools") or [],
        "input": body.get("input") or _DEFAULT_INPUT,
        "output": body.get("output") or {"type": "audio"},
        "language": body.get("language"),
        "translation": body.get("translation"),
        "llm": [],
        "pre_connect_requests": [],
        "transfer_targets": [],
    }


def _given(body: models.AgentChanges) -> dict[str, Any]:
    data: dict[str, Any] = body.model_dump(exclude_unset=True, mode="json")
    for name in ("llm", "pre_connect_requests", "transfer_targets"):
        data.pop(name, None)
    for name in ("name", "system_prompt", "voice"):
        # Null cannot take them away.
        if name in data and data[name] is None:
            del data[name]
    return data


def _summary(agent: StoredAgent) -> dict[str, Any]:
    return {
        "id": agent.id,
        "name": agent.name,
        "created_at": rfc3339(agent.created),
        "updated_at": rfc3339(agent.updated),
    }


def rfc3339(at: float) -> str:
    """UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
