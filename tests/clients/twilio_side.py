"""Twilio's side of Media Streams, built from its documentation; shares no code with the server.

What it is sent is buffered and played in real time; a mark comes back when all before it has been
played, and at once when the buffer is cleared.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import xml.etree.ElementTree as ElementTree
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import websockets

SILENCE = b"\xff" * 160


def signed(auth_token: str, url: str, form: dict[str, str]) -> str:
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


async def ring(url: str, auth_token: str, signature: str | None = None) -> tuple[int, str, dict[str, str]]:
    """A call comes in: status, the stream's address (or what was said instead) and its parameters."""
    form = {"CallSid": "CA1", "From": "+251911000000", "To": "+251911000001"}
    headers = {"X-Twilio-Signature": signature or signed(auth_token, url, form)}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as response:
        if response.status != 200:
            return response.status, await response.text(), {}
        stream = ElementTree.fromstring(await response.text()).find("./Connect/Stream")
        assert stream is not None and response.content_type == "application/xml"
        parameters = {each.attrib["name"]: each.attrib["value"] for each in stream}
        return response.status, stream.attrib["url"], parameters


@dataclass
class Phone:
    """A call. ``heard`` is what the caller heard, μ-law; ``got`` every message in order."""

    socket: websockets.ClientConnection
    heard: bytearray = field(default_factory=bytearray)
    got: list[dict[str, Any]] = field(default_factory=list)
    clears: int = 0
    _buffer: deque[bytes | str] = field(default_factory=deque)
    _speaking: deque[bytes] = field(default_factory=deque)
    _tick: asyncio.Event = field(default_factory=asyncio.Event)
    _sequence: int = 1
    _chunk: int = 0

    async def send(self, event: str, **fields: Any) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": "MZ1", **fields}
        await self.socket.send(json.dumps(message))

    async def begin(self, parameters: dict[str, str]) -> None:
        await self.socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await self.send(
            "start",
            start={
                "accountSid": "AC1",
                "streamSid": "MZ1",
                "callSid": "CA1",
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters,
            },
        )

    def say(self, mulaw: bytes) -> None:
        """Speaks from now on, in real time."""
        self._speaking.extend(mulaw[at : at + 160].ljust(160, b"\xff") for at in range(0, len(mulaw), 160))

    @property
    def quiet(self) -> bool:
        """Whether nobody speaks."""
        return not self._speaking and not self._buffer

    async def press(self, digits: str) -> None:
        for digit in digits:
            await self.send("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def line(self) -> None:
        """Both directions, 20 ms at a time, until the call ends."""
        clock = asyncio.get_running_loop().time
        due, playing = clock(), b""
        while True:
            self._chunk += 1
            payload = base64.b64encode(self._speaking.popleft() if self._speaking else SILENCE).decode()
            about = {"track": "inbound", "chunk": str(self._chunk), "timestamp": str(20 * self._chunk)}
            await self.send("media", media={**about, "payload": payload})
            while len(playing) < 160 and self._buffer:
                item = self._buffer.popleft()
                if isinstance(item, str):
                    if playing:
                        # It is echoed when what is before it has been played.
                        self._buffer.appendleft(item)
                        break
                    await self.send("mark", mark={"name": item})
                else:
                    playing += item
            self.heard += playing[:160].ljust(160, b"\xff")
            playing = playing[160:]
            self._tick.set()
            due += 0.02
            await asyncio.sleep(max(0.0, due - clock()))

    async def listen(self) -> None:
        async for text in self.socket:
            message = json.loads(text)
            assert message["streamSid"] == "MZ1"
            self.got.append(message)
            if message["event"] == "media":
                self._buffer.append(base64.b64decode(message["media"]["payload"]))
            elif message["event"] == "mark":
                self._buffer.append(message["mark"]["name"])
            else:
                assert message["event"] == "clear"
                self.clears += 1
                pending = [each for each in self._buffer if isinstance(each, str)]
                self._buffer.clear()
                for name in pending:
                    await self.send("mark", mark={"name": name})

    async def until(self, ready: Any, within: float = 20) -> None:
        async with asyncio.timeout(within):
            while not ready():
                self._tick.clear()
                await self._tick.wait()


@asynccontextmanager
async def calling(address: str, parameters: dict[str, str], **headers: str) -> AsyncIterator[Phone]:
    async with websockets.connect(address, additional_headers=headers) as socket:
        phone = Phone(socket)
        await phone.begin(parameters)
        tasks = [asyncio.create_task(phone.line()), asyncio.create_task(phone.listen())]
        try:
            yield phone
            await phone.send("stop", stop={"accountSid": "AC1", "callSid": "CA1"})
        except websockets.ConnectionClosed:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
