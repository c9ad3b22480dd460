"""The private server: up, offline, and gone with its program."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
import pytest

from selam_agent.client import SelamClient
from selam_agent.programs.local_server import ServerFailed, local_server

ROOT = Path(__file__).parents[2]
SCRIPTED = {"SELAM_STT__ENGINE": "import:tests.programs.scripted_stt:factory", "PYTHONPATH": str(ROOT)}


async def test_it_serves_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # The user's own settings do not reach it.
    monkeypatch.setenv("SELAM_TURNS__NO_SUCH", "1")
    before = children()
    async with local_server(environment=SCRIPTED) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.engines.startswith("Built-in command recogniser: ")
        async with SelamClient(server.url, api_key=server.api_key, voice="mekdes") as client:
            session = await client.start_session(language="am", output_format="pcm16")
            assert session.engines["stt"]["name"] == "nothing"
            await client.end_session()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            await http.get(server.url + "/healthz")
    assert children() <= before


async def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(ServerFailed, match=r"did you mean 'turns.silence_ms'"):
        async with local_server(environment={"SELAM_TURNS__SILENCE": "1"}):
            pass


def children() -> set[str]:
    """Processes started by this one and theirs, as Linux lists them."""
    found: set[str] = set()
    waiting = [str(os.getpid())]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            new = set(task.read_text().split())
            found |= new
            waiting += new
    return found
