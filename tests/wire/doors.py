"""A running server with scripted engines, and two clients for it: a proper one and a raw one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import socketio

from selam_agent.app import App
from selam_agent.ports import Transcript, TranscriptionRequest
from selam_agent.session.config import Engines
from selam_agent.settings import Server, Settings
from selam_agent.wire.limits import Limits
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber

KEY = "sk-selam-for-tests"
NAMESPACE = "/v1/audio/agent"
# Which loop the servers of these tests run; ``conftest.py`` turns it.
FAST_PATH = True
# On a starved machine a client may take long to join: only what tests the limit hurries it.
USUAL = Limits(refused_s=0.4)
FAST = Limits(unaccepted_s=1.0, refused_s=0.4)
# How long a client waits for what must come: only a failure, or a starved machine, takes so long.
PATIENCE_S = 20.0


class SteadyTranscriber(FakeTranscriber):
    """Hears the same each time, however often it is asked: warming, speculation and turns differ."""

    def __init__(self, text: str) -> None:
        super().__init__([], delay=0.01)
        self.text = text

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        self.script = [self.text]
        return await super().transcribe(request)


def scripted(**changes: Any) -> Engines:
    parts: dict[str, Any] = {
        "transcriber": SteadyTranscriber("hello there"),
        "chat_model": FakeChatModel("Good day to you.", delay=0.01),
        "synthesizers": {"espeak": FakeSynthesizer(delay=0.01, ms_per_word=100)},
    }
    return Engines(**{**parts, **changes})


@asynccontextmanager
async def running(
    data_dir: Path,
    *,
    limits: Limits = USUAL,
    engines: Engines | None = None,
    key: str | None = KEY,
    sections: dict[str, Any] | None = None,
    **server: Any,
) -> AsyncIterator[App]:
    """``sections``: of the settings, besides the server's."""
    server.setdefault("fast_path", FAST_PATH)
    settings = Settings(server=Server(port=0, data_dir=data_dir, **server), **(sections or {}))
    app = await App.build(settings, api_key=key, engines=engines or scripted(), limits=limits)
    await app.start()
    try:
        await app.warm()
        yield app
    finally:
        await app.stop()


class Client:
    """python-socketio's client, with every event in ``events``."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.sio = socketio.AsyncClient(reconnection=False)
        self.events: list[tuple[str, Any]] = []
        self.disconnected = asyncio.Event()
        self._arrived = asyncio.Condition()
        self.sio.on("*", self._on_event, namespace=NAMESPACE)
        self.sio.on("disconnect", self._on_disconnect, namespace=NAMESPACE)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sio.disconnect()

    async def connect(self, auth: Any = None, query: str = "", **options: Any) -> None:
        options.setdefault("transports", ["websocket"])
        await self.sio.connect(
            f"{self.app.url}/?{query}", auth=auth, namespaces=[NAMESPACE], wait_timeout=PATIENCE_S, **options
        )

    async def greet(self, voice: str = "aria", **options: Any) -> Client:
        await self.connect({"api_key": KEY, "voice": voice}, **options)
        await self.wait("connected")
        return self

    async def start(self, **wishes: Any) -> Any:
        await self.emit("start_session", {"voice": "aria", "language": "en", **wishes})
        return await self.wait("session_started")

    async def emit(self, name: str, *args: Any) -> None:
        await self.sio.emit(name, args or None, namespace=NAMESPACE)

    async def wait(self, name: str, count: int = 1, within: float = PATIENCE_S) -> Any:
        """The payload of the ``count``-th event of that name, now or later."""
        try:
            async with asyncio.timeout(within), self._arrived:
                await self._arrived.wait_for(lambda: len(self.all(name)) >= count)
        except TimeoutError:
            raise AssertionError(f"no {name} #{count}; there were {self.names()}") from None
        return self.all(name)[count - 1]

    def all(self, name: str) -> list[Any]:
        return [data for each, data in self.events if each == name]

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    async def _on_event(self, name: str, *args: Any) -> None:
        self.events.append((name, args[0] if len(args) == 1 else args))
        async with self._arrived:
            self._arrived.notify_all()

    async def _on_disconnect(self, *_: object) -> None:
        self.disconnected.set()


class Raw:
    """Engine.IO frames over a WebSocket, for what a proper client never sends."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def join(self, voice: str = "aria", key: str = KEY) -> Any:
        """Joins the namespace; returns ``connected`` or ``error`` with its payload."""
        await self.socket.send_str(f"40{NAMESPACE}," + json.dumps({"api_key": key, "voice": voice}))
        return await self.event()

    async def emit(self, *data: Any) -> None:
        await self.socket.send_str(f"42{NAMESPACE}," + json.dumps(list(data)))

    async def event(self, within: float = PATIENCE_S) -> tuple[str, Any]:
        """The next event; answers pings on the way."""
        while True:
            text = await self.frame(within)
            if text.startswith(f"42{NAMESPACE},"):
                name, *rest = json.loads(text.partition(",")[2])
                return name, rest[0] if rest else None

    async def frame(self, within: float = PATIENCE_S) -> str:
        while True:
            message = await asyncio.wait_for(self.socket.receive(), within)
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise ConnectionError(f"closed: {message.type.name}")
            if message.data == "2":
                await self.socket.send_str("3")
            else:
                return str(message.data)

    async def closed_after(self, within: float = PATIENCE_S) -> float:
        """Seconds until the server has closed the connection."""
        begun = time.monotonic()
        while True:
            try:
                await self.frame(within)
            except ConnectionError:
                return time.monotonic() - begun


@asynccontextmanager
async def raw(app: App, query: str = "", **options: Any) -> AsyncIterator[Raw]:
    url = f"{app.url}/socket.io/?EIO=4&transport=websocket&{query}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, **options) as socket:
        opened = await socket.receive_str()
        assert opened.startswith("0{"), opened
        yield Raw(socket)
