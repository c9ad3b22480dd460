"""The AssemblyAI door on the virtual clock: real door, session and turn-taking; no socket below it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from selam_agent.metrics import Metrics
from selam_agent.session.config import Engines
from selam_agent.session.registry import Registry, new_session_id
from selam_agent.settings_file import load
from selam_agent.store import Key, KeyStore, Tier
from selam_agent.wire.assemblyai.connection import Connection
from selam_agent.wire.assemblyai.door import AssemblyAIDoor, FindAgent
from selam_agent.wire.limits import Limits
from selam_agent.wire.tokens import Identity, TemporaryTokens
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber, friday
from tests.session.calls import PACKS

KEY = Key(id="key_one", name="", tier=Tier.OWNER, created=datetime.now(UTC))
OTHER = Key(id="key_two", name="", tier=Tier.OWNER, created=datetime.now(UTC))


@dataclass
class Wire:
    """What would have been sent: every frame with its time, and the close code."""

    frames: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    code: int | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def closing(self) -> bool:
        return self.code is not None

    def put(self, frame: dict[str, Any], *, size: int = 0, audio_ms: float = 0.0) -> None:
        if self.code is None:
            self.frames.append((asyncio.get_running_loop().time(), frame))
            self._news.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.code = self.code or code
        self._news.set()

    def abort(self) -> None:
        self.close(1006)

    async def closed(self, within_s: float) -> None:
        self.abort()

    async def news(self) -> None:
        self._news.clear()
        await self._news.wait()


class Line:
    """One connection, with what came over it."""

    def __init__(self, door: AssemblyAIDoor, key: Key, *, legacy: bool = False, **identity: Any) -> None:
        self.wire = Wire()
        who = Identity(key=key, **identity)
        self.connection = Connection(door, self.wire, who, new_session_id(), legacy=legacy)  # type: ignore[arg-type]

    async def send(self, type: str, **fields: Any) -> None:
        await self.connection.receive(json.dumps({"type": type, **fields}))

    async def start(self, **session: Any) -> dict[str, Any]:
        """Sends the first update; returns ``session.ready``."""
        await self.send("session.update", session=session)
        return await self.wait("session.ready")

    async def say(self, pcm16k: bytes, packet_ms: int = 50) -> None:
        """Speaks in real time: s16le at 16 kHz, sent at 24 kHz."""
        pcm = np.repeat(np.frombuffer(pcm16k, np.int16), 3)[::2].tobytes()
        for at in range(0, len(pcm), 48 * packet_ms):
            await asyncio.sleep(packet_ms / 1000)
            await self.hear(pcm[at : at + 48 * packet_ms])

    async def hear(self, audio: bytes) -> None:
        await self.send("input.audio", audio=base64.b64encode(audio).decode())

    async def wait(self, type: str, count: int = 1, within: float = 60) -> dict[str, Any]:
        """The ``count``-th frame of that type, now or later."""
        try:
            async with asyncio.timeout(within):
                while len(self.all(type)) < count:
                    await self.wire.news()
        except TimeoutError:
            raise AssertionError(f"no {type} #{count}; there were {self.types()}") from None
        return self.all(type)[count - 1]

    async def closed(self, within: float = 60) -> int:
        """The close code."""
        async with asyncio.timeout(within):
            while self.wire.code is None:
                await self.wire.news()
        return self.wire.code

    def all(self, type: str) -> list[dict[str, Any]]:
        return [frame for _, frame in self.wire.frames if frame["type"] == type]

    def types(self) -> list[str]:
        """Types in order; runs of audio and words are one."""
        names: list[str] = []
        for _, frame in self.wire.frames:
            name = frame["type"]
            run = name in ("reply.audio", "transcript.agent.delta", "transcript.user.delta")
            if not (run and name in names[-2:]):
                names.append(name)
        return names


@dataclass
class House:
    """A door with its scripted engines."""

    door: AssemblyAIDoor
    registry: Registry
    stt: FakeTranscriber
    llm: FakeChatModel
    tts: FakeSynthesizer

    def line(self, key: Key = KEY, **options: Any) -> Line:
        return Line(self.door, key, **options)


@asynccontextmanager
async def house(
    *said: Any,
    stt: FakeTranscriber | None = None,
    llm: FakeChatModel | None = None,
    tts: FakeSynthesizer | None = None,
    find_agent: FindAgent | None = None,
    **settings: Any,
) -> AsyncIterator[House]:
    loaded = load(environ={}, **settings)
    stt = stt or FakeTranscriber(list(said), otherwise="Hello.")
    llm, tts = llm or FakeChatModel(), tts or FakeSynthesizer()
    engines = Engines(transcriber=stt, chat_model=llm, synthesizers={"espeak": tts})
    registry = Registry(engines=engines, packs=PACKS, settings=loaded, now=friday)
    door = AssemblyAIDoor(
        registry=registry,
        packs=PACKS,
        keys=KeyStore(Path("none")),
        tokens=TemporaryTokens(lambda key: True),
        turns=loaded.turns,
        limits=Limits(),
        metrics=Metrics(),
        find_agent=find_agent,
    )
    try:
        yield House(door, registry, stt, llm, tts)
    finally:
        await registry.aclose()
        leftover = asyncio.all_tasks() - {asyncio.current_task()}
        assert not leftover, f"tasks left behind: {leftover}"
