"""The read-aloud service on loopback, for the real edge-tts library: answers, and ways to fail."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from unittest.mock import patch

import av
import numpy as np
from aiohttp import WSMsgType, web

MS_PER_WORD = 300
_AUDIO = b"X-RequestId:1\r\nContent-Type:audio/mpeg\r\nPath:audio\r\n"
# 120 ms at 48 kbit/s, as the service sends it.
_MESSAGE = 720


def mp3(ms: int, *, level: int = 6000) -> bytes:
    """A hum of 24 kHz, mono, 48 kbit/s; without ``level`` it is silence."""
    wave = level * np.sin(2 * np.pi * 300 * np.arange(24 * ms) / 24_000)
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("mp3", rate=24_000, layout="mono", bit_rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.asarray(wave, np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = 24_000
        resampler = av.AudioResampler("s16p", "mono", 24_000, frame_size=576)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    return file.getvalue()


class FakeEdge:
    """``mode``: fine, 403, 503, no_audio, silence, truncation, hang, or stall (hangs in mid-sentence).

    ``texts``: what was asked for; ``most``: the largest number of requests at once.
    """

    def __init__(self) -> None:
        self.mode = "fine"
        self.texts: list[str] = []
        self.voices: list[str] = []
        self.requests = self.open = self.most = 0
        self.delay = 0.0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.mode in ("403", "503"):
            return web.Response(status=int(self.mode))
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            return await self._serve(request)
        finally:
            self.open -= 1

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        config, ssml = (await socket.receive()).data, (await socket.receive()).data
        assert '"wordBoundaryEnabled":"true"' in config
        text = unescape(re.sub(r"<[^>]+>", "", ssml.partition("\r\n\r\n")[2])).strip()
        self.texts.append(text)
        self.voices.append(re.findall(r"<voice name='[^']*?([A-Za-z-]+, [A-Za-z]+)\)'", ssml)[0])
        for path in ("turn.start", "response"):
            await socket.send_str(f"X-RequestId:1\r\nPath:{path}\r\n\r\n{{}}")
        await asyncio.sleep(self.delay)
        if self.mode == "hang":
            await socket.receive()
        elif self.mode != "no_audio":
            await self._speak(socket, text)
        if self.mode != "truncation" and not socket.closed:
            await socket.send_str("X-RequestId:1\r\nPath:turn.end\r\n\r\n{}")
        await socket.close()
        return socket

    async def _speak(self, socket: web.WebSocketResponse, text: str) -> None:
        words = text.split()
        data = mp3(MS_PER_WORD * len(words), level=0 if self.mode == "silence" else 6000)
        broken = self.mode in ("truncation", "stall")
        # Two words and a half arrive, the third word's place with them.
        said = words[:3] if broken else words
        for number, word in enumerate(said):
            place = {"Offset": number * MS_PER_WORD * 10_000, "Duration": MS_PER_WORD * 10_000}
            place["text"] = {
                "Text": word.strip(".,!?።፣"),
                "Length": len(word),
                "BoundaryType": "WordBoundary",
            }
            body = json.dumps({"Metadata": [{"Type": "WordBoundary", "Data": place}]}, ensure_ascii=False)
            await socket.send_str(f"X-RequestId:1\r\nPath:audio.metadata\r\n\r\n{body}")
        if broken:
            data = data[: 6 * MS_PER_WORD * 5 // 2]  # 48 kbit/s are 6 bytes per ms
        for at in range(0, len(data), _MESSAGE):
            header = len(_AUDIO).to_bytes(2, "big") + _AUDIO
            await socket.send_bytes(header + data[at : at + _MESSAGE])
        while self.mode == "stall" and (await socket.receive()).type not in (
            WSMsgType.CLOSE,
            WSMsgType.CLOSING,
            WSMsgType.CLOSED,
        ):
            pass


@asynccontextmanager
async def serving() -> AsyncIterator[FakeEdge]:
    """The fake, in the service's place for the library."""
    fake = FakeEdge()
    app = web.Application()
    app.router.add_get("/edge/v1", fake.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/edge/v1?TrustedClientToken=x"
    try:
        with patch("edge_tts.communicate.WSS_URL", fake.url):
            yield fake
    finally:
        await runner.cleanup()
