"""What is kept of a session: its decisions, their tape, its audio; and that it is erased again."""

from __future__ import annotations

import asyncio
import io
import json
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from selam_agent.app import App
from selam_agent.client import AudioEnd, SelamClient
from selam_agent.dialogue.decisions import TurnSettings
from selam_agent.dialogue.replay import replay
from selam_agent.events import Event
from selam_agent.events_signals import Taped
from selam_agent.programs import replay as program
from selam_agent.records_rows import Rows
from selam_agent.session.taping import Taping
from selam_agent.store import Tier
from selam_agent.store_files import RecordFiles
from tests.speech import spoken
from tests.wire.doors import KEY, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    async with running(tmp_path_factory.mktemp("kept"), sections={"records": {"keep": "audio"}}) as app:
        yield app


async def get(app: App, path: str, *, key: str = KEY, method: str = "GET") -> tuple[int, bytes]:
    url = path if path.startswith("http") else app.url + path
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, headers={"Authorization": key}) as response,
    ):
        return response.status, await response.read()


async def get_json(app: App, path: str, **more: Any) -> Any:
    return json.loads((await get(app, path, **more))[1])


async def a_call(app: App, during: Any = None) -> str:
    """One turn and its answer; returns the session's id."""
    async with SelamClient(app.url, api_key=KEY, voice="aria") as client:
        session = await client.start_session(language="en", output_format="pcm16")
        await client.send_audio(spoken("Good morning to you.") + bytes(48_000))
        async for event in client.events():
            if isinstance(event, AudioEnd):
                break
        if during is not None:
            await during(session.session_id)
        await client.end_session()
    await app._doors._files.flush()
    await app._doors._stored.flush()
    return session.session_id


async def test_why_it_waited_is_told_during_the_call_and_afterwards(app: App) -> None:
    live: list[Any] = []

    async def look(session_id: str) -> None:
        live.append(await get_json(app, f"/v1/sessions/{session_id}/events"))

    session_id = await a_call(app, look)
    after = await get_json(app, f"/v1/sessions/{session_id}/events")
    decided = [each["decision"] for each in after["events"] if each["type"] == "decision"]
    assert decided[0] == "speech_started" and {"speculate", "commit"} <= set(decided)
    assert [each for each in after["events"] if each["type"] == "turn_metrics"]
    assert after["events"][: len(live[0]["events"])] == live[0]["events"] != []


async def test_nobody_else_reads_it(app: App) -> None:
    session_id = await a_call(app)
    other = app.keys.create(Tier.OWNER, "somebody else")[1]
    for path in ("", "/events"):
        assert (await get(app, f"/v1/sessions/{session_id}{path}", key=other))[0] == 404
    assert (await get(app, f"/v1/sessions/{session_id}", key=other, method="DELETE"))[0] == 404


async def test_the_tape_replays_and_the_audio_has_both_sides(app: App, tmp_path: Path) -> None:
    record = await get_json(app, f"/v1/sessions/{await a_call(app)}")
    links = {each["type"]: each["url"] for each in record["artifacts"]}
    assert set(links) == {"timeline", "metadata", "tape", "audio"}
    tape = tmp_path / "session.tape"
    tape.write_bytes((await get(app, links["tape"]))[1])
    assert program.run(tape, [], as_json=True) == 0
    status, data = await get(app, links["audio"])
    with wave.open(io.BytesIO(data)) as file:
        assert (status, file.getframerate(), file.getnchannels()) == (200, 16_000, 2)
        both = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert both[:, 0].any() and both[:, 1].any()
    changed = links["tape"].replace("signature=", "signature=0")
    assert (await get(app, changed))[0] == 401


async def test_deleting_erases_the_files_too(app: App) -> None:
    session_id = await a_call(app)
    folder = app.settings.server.data_dir / "records"
    assert sorted(path.suffix for path in folder.glob(f"{session_id}*")) == [".tape", ".wav"]
    assert (await get(app, f"/v1/sessions/{session_id}", method="DELETE"))[0] == 204
    assert not list(folder.glob(f"{session_id}*"))
    assert (await get(app, f"/v1/sessions/{session_id}/events"))[0] == 404


async def test_old_records_expire(app: App) -> None:
    session_id = await a_call(app)
    doors = app._doors
    record = await doors._stored.get("key_environment", session_id)
    assert record is not None
    doors._stored.put(replace(record, created=time.time() - 31 * 86_400))
    await doors._stored.flush()
    await doors._records.expire()
    assert await doors._stored.get("key_environment", session_id) is None
    assert not doors._files.kinds(session_id)


async def test_a_piece_that_cannot_be_written_does_not_stop_the_next(tmp_path: Path) -> None:
    files = RecordFiles(tmp_path)
    files.start()
    files.put(lambda: 1 // 0)
    files.add_tape("sess_1", b"tape")
    async with asyncio.timeout(10):
        await files.flush()
    assert files.kinds("sess_1") == ["tape"]
    await files.aclose()


async def test_a_tape_comes_in_pieces_that_are_whole_lines_and_one_after_the_other(tmp_path: Path) -> None:
    pieces: list[bytes] = []

    def take(event: Event) -> None:
        assert isinstance(event, Taped)
        pieces.append(event.tape)

    taping = Taping("metadata", take)
    turns = taping.turn_taker(TurnSettings())
    for number in range(5_000):
        turns.frame(number % 100 < 40, number * 20.0)
    taping.close(turns)
    assert len(pieces) > 3 and max(map(len, pieces)) < 20_000
    files = RecordFiles(tmp_path)
    files.start()
    for piece in pieces:
        assert json.loads(piece.splitlines()[0]) and piece.endswith(b"\n")
        files.add_tape("sess_1", piece)
    await files.flush()
    await files.aclose()
    entries = [json.loads(line) for line in (tmp_path / "sess_1.tape").read_bytes().splitlines()]
    again = replay(entries)
    assert again.recorded == again.now and len(again.now) > 50


async def test_rows_are_kept_small_and_come_back_as_they_were() -> None:
    rows = Rows()
    given = [{"at_ms": number, "reason": "so 😀", "parts": [0.5, None]} for number in range(3_000)]
    for row in given:
        rows.append(row)
    assert (len(rows), rows.all()) == (3_000, given)
    assert sum(map(len, rows._blocks)) + len(rows._open) < 60_000


async def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path) -> None:
    async with running(tmp_path, sections={"records": {"keep": "none"}}) as app:
        session_id = await a_call(app)
        assert (await get(app, f"/v1/sessions/{session_id}/events"))[0] == 404
        assert not (tmp_path / "records").exists()


async def test_metadata_holds_no_word_and_no_sound(tmp_path: Path) -> None:
    async with running(tmp_path) as app:
        session_id = await a_call(app)
        kept = "".join(
            [
                str(await get_json(app, f"/v1/sessions/{session_id}")),
                str(await get_json(app, f"/v1/sessions/{session_id}/events")),
                (tmp_path / "records" / f"{session_id}.tape").read_text(),
            ]
        )
        assert "hello" not in kept and "Good day" not in kept
        assert not (tmp_path / "records" / f"{session_id}.wav").exists()
