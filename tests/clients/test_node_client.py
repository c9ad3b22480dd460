"""The documented client, unmodified but for its URL, with socket.io-client in Node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from selam_agent.app import App
from tests.clients.tools import CHUNKS, HERE, need_node
from tests.fakes import FakeChatModel, FakeSynthesizer
from tests.wire.doors import KEY, SteadyTranscriber, running, scripted

STORY = "I am well, thank you for asking me. It is eleven in the morning. " * 3


async def run(app: App, *args: str) -> list[tuple[str, Any]]:
    """The client's events in order."""
    process = await asyncio.create_subprocess_exec(
        need_node(),
        str(HERE / "documented_client.mjs"),
        app.url,
        *args,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, (err.decode()[-2000:], out.decode()[-2000:])
    return [(each["event"], each["data"]) for each in map(json.loads, out.decode().splitlines())]


async def test_the_documented_client_holds_a_conversation(tmp_path: Path) -> None:
    need_node()
    engines = scripted(
        transcriber=SteadyTranscriber("what time is it?"),
        chat_model=FakeChatModel(STORY, delay=0.01),
        synthesizers={"espeak": FakeSynthesizer(delay=0.01, ms_per_word=60)},
    )
    async with running(tmp_path, engines=engines) as app:
        events = await run(app, KEY, str(CHUNKS))
    names = [name for name, _ in events]
    assert names[:2] == ["connected", "session_started"]
    assert "error" not in names and events[-1] == ("disconnect", "io client disconnect")
    said = [data["text"] for name, data in events if name == "transcription" and data["is_final"]]
    assert said == ["what time is it?"] * 2
    chunks = [data for name, data in events if name == "audio_chunk"]
    assert {each["format"] for each in chunks} == {"mp3"}
    first, second = (data for name, data in events if name == "audio_end")
    replies = [[each for each in chunks if each["reply_id"] == end["reply_id"]] for end in (first, second)]
    assert [len(each) for each in replies] == [first["total_chunks"], second["total_chunks"]]
    assert not first["interrupted"] and second["interrupted"]
    assert len(second["spoken_text"]) < len(STORY) / 2
    assert names.index("transcription") < names.index("response") < names.index("audio_end")
    assert [data["action"] for name, data in events if name == "control_ack"] == ["interrupt"] * 3


async def test_a_refused_client_hears_why_and_stays_away(tmp_path: Path) -> None:
    need_node()
    async with running(tmp_path) as app:
        events = await run(app, "sk-selam-wrong")
    assert [name for name, _ in events] == ["error", "disconnect", "bye"]
    assert events[0][1]["type"] == "authentication_error"
    assert events[1][1] == "io server disconnect"
