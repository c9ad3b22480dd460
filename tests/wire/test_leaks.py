"""A server that has talked to many is as it was before: its objects, tasks, timers, files, threads."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selam_agent import events
from selam_agent.app import App
from tests.fakes import silence, speech, talk
from tests.session.calls import TURN, call
from tests.virtual_clock import run
from tests.wire.doors import raw, running

SESSIONS = 6
AUDIO = speech(600) + silence(1000)


def ours() -> Counter[str]:
    """Every live object of the package's classes; not the requests, which scripted engines remember."""
    found = (type(each) for each in gc.get_objects())
    modules = ((str(each.__module__), each.__qualname__) for each in found)
    return Counter(
        name
        for module, name in modules
        if module.startswith("selam_agent.") and module != "selam_agent.ports"
    )


def held() -> Counter[str]:
    """What a server holds besides objects."""
    loop = asyncio.get_running_loop()
    timers = [each for each in loop._scheduled if not each.cancelled()]  # type: ignore[attr-defined]
    files = Path("/proc/self/fd")
    return Counter(
        tasks=len(asyncio.all_tasks()),
        timers=len(timers),
        threads=threading.active_count(),
        files=len(os.listdir(files)) if files.is_dir() else 0,
    )


async def converse(app: App, *, goodbye: bool) -> None:
    """A turn, its answer and an interruption of the next; then the client ends the session, or is gone."""
    async with raw(app) as client:
        await client.join()
        await client.emit("start_session", {"voice": "aria", "language": "en", "output_format": "pcm16"})
        for at in range(0, len(AUDIO), 3_200):
            audio = base64.b64encode(AUDIO[at : at + 3_200]).decode()
            await client.emit("audio_chunk", {"audio": audio})
        while (await client.event())[0] != "audio_end":
            pass
        await client.emit("text_input", {"text": "And then?"})
        while (await client.event())[0] != "audio_chunk":
            pass
        await client.emit("control", {"action": "interrupt"})
        while goodbye and (await client.event())[0] != "control_ack":
            pass
        if goodbye:
            await client.emit("end_session")
            while (await client.event())[0] != "session_ended":
                pass


async def test_sessions_leave_nothing_behind(tmp_path: Path) -> None:
    settings = {"turns": {"resume_s": 0.05, "cancel_budget_s": 0.2, "unknown_ms": 400}}
    # A pool makes threads until it has enough of them.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with running(tmp_path, sections=settings) as app:

        async def settled() -> None:
            while app.registry.sessions or app._door.connections or app._sio.eio.websockets:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            # The time that a cancelled reply is given.
            await asyncio.sleep(0.25)
            gc.collect()

        def leaked() -> dict[str, int]:
            """Something new that is there once is no leak."""
            gc.collect()
            more = held()
            more.subtract(others)
            return {name: by for name, by in ((ours() - objects) + more).items() if by >= SESSIONS // 2}

        async with asyncio.timeout(30):
            # What is made once and kept: caches, phrases.
            await asyncio.gather(*(converse(app, goodbye=each) for each in (True, False)))
            await settled()
            objects, others = ours(), held()
            await asyncio.gather(*(converse(app, goodbye=bool(each % 2)) for each in range(SESSIONS)))
            await settled()
        for _ in range(20):
            if not leaked():
                break
            await asyncio.sleep(0.1)
        assert not leaked()


def test_a_session_is_free_when_it_is_over() -> None:
    """Without the garbage collector, which seldom looks at what is as old as a call: half a megabyte each."""
    left: list[Counter[str]] = []

    async def story() -> None:
        async with call() as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 3)
            it.session.control("interrupt")
            await it.until(events.AudioEnd)
        await asyncio.sleep(3)

    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            run(story())
            left.append(ours())
    finally:
        gc.enable()
    assert not left[1] - left[0]


@pytest.mark.parametrize("interrupted", [False, True])
def test_the_audio_of_a_reply_is_free_when_it_is_over(interrupted: bool) -> None:
    """Without the garbage collector, which takes its time."""

    async def story() -> None:
        async with call() as it:
            await talk(it.session, TURN)
            if interrupted:
                await it.until(events.AudioChunk, 3)
                it.session.control("interrupt")
            await it.until(events.AudioEnd)
            # An interrupted one is looked after until its budget is over; what was sent may still be heard.
            await talk(it.session, silence(3000))
            left = ours() - before
            assert not [name for name in ("Reply", "Playout", "Voicing", "EncodedChunk") if left[name]]

    gc.collect()
    before = ours()
    gc.disable()
    try:
        run(story())
    finally:
        gc.enable()
