"""The documented browser client in Chromium, with a fake microphone, from a page of another port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from selam_agent.app import App
from selam_agent.engines.tts_espeak import EspeakSynthesizer
from selam_agent.ports import SynthesisRequest
from tests.clients.tools import CLIENT_JS, HERE, need_chromium, need_node
from tests.fakes import FakeChatModel
from tests.wire.doors import KEY, SteadyTranscriber, running, scripted

ANSWER = (
    "I am well, thank you for asking me. It is eleven o'clock in the morning. "
    "You can also ask me for the date of today, or say goodbye when you are done."
)
# How far from its due time a chunk may begin to play in the browser.
TOLERANCE_MS = 150
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


async def speak(engine: EspeakSynthesizer, text: str, file: Path) -> None:
    """A caller's question as a WAV: half a second of quiet, the words, a second of quiet."""
    request = SynthesisRequest(text=text, language="en", voice={"engine": "espeak", "voice": "en-us"})
    pcm, rate = b"", 22_050
    async for chunk in engine.synthesize(request):
        pcm, rate = pcm + chunk.pcm, chunk.sample_rate
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(rate) + pcm + bytes(2 * rate))


async def browse(app: App, microphone: Path, profile: Path) -> list[dict[str, Any]]:
    """Serves the page on its own port, lets Chromium run it, and returns what it wrote down."""
    need_node()
    chromium = need_chromium()
    record: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(HERE / "page.html")

    async def script(_: web.Request) -> web.FileResponse:
        return web.FileResponse(CLIENT_JS)

    async def take(request: web.Request) -> web.Response:
        record.set_result(await request.json())
        return web.Response()

    site_app = web.Application(client_max_size=4 << 20)
    site_app.add_routes([web.get("/", page), web.get("/socket.io.js", script), web.post("/record", take)])
    runner = web.AppRunner(site_app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    process = await asyncio.create_subprocess_exec(
        chromium,
        *FLAGS,
        f"--user-data-dir={profile}",
        f"--use-file-for-fake-audio-capture={microphone}",
        f"http://127.0.0.1:{port}/?{urlencode({'server': app.url, 'key': KEY})}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return await asyncio.wait_for(record, 75)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await runner.cleanup()


def lateness(record: list[dict[str, Any]], reply_id: str) -> list[float]:
    """Ms by which each chunk of a reply began to play after the end of the one before."""
    mine = {each["data"]["index"] for each in record if each["event"] == "audio_chunk"
            and each["data"]["reply_id"] == reply_id}  # fmt: skip
    plays = [each for each in record if each["event"] == "playing" and each["data"]["index"] in mine]
    plays = plays[: len(mine)]
    return [
        later["t_ms"] - (earlier["t_ms"] + 1000 * earlier["data"]["duration"])
        for earlier, later in pairwise(plays)
    ]


async def test_press_talk_release_answer_press(tmp_path: Path) -> None:
    need_chromium()
    espeak = EspeakSynthesizer(tmp_path / "espeak")
    microphone = tmp_path / "microphone.wav"
    await speak(espeak, "Hello, how are you today? What time is it?", microphone)
    model = FakeChatModel(ANSWER, delay=0.05)
    engines = scripted(
        transcriber=SteadyTranscriber("what time is it?"),
        chat_model=model,
        synthesizers={"espeak": espeak},
    )
    async with running(tmp_path, engines=engines) as app:
        record = await browse(app, microphone, tmp_path / "profile")
    (tmp_path / "record.json").write_text(json.dumps(record, ensure_ascii=False, indent=1))
    names = [each["event"] for each in record]
    problems = [each for each in record if each["event"] in ("page_error", "play_error", "error")]
    assert not problems, (problems, names)
    assert names[:2] == ["connected", "session_started"]
    assert "webm" in next(each["data"]["type"] for each in record if each["event"] == "sent")

    ends = [each["data"] for each in record if each["event"] == "audio_end"]
    assert [end["interrupted"] for end in ends[:2]] == [False, True]
    assert ends[0]["spoken_text"].split() == ANSWER.split()
    assert 0 < len(ends[1]["spoken_text"]) < len(ANSWER)
    heard = [each for each in record if each["event"] == "audio_chunk"]
    replies = {end["reply_id"]: end for end in ends[:2]}
    for reply_id, end in replies.items():
        chunks = [each["data"] for each in heard if each["data"]["reply_id"] == reply_id]
        assert len(chunks) == end["total_chunks"] and {each["format"] for each in chunks} == {"mp3"}
    # The second press stops the answer at once: nothing of that reply comes after the press's ack.
    presses = [each["t_ms"] for each in record if each["event"] == "press"]
    late = [
        each
        for each in heard
        if each["data"]["reply_id"] == ends[1]["reply_id"] and each["t_ms"] > presses[2] + 150
    ]
    assert len(presses) == 3 and not late
    late_by = lateness(record, ends[0]["reply_id"])
    print("lateness in the browser:", [round(each) for each in late_by])
    # Overlapping chunks would be our fault; one late chunk may be the machine's, half of them not.
    assert min(late_by) >= -TOLERANCE_MS
    assert statistics.median(late_by) <= TOLERANCE_MS
    # The model was told what was heard of the answer, not what was written.
    said = [each.messages[-2].content.split() for each in model.requests if len(each.messages) > 2]
    assert said[0] == ANSWER.split()
