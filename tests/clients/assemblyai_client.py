"""A client of the AssemblyAI Voice Agent API, as somebody would write one from its documentation.

It shares no code with the server. Events are checked as a strict client's models would: a required
field that is missing, or has another type, is an error.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets

Number = (int, float)
REQUIRED: dict[str, dict[str, Any]] = {
    "session.ready": {"session_id": str, "expires_at": int, "config": dict},
    "session.updated": {"config": dict},
    "session.error": {"code": str, "message": str},
    "session.ended": {"session_duration_seconds": Number},
    "input.speech.started": {},
    "input.speech.stopped": {},
    "transcript.user.delta": {"item_id": str, "text": str},
    "transcript.user": {"item_id": str, "text": str},
    "reply.started": {"reply_id": str, "item_id": str},
    "reply.audio": {"reply_id": str, "data": str},
    "reply.done": {"reply_id": str, "status": str},
    "reply.error": {"reply_id": str, "code": str, "message": str, "retryable": bool},
    "transcript.agent": {"item_id": str, "reply_id": str, "text": str, "interrupted": bool},
    "transcript.agent.delta": {"item_id": str, "reply_id": str, "delta": str},
    "reply.interrupted": {"reply_id": str},  # of the older dialect only
    "tool.call": {"call_id": str, "name": str, "arguments": dict},
}


class VoiceAgent:
    """One connection. ``events`` has every event in order; ``audio`` what is to be played."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self.audio = bytearray()
        self.tools: dict[str, Any] = {}
        self._held: list[tuple[str, Any]] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def start(self, **session: Any) -> dict[str, Any]:
        await self.send("session.update", session=session)
        return await self.wait("session.ready")

    async def speak(self, audio: bytes, bytes_per_second: int) -> None:
        """In real time, fifty milliseconds at once."""
        size = bytes_per_second // 20 // 2 * 2
        for at in range(0, len(audio), size):
            await self.send("input.audio", audio=base64.b64encode(audio[at : at + size]).decode())
            await asyncio.sleep(size / bytes_per_second)

    async def wait(self, type: str, count: int = 1, within: float = 15) -> dict[str, Any]:
        try:
            async with asyncio.timeout(within), self._news:
                await self._news.wait_for(lambda: len(self.all(type)) >= count)
        except TimeoutError:
            raise AssertionError(f"no {type} #{count}; there were {self.types()}") from None
        return self.all(type)[count - 1]

    async def end(self) -> dict[str, Any]:
        await self.send("session.end")
        ended = await self.wait("session.ended")
        await self.closed()
        return ended

    async def closed(self, within: float = 5) -> int | None:
        """The close code."""
        async with asyncio.timeout(within):
            await self.socket.wait_closed()
        await asyncio.gather(self._reader, return_exceptions=True)
        return self.socket.close_code

    def all(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    async def _read(self) -> None:
        async for text in self.socket:
            event = json.loads(text)
            for name, kind in REQUIRED[event["type"]].items():
                assert isinstance(event[name], kind), event
            assert isinstance(event["timestamp"], float)
            await self._act(event)
            async with self._news:
                self.events.append(event)
                self._news.notify_all()

    async def _act(self, event: dict[str, Any]) -> None:
        """What the documentation tells clients to do."""
        kind = event["type"]
        if kind == "reply.audio":
            self.audio += base64.b64decode(event["data"])
        elif kind == "tool.call" and event["name"] in self.tools:
            self._held.append((event["call_id"], self.tools[event["name"]](event["arguments"])))
        elif kind == "reply.done":
            held, self._held = self._held, []
            if event["status"] == "completed":
                for call_id, result in held:
                    await self.send("tool.result", call_id=call_id, result=json.dumps(result))


@asynccontextmanager
async def connected(url: str, key: str | None = None, path: str = "/v1/ws") -> AsyncIterator[VoiceAgent]:
    headers = {"Authorization": key} if key is not None else {}
    address = url.replace("http", "ws", 1) + path
    async with websockets.connect(address, additional_headers=headers) as socket:
        agent = VoiceAgent(socket)
        try:
            yield agent
        finally:
            await socket.close()
            await asyncio.gather(agent._reader, return_exceptions=True)
