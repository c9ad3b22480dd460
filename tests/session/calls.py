"""A session on the virtual clock with its scripted engines, for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from selam_agent import events
from selam_agent.languages import packs
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.parts import Watch
from selam_agent.session.registry import Registry
from selam_agent.session.session import Session
from selam_agent.settings import Settings
from selam_agent.settings_file import load
from tests.fakes import (
    FakeChatModel,
    FakeSynthesizer,
    FakeTranscriber,
    FakeTranslator,
    Recorder,
    friday,
    silence,
    speech,
)

PACKS = packs.load()
TURN = speech(600) + silence(1000)
LONG = "one two three four five six seven eight nine ten eleven twelve."


@dataclass
class Call:
    """One session with its engines and everything it said."""

    stt: FakeTranscriber
    llm: FakeChatModel
    tts: FakeSynthesizer
    outlet: Recorder = field(default_factory=Recorder)
    session: Session = field(init=False)
    registry: Registry = field(init=False)

    async def until(self, kind: type[events.Event], count: int = 1, within: float = 60) -> None:
        async with asyncio.timeout(within):
            while len(self.outlet.all(kind)) < count:
                await self.outlet.next()


@asynccontextmanager
async def call(
    *said: Any,
    stt: FakeTranscriber | None = None,
    llm: FakeChatModel | None = None,
    tts: FakeSynthesizer | None = None,
    translator: FakeTranslator | None = None,
    only: dict[str, FakeSynthesizer] | None = None,
    watch: Watch | None = None,
    edge: FakeSynthesizer | None = None,
    **wishes: Any,
) -> AsyncIterator[Call]:
    settings: Settings = load(environ={}, **wishes.pop("settings", {}))
    made = Call(
        stt or FakeTranscriber(list(said) or ["Hello."]), llm or FakeChatModel(), tts or FakeSynthesizer()
    )
    voices = only or {"espeak": made.tts} | ({"edge": edge} if edge is not None else {})
    engines = Engines(transcriber=made.stt, chat_model=made.llm, synthesizers=voices, translator=translator)
    made.registry = Registry(engines=engines, packs=PACKS, settings=settings, now=friday, watch=watch)
    config = SessionConfig(**({"voice": "aria", "output_format": "pcm16", "playback": "buffered"} | wishes))
    made.session = made.registry.open(config, made.outlet, owner="key")
    try:
        yield made
    finally:
        await made.registry.aclose()
        leftover = asyncio.all_tasks() - {asyncio.current_task()}
        assert not leftover, f"tasks left behind: {leftover}"
