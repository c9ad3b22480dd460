"""The HTTP routes, and who may use them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from selam_agent.app import App
from selam_agent.errors import SettingsError
from selam_agent.settings import Server, Settings
from selam_agent.store import KeyStore
from tests.wire.doors import KEY, Client, running, scripted


async def get(app: App, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(
            method, app.url + path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        ) as answer,
    ):
        body = await answer.read()
        json = await answer.json() if answer.content_type == "application/json" else body.decode()
        return answer.status, json, answer.headers


async def test_open_routes(app: App) -> None:
    assert (await get(app, "/healthz"))[:2] == (200, {"status": "ok"})
    assert (await get(app, "/readyz"))[:2] == (200, {"status": "ready"})
    status, page, headers = await get(app, "/")
    assert status == 200 and "/v1/audio/agent" in page and headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert (await get(app, "/favicon.ico"))[0] == (await get(app, "/favicon.svg"))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": f"Bearer {KEY}"}, {"Authorization": KEY}, {"X_API_Key": KEY},
     {"Authorization": "Bearer a.jwt.here", "X_API_Key": KEY}],
)  # fmt: skip
async def test_voices(app: App, headers: dict[str, str]) -> None:
    status, data, _ = await get(app, "/v1/voices", **headers)
    assert status == 200
    mekdes = next(each for each in data["voices"] if each["name"] == "mekdes")
    assert (mekdes["language"], mekdes["engine"]) == ("am", "espeak")
    assert next(each for each in data["voices"] if each["name"] == "alloy")["engine"] is None


async def test_everything_else_needs_a_key(app: App) -> None:
    for path in ("/v1/voices", "/nowhere", "/v1/agents"):
        status, body, headers = await get(app, path)
        assert status == 401 and headers["WWW-Authenticate"] == "Bearer"
        assert body["error"].keys() == {"message", "type", "code"}
        assert body["error"]["type"] == "authentication_error"
    status, body, _ = await get(app, "/nowhere", Authorization=KEY)
    assert (status, body["error"]["code"]) == (404, "not_found")
    status, body, headers = await get(app, "/v1/voices", "DELETE", Authorization=KEY)
    assert (status, body["error"]["code"]) == (405, "method_not_allowed") and "GET" in headers["Allow"]
    assert (await get(app, "/v1/voices", Authorization="Bearer wrong"))[0] == 401


async def test_metrics_are_for_this_machine_or_a_key(app: App) -> None:
    async with Client(app) as client:
        await client.connect({"voice": "aria"})
        await client.wait("error")
    status, text, _ = await get(app, "/metrics")
    assert (
        status == 200 and 'selam_errors_total{code="missing_api_key",type="authentication_error"} 1.0' in text
    )
    assert "selam_sessions 0.0" in text
    assert (await get(app, "/metrics", X_Forwarded_For="203.0.113.9"))[0] == 401
    assert (await get(app, "/metrics", X_Forwarded_For="203.0.113.9", Authorization=KEY))[0] == 200


async def test_pages_of_admitted_origins_may_ask(app: App) -> None:
    origin = "http://localhost:3000"
    _, _, headers = await get(app, "/v1/voices", Origin=origin, Authorization=KEY)
    assert headers["Access-Control-Allow-Origin"] == origin
    status, _, headers = await get(app, "/v1/voices", "OPTIONS", Origin=origin)
    assert status == 204 and "Authorization" in headers["Access-Control-Allow-Headers"]
    _, _, headers = await get(app, "/v1/voices", Origin="https://evil.example", Authorization=KEY)
    assert "Access-Control-Allow-Origin" not in headers


async def test_not_ready_before_the_engines_are_warm(tmp_path: Path) -> None:
    gate = asyncio.Event()
    engines = scripted()
    quick = engines.transcriber.transcribe

    async def slow(request: Any) -> Any:
        await gate.wait()
        return await quick(request)

    engines.transcriber.transcribe = slow  # type: ignore[method-assign]
    settings = Settings(server=Server(port=0, data_dir=tmp_path))
    app = await App.build(settings, api_key=KEY, engines=engines)
    await app.start()
    try:
        status, body, _ = await get(app, "/readyz")
        assert status == 503 and body["reasons"]
        gate.set()
        await app.warm()
        assert (await get(app, "/readyz"))[0] == 200
    finally:
        await app.stop()


async def test_the_first_start_makes_a_key_and_the_second_does_not(tmp_path: Path) -> None:
    async with running(tmp_path, key=None) as app:
        secret = app.new_key
        assert secret is not None and secret.startswith("sk-selam-")
        assert (await get(app, "/v1/voices", Authorization=secret))[0] == 200
    async with running(tmp_path, key=None) as app:
        assert app.new_key is None
        assert (await get(app, "/v1/voices", Authorization=secret))[0] == 200
    async with running(tmp_path / "other", key=KEY) as app:
        assert app.new_key is None and not KeyStore.open(tmp_path / "other").list()


async def test_a_busy_port_is_a_clear_error(app: App, tmp_path: Path) -> None:
    settings = Settings(server=Server(port=app.port, data_dir=tmp_path))
    second = await App.build(settings, api_key=KEY, engines=scripted())
    with pytest.raises(SettingsError, match=f"server.port: cannot listen on 127.0.0.1:{app.port}"):
        await second.start()
    await second.stop()


async def test_the_page_and_what_it_is_made_of(app: App) -> None:
    status, page, headers = await get(app, "/")
    assert status == 200 and "{{" not in page
    tag = headers["ETag"]
    assert (await get(app, "/", If_None_Match=tag))[0] == 304
    for name, kind in {"app.js": "text/javascript", "style.css": "text/css"}.items():
        status, _, headers = await get(app, f"/page/{name}")
        assert status == 200 and headers["Content-Type"].startswith(kind)
        assert headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/page/../rest.py", "/page/%2e%2e/rest.py", "/page/none.js", "/page/"):
        assert (await get(app, path))[0] in (401, 404)
    _, facts, _ = await get(app, "/page/facts.json")
    english = next(each for each in facts["languages"] if each["code"] == "en")
    assert {each["name"] for each in english["voices"]} == {"aria", "andrew"}  # those that can speak here
    assert "Hello." in english["phrases"][0] and english["texts"]["start"]


async def test_the_synthetic_caller_says_what_the_recogniser_knows(app: App) -> None:
    path = "/v1/say?language=en&text="
    assert (await get(app, path + "Hello."))[0] == 401
    async with aiohttp.ClientSession(headers={"X-API-Key": KEY}) as http:
        async with http.get(f"{app.url}{path}Hello.") as answer:
            assert (answer.status, answer.content_type) == (200, "audio/wav")
            assert (await answer.read()).startswith(b"RIFF")
        async with http.get(f"{app.url}{path}Anything.") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "unknown_phrase")
        for _ in range(60):
            async with http.get(f"{app.url}{path}Hello.") as answer:
                status = answer.status
        assert status == 429 and answer.headers["Retry-After"]


async def test_a_page_without_a_key_asks_with_its_session(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        token = (await client.start())["resume_token"]
        asked = "/v1/say?language=en&text=Hello."
        assert (await get(app, "/v1/voices", Authorization=f"Bearer {token}"))[0] == 401
        async with (
            aiohttp.ClientSession() as http,
            http.get(app.url + asked, headers={"Authorization": f"Bearer {token}"}) as answer,
        ):
            assert answer.status == 200


async def test_the_page_names_a_recogniser_for_each_language(app: App) -> None:
    _, facts, _ = await get(app, "/page/facts.json")
    upgrades = {each["code"]: each["upgrade"] for each in facts["languages"]}
    assert upgrades["en"].startswith("selam-agent models pull whisper-")
    assert all("selam-agent models pull omnilingual" in upgrades[code] for code in ("am", "so", "ti", "om"))
