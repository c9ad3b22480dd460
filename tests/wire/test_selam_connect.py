"""Connecting to the SelamGPT namespace, and being refused."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
import socketio

from selam_agent.app import App
from selam_agent.store import KeyStore, Tier
from selam_agent.wire.limits import Limits
from tests.wire.doors import KEY, NAMESPACE, Client, raw, running


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
async def test_key_and_voice_in_the_auth_object(app: App, transports: list[str]) -> None:
    async with Client(app) as client:
        await client.greet(transports=transports)
        data = client.all("connected")[0]
        assert data["status"] == "connected" and data["voice"] == "aria" and data["message"]
        assert data["sid"] == client.sio.get_sid(NAMESPACE)
        begun = time.monotonic()
        await client.sio.disconnect()
        assert time.monotonic() - begun < 8  # no poll is left waiting


async def test_key_and_voice_in_the_query(app: App) -> None:
    async with Client(app) as client:
        await client.connect(query=f"api_key={KEY}&voice=mekdes&token=ignored")
        assert (await client.wait("connected"))["voice"] == "mekdes"


async def test_key_in_a_header(app: App) -> None:
    async with Client(app) as client:
        await client.connect(query="voice=mekdes", headers={"Authorization": f"Bearer {KEY}"})
        await client.wait("connected")


@pytest.mark.parametrize(
    ("auth", "type_", "code"),
    [
        ({"voice": "aria"}, "authentication_error", "missing_api_key"),
        ({"api_key": "sk-selam-wrong", "voice": "aria"}, "authentication_error", "invalid_api_key"),
        ({"api_key": KEY, "voice": "nobody"}, "validation_error", "unknown_voice"),
        ({"api_key": KEY}, "validation_error", "missing_voice"),
        ({"api_key": [KEY], "voice": {}}, "authentication_error", "missing_api_key"),
    ],
)
async def test_refusal_reaches_the_error_handler(app: App, auth: object, type_: str, code: str) -> None:
    async with Client(app) as client:
        await client.connect(auth)
        error = await client.wait("error")
        assert (error["type"], error["code"], error["retryable"]) == (type_, code, False)
        assert error["error"] == {key: error[key] for key in ("message", "type", "code")}
        await asyncio.wait_for(client.disconnected.wait(), 2)
        assert client.names() == ["error"]
        if code.endswith("_voice"):
            assert "mekdes" in error["details"]["voices"] and "mekdes" in error["message"]


@pytest.mark.parametrize("transports", [["polling"], ["polling", "websocket"]])
async def test_refusal_over_polling(app: App, transports: list[str]) -> None:
    async with Client(app) as client:
        await client.connect({"api_key": "wrong", "voice": "aria"}, transports=transports)
        assert (await client.wait("error"))["type"] == "authentication_error"
        await asyncio.wait_for(client.disconnected.wait(), 3)


async def test_a_key_below_owner_is_not_authorised(tmp_path: Path) -> None:
    _, secret = KeyStore.open(tmp_path).create(Tier.PRO, "a friend")
    async with running(tmp_path) as app, Client(app) as client:
        await client.connect({"api_key": secret, "voice": "aria"})
        error = await client.wait("error")
        assert (error["type"], error["details"]["required"]) == ("authorization_error", "OWNER")


async def test_a_refused_socket_is_really_closed(app: App) -> None:
    async with raw(app) as socket:
        name, error = await socket.join(key="wrong")
        assert (name, error["type"]) == ("error", "authentication_error")
        with suppress(ConnectionResetError):  # a slow client comes too late for it
            await socket.emit("start_session", {"voice": "aria"})
        assert await socket.closed_after() < 5
    assert not app._door.connections


async def test_a_socket_without_the_namespace_is_closed(hurried: App) -> None:
    async with raw(hurried) as idle, raw(hurried) as elsewhere:
        await elsewhere.socket.send_str("40")
        assert (await elsewhere.frame()).startswith("44")
        assert await idle.closed_after() < 5
        assert await elsewhere.closed_after() < 5


async def test_a_polling_socket_without_the_namespace_is_closed(hurried: App) -> None:
    url = f"{hurried.url}/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as http:
        opened = json.loads((await (await http.get(url)).text())[1:])
        await asyncio.sleep(1.6)
        assert (await http.get(f"{url}&sid={opened['sid']}")).status == 400
    assert not hurried._door._waiting


async def test_leaving_the_namespace_starts_the_clock_again(hurried: App) -> None:
    async with raw(hurried) as socket:
        assert (await socket.join())[0] == "connected"
        await socket.socket.send_str(f"41{NAMESPACE},")
        assert await socket.closed_after() < 5


async def test_an_accepted_socket_stays(hurried: App) -> None:
    async with raw(hurried) as socket:
        await socket.join()
        await asyncio.sleep(1.5)
        await socket.emit("control", {"action": "interrupt"})
        assert (await socket.event())[1]["code"] == "no_session"


async def test_sockets_without_a_key_are_capped(tmp_path: Path) -> None:
    limits = Limits(unauthenticated_sockets=2, unaccepted_s=5, refused_s=0.4)
    async with running(tmp_path, limits=limits) as app, raw(app) as first, raw(app):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with raw(app):
                pass
        assert refusal.value.status == 401
        await first.join()  # an accepted socket makes room
        async with raw(app):
            pass


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        (None, True),
        ("null", True),
        ("http://localhost:3000", True),
        ("https://127.0.0.1:9", True),
        ("http://[::1]:5173", True),
        ("https://partner.example", True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://[bad", False),
    ],
)
async def test_origins(
    tmp_path: Path, origin: str | None, admitted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, cors_origins=["https://partner.example"]) as app:
        headers = {"Origin": origin} if origin else {}
        if admitted:
            async with raw(app, headers=headers) as socket:
                assert (await socket.join())[0] == "connected"
            return
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with raw(app, headers=headers):
                pass
        assert refusal.value.status == 403
        assert "server.cors_origins" in caplog.text


async def test_same_origin_and_star(tmp_path: Path) -> None:
    anyone = {"Origin": "https://anyone.example"}
    async with running(tmp_path, cors_origins=["*"]) as app, raw(app, headers=anyone) as socket:
        assert (await socket.join())[0] == "connected"
    same = {"Origin": "https://voice.example", "Host": "voice.example"}
    async with running(tmp_path) as app, raw(app, headers=same) as socket:
        assert (await socket.join())[0] == "connected"


async def test_audio_connections_are_not_compressed(app: App) -> None:
    async with raw(app, compress=15) as socket:
        assert not socket.socket.compress


async def test_secrets_stay_out_of_the_logs(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="selam_agent")
    caplog.set_level(logging.DEBUG, logger="aiohttp")
    for name in ("selam_agent.socketio", "selam_agent.engineio"):
        caplog.set_level(logging.DEBUG, logger=name)
    async with Client(app) as client:
        await client.connect(
            {"api_key": "sk-selam-in-auth"},
            query="api_key=in-query&session_token=tok-1&token=tok-2&voice=aria",
        )
        await client.wait("error")
    await asyncio.sleep(0.1)
    async with aiohttp.ClientSession() as http:
        await http.get(f"{app.url}/v1/voices?token=tok-3")
    assert "voice=aria" in caplog.text
    for secret in ("in-query", "in-auth", "tok-1", "tok-2", "tok-3"):
        assert secret not in caplog.text


async def test_a_second_join_of_the_same_socket_changes_nothing(app: App) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.socket.send_str(f"40{NAMESPACE}," + '{"api_key":"wrong"}')
        await socket.emit("control", {"action": "interrupt"})
        assert (await socket.event())[1]["code"] == "no_session"


async def test_two_namespaces_are_not_open(app: App) -> None:
    client = socketio.AsyncClient(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(app.url, namespaces=["/admin"], transports=["websocket"], wait_timeout=2)
    await client.disconnect()
