"""The REST routes of the AssemblyAI API over a real server, and sessions of stored agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from selam_agent.app import App
from selam_agent.store import Tier
from tests.clients.assemblyai_client import connected
from tests.wire.doors import KEY, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = {
    "name": "Clinic",
    "system_prompt": "Book visits.",
    "voice": {"voice_id": "alba"},
    "greeting": "Good day.",
    "tools": [{"type": "function", "name": "look_up", "description": "", "parameters": {"type": "object"}}],
    "input": {"type": "audio", "keyterms": ["Jimma"]},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    path = tmp_path_factory.mktemp("api")
    async with running(path, sections={"records": {"keep": "text"}}) as app:
        yield app


async def call(
    app: App, method: str, path: str, body: Any = None, *, key: str | None = KEY, raw: bytes | None = None
) -> tuple[int, Any, Any]:
    """Status, JSON and headers."""
    headers = {"Authorization": key} if key is not None else {}
    url = path if path.startswith("http") else app.url + path
    data = {"data": raw} if raw is not None else {"json": body} if body is not None else {}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, headers=headers, **data) as response,
    ):
        text = await response.text()
        return response.status, await response.json() if text else None, response.headers


async def test_an_agent_from_its_making_to_its_end(app: App) -> None:
    status, made, _ = await call(app, "POST", "/v1/agents", AGENT)
    assert status == 201 and made["id"].startswith("agent_") and len(made["id"]) == 38
    assert made["version"] == 1 and made["llm"] == [] and made["created_at"].endswith("Z")
    assert made["voice"] == {"voice_id": "alba"} and made["output"] == {"type": "audio"}
    path = f"/v1/agents/{made['id']}"
    assert (await call(app, "GET", path))[1] == made
    status, changed, _ = await call(app, "PUT", path, {"greeting": "Hello.", "tools": []})
    assert status == 200 and (changed["greeting"], changed["tools"], changed["version"]) == ("Hello.", [], 2)
    assert changed["input"]["keyterms"] == ["Jimma"] and changed["name"] == "Clinic"
    versions = await app._doors._agents.versions(made["id"])
    assert versions[1]["greeting"] == "Good day." and versions[2]["greeting"] == "Hello."
    status, body, _ = await call(app, "DELETE", path)
    assert (status, body) == (204, None)
    for method in ("GET", "PUT", "DELETE"):
        status, error, _ = await call(app, method, path, {} if method == "PUT" else None)
        assert (status, error["code"]) == (404, "agent_not_found")


async def test_the_least_that_an_agent_needs(app: App) -> None:
    least = {name: AGENT[name] for name in ("name", "system_prompt", "voice")}
    status, made, _ = await call(app, "POST", "/v1/agents", least, key=f"Bearer {KEY}")
    assert status == 201 and made["greeting"] is None and made["tools"] == []
    assert made["input"] == {
        "type": "audio",
        "format": {"encoding": "audio/pcm", "sample_rate": 24_000},
        "turn_detection": None,
        "keyterms": None,
    }


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"name": ""}, 422, "name"),
        ({"voice": None}, 422, "voice"),
        ({"voice": {"voice_id": "nobody"}}, 422, "voice"),
        ({"voice": {"voice_id": "aria"}, "language": "am"}, 422, "voice"),
        ({"voice": "aria"}, 422, "voice"),
        ({"system_prompt": 3}, 422, "system_prompt"),
        ({"colour": "red"}, 422, "colour"),
        ({"llm": [{"base_url": "https://x"}]}, 422, "llm"),
        ({"tools": [{"type": "function", "name": "a b"}]}, 422, "tools[0].name"),
        ({"input": {"turn_detection": {"min_silence": -1}}}, 422, "input.turn_detection.min_silence"),
    ],
)
async def test_what_is_wrong_with_an_agent(app: App, changes: Any, status: int, param: str) -> None:
    got, error, headers = await call(app, "POST", "/v1/agents", {**AGENT, **changes})
    assert (got, error["code"], error["param"]) == (status, "validation_error", param)
    assert error["errors"][0]["message"] == error["message"] == error["detail"]
    assert headers["X-Request-Id"] == error["request_id"]
    assert error["error"]["message"] == error["message"]
    if changes == {"voice": {"voice_id": "nobody"}}:
        assert "mekdes" in error["message"]


async def test_other_errors(app: App) -> None:
    cases: list[tuple[str, str, Any, int, str]] = [
        ("PATCH", "/v1/agents", None, 405, "method_not_allowed"),
        ("GET", "/v1/agents/x/y", None, 404, "not_found"),
        ("POST", "/v1/webhook-subscriptions", {}, 404, "not_found"),
        ("GET", "/v1/phone-numbers", None, 404, "not_found"),
        ("PUT", "/v1/phone-numbers/+251911000000/agent", {}, 404, "not_found"),
        ("POST", "/v1/calls", {}, 404, "not_found"),
        ("GET", "/v1/sessions/sess_unknown", None, 404, "session_not_found"),
        ("DELETE", "/v1/sessions/sess_unknown", None, 404, "session_not_found"),
        ("GET", "/v1/agents?limit=0", None, 422, "validation_error"),
        ("GET", "/v1/agents?limit=201", None, 422, "validation_error"),
        ("GET", "/v1/agents?cursor=nonsense", None, 422, "validation_error"),
        ("GET", "/v1/sessions?status=odd", None, 422, "validation_error"),
    ]
    for method, path, body, status, code in cases:
        got, error, headers = await call(app, method, path, body)
        assert (got, error["code"]) == (status, code), path
        assert headers["X-Request-Id"] == error["request_id"] and "errors" in error
    assert (await call(app, "POST", "/v1/agents", raw=b"{"))[1]["code"] == "invalid_request"


@pytest.mark.parametrize("path", ["/v1/agents", "/v1/sessions", "/v1/builtin-tools", "/v1/calls"])
async def test_keys_are_asked_for(app: App, path: str) -> None:
    low = app.keys.create(Tier.PRO)[1]
    for key, status, code, detail in (
        (None, 401, "missing_authorization", "Missing authorization header"),
        ("sk-selam-wrong", 401, "unauthorized", "Unauthorized"),
        (low, 403, "unauthorized", None),
    ):
        got, error, headers = await call(app, "GET", path, key=key)
        assert (got, error["code"]) == (status, code)
        assert detail is None or error["detail"] == detail
        assert status != 401 or headers["WWW-Authenticate"] == "Bearer"


async def test_lists_have_pages_newest_first(app: App) -> None:
    key = app.keys.create(Tier.OWNER)[1]
    made = [
        (await call(app, "POST", "/v1/agents", {**AGENT, "name": str(n)}, key=key))[1]["id"] for n in range(5)
    ]
    seen, cursor = [], ""
    for expected in (2, 2, 1):
        _, page, _ = await call(app, "GET", f"/v1/agents?limit=2&cursor={cursor}", key=key)
        assert len(page["agents"]) == expected
        assert set(page["agents"][0]) == {"id", "name", "created_at", "updated_at"}
        seen += [each["id"] for each in page["agents"]]
        cursor = page["response_metadata"]["next_cursor"]
        assert page["has_more"] == bool(cursor)
    assert seen == made[::-1] and cursor == ""
    # Nobody else's.
    assert not {each["id"] for each in (await call(app, "GET", "/v1/agents?limit=200"))[1]["agents"]} & set(
        made
    )
    assert (await call(app, "GET", f"/v1/agents/{made[0]}"))[0] == 404


async def test_tokens(app: App) -> None:
    status, made, _ = await call(app, "GET", "/v1/token?expires_in_seconds=60&product=voice_agent")
    assert status == 200 and made["expires_in_seconds"] == 60
    async with connected(app.url, None, f"/v1/ws?token={made['token']}") as agent:
        await agent.start()
    status, made, _ = await call(app, "POST", "/v1/tokens", raw=b"")
    assert status == 200 and made["expires_at"].endswith("Z")
    async with connected(app.url, f"Bearer {made['token']}") as agent:
        await agent.start()
    assert (await call(app, "POST", "/v1/tokens", {"expires_in_seconds": 601}))[0] == 422


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", "missing"),
        ("?expires_in_seconds=0", "greater_than_equal"),
        ("?expires_in_seconds=601", "less_than_equal"),
        ("?expires_in_seconds=60&max_session_duration_seconds=59", "greater_than_equal"),
        ("?expires_in_seconds=60&max_session_duration_seconds=10801", "less_than_equal"),
    ],
)
async def test_tokens_with_numbers_out_of_range(app: App, query: str, kind: str) -> None:
    status, error, _ = await call(app, "GET", f"/v1/token{query}")
    assert status == 422 and error["detail"][0]["type"] == kind and error["detail"][0]["loc"][0] == "query"


async def test_tokens_without_a_key(app: App) -> None:
    status, error, _ = await call(app, "GET", "/v1/token?expires_in_seconds=60", key=None)
    assert status == 422 and error["detail"] == [
        {"type": "missing", "loc": ["header", "authorization"], "msg": "Field required", "input": None}
    ]
    status, error, _ = await call(app, "GET", "/v1/token?expires_in_seconds=60", key="sk-selam-wrong")
    assert status == 404 and error["detail"] == "Invalid API key"


async def test_a_session_of_a_stored_agent_and_its_record(app: App) -> None:
    agent_id = (await call(app, "POST", "/v1/agents", AGENT))[1]["id"]
    async with connected(app.url, KEY) as agent:
        await agent.send("session.update", session={"agent_id": agent_id})
        ready = await agent.wait("session.ready")
        config = ready["config"]
        assert config["id"] == agent_id and config["system_prompt"] == "Book visits."
        assert config["output"]["voice"] == "alba" and config["tools"][0]["name"] == "look_up"
        await agent.wait("reply.done")
        # A change of the agent reaches the live session, but for what is fixed.
        change = {"system_prompt": "Sell shoes.", "greeting": "Shoes!", "voice": {"voice_id": "james"}}
        await call(app, "PUT", f"/v1/agents/{agent_id}", change)
        config = (await agent.wait("session.updated", 2))["config"]
        assert config["system_prompt"] == "Sell shoes." and config["greeting"] == "Good day."
        assert config["output"]["voice"] == "alba"
        await agent.send("reply.create")
        await agent.wait("reply.done", 2)
        await agent.end()
    session_id = ready["session_id"]
    await app._doors._stored.flush()
    _, page, _ = await call(app, "GET", f"/v1/sessions?agent_id={agent_id}&status=completed")
    (row,) = page["sessions"]
    assert row["id"] == session_id and row["public_close_reason"] == "client_end"
    assert row["duration_seconds"] > 0 and row["ended_at"] > row["created_at"]
    _, session, _ = await call(app, "GET", f"/v1/sessions/{session_id}")
    assert session["config"]["system_prompt"] == "Book visits."
    links = {each["type"]: each["url"] for each in session["artifacts"]}
    status, timeline, _ = await call(app, "GET", links["timeline"], key=None)
    assert status == 200 and timeline["session_id"] == session_id
    greeting, reply = timeline["turns"]
    assert (greeting["trigger"], greeting["agent_text"]) == ("greeting", "Good day.")
    assert (reply["trigger"], reply["agent_text"]) == ("reply_create", "Good day to you.")
    assert timeline["config_changes"][0]["changes"]["instructions"] == "Sell shoes."
    assert timeline["ended"]["public_reason"] == "client_end"
    assert (await call(app, "GET", links["timeline"].replace("timeline?", "metadata?"), key=None))[0] == 401
    assert (await call(app, "GET", links["metadata"], key=None))[1]["session_id"] == session_id
    # Its own key's only.
    other = app.keys.create(Tier.OWNER)[1]
    assert (await call(app, "GET", f"/v1/sessions/{session_id}", key=other))[0] == 404
    async with connected(app.url, other) as agent:
        await agent.send("session.update", session={"agent_id": agent_id})
        assert await agent.closed() == 1008 and agent.events[0]["code"] == "agent_not_found"
    assert (await call(app, "DELETE", f"/v1/sessions/{session_id}"))[0] == 204
    assert (await call(app, "GET", f"/v1/sessions/{session_id}"))[0] == 404


async def test_a_live_session_is_listed(app: App) -> None:
    async with connected(app.url, KEY) as agent:
        session_id = (await agent.start())["session_id"]
        await asyncio.sleep(0.05)
        await app._doors._stored.flush()
        _, session, _ = await call(app, "GET", f"/v1/sessions/{session_id}")
        assert (session["status"], session["ended_at"], session["artifacts"]) == ("created", None, [])


async def test_voices_and_builtin_tools(app: App) -> None:
    assert len((await call(app, "GET", "/v1/voices"))[1]["voices"]) > 8
    assert (await call(app, "GET", "/v1/builtin-tools"))[1] == {"builtin_tools": []}


@pytest.mark.parametrize("keep", ["none", "metadata"])
async def test_no_more_is_kept_than_is_allowed(tmp_path_factory: pytest.TempPathFactory, keep: str) -> None:
    path = tmp_path_factory.mktemp(keep)
    async with running(path, sections={"records": {"keep": keep}}) as app:
        async with connected(app.url, KEY) as agent:
            session_id = (await agent.start(greeting="A secret.", system_prompt="Hush."))["session_id"]
            await agent.wait("reply.done")
            await agent.end()
        await app._doors._stored.flush()
        status, session, _ = await call(app, "GET", f"/v1/sessions/{session_id}")
        if keep == "none":
            assert status == 404
        else:
            _, timeline, _ = await call(app, "GET", session["artifacts"][0]["url"])
            assert timeline["turns"][0]["trigger"] == "greeting" and session["config"] is None
    database = (path / "selam.sqlite3").read_bytes()
    assert b"secret" not in database and b"Hush" not in database


async def test_what_is_stored_outlives_the_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("twice")
    async with running(path) as app:
        made = (await call(app, "POST", "/v1/agents", AGENT))[1]
        assert (path / "selam.sqlite3").stat().st_mode & 0o777 == 0o600
    async with running(path) as app:
        assert (await call(app, "GET", f"/v1/agents/{made['id']}"))[1] == made


async def test_a_store_that_does_not_answer(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(owner: str, agent_id: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("selam_agent.app_doors._STORE_S", 0.05)
    monkeypatch.setattr(app._doors._agents, "get", never)
    async with connected(app.url, KEY) as agent:
        await agent.send("session.update", session={"agent_id": "agent_1"})
        assert await agent.closed() == 1011 and agent.events[0]["code"] == "internal_error"
