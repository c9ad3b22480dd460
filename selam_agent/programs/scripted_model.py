"""A language model that knows its lines: an OpenAI-compatible server on loopback, for the demo's interpreter.

It stands in for a real model so that the call needs no network; it can do nothing but its script.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

NAME = "scripted"


@contextlib.asynccontextmanager
async def scripted_model(script: Mapping[str, str]) -> AsyncIterator[str]:
    """Serves ``script`` (what the user says → the answer) until left; gives its base URL.

    Anything else is answered with status 400, so that a call which leaves the script fails visibly.
    """

    async def complete(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        said = [str(m.get("content", "")) for m in body.get("messages", ()) if m.get("role") == "user"]
        answer = script.get(said[-1].strip()) if said else None
        if answer is None:
            message = f"not in the script: {said[-1] if said else None!r}"
            return web.json_response({"error": {"message": message}}, status=400)
        if not body.get("stream"):
            return web.json_response(_chunk("message", {"role": "assistant", "content": answer}, "stop"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in answer.split(" "):
            await response.write(_line(_chunk("delta", {"content": f"{word} "}, None)))
        await response.write(_line(_chunk("delta", {}, "stop")) + b"data: [DONE]\n\n")
        return response

    application = web.Application()
    application.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


def _chunk(kind: str, content: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, kind: content, "finish_reason": reason}
    return {"id": NAME, "object": "chat.completion", "created": 0, "model": NAME, "choices": [choice]}


def _line(chunk: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()
