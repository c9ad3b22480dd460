"""SIGTERM to the real process: the first lets the turn end, the second does not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from selam_agent.client import AudioEnd, SelamClient, SessionEnded

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    command = [sys.executable, "-m", "selam_agent.cli", "serve", "--port", "0", "--offline", "--announce"]
    env = os.environ | {"SELAM_API_KEY": "sk-selam-test", "SELAM_SERVER__DATA_DIR": str(home)}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=home, env=env
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            ready = json.loads(await process.stdout.readline())
        yield process, ready["url"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("signals", [1, 2])
async def test_a_signal_ends_the_server_after_the_turn_and_a_second_at_once(
    tmp_path: Path, signals: int
) -> None:
    async with (
        serving(tmp_path) as (process, url),
        SelamClient(url, api_key="sk-selam-test", voice="aria") as client,
    ):
        await client.start_session(language="en", output_format="pcm16", playback="buffered")
        await client.send_text("thank you")
        ends: list[AudioEnd | SessionEnded] = []
        async with asyncio.timeout(30):
            signalled = False
            async for event in client.events():
                if event.name == "audio_chunk" and not signalled:
                    signalled = True
                    for _ in range(signals):
                        process.send_signal(signal.SIGTERM)
                        await asyncio.sleep(0.05)
                if isinstance(event, AudioEnd | SessionEnded):
                    ends.append(event)
                if isinstance(event, SessionEnded):
                    break
            assert await process.wait() == 0
        said, ended = ends
        assert isinstance(said, AudioEnd) and said.interrupted is (signals == 2)
        assert isinstance(ended, SessionEnded) and ended.reason == "shutdown"
