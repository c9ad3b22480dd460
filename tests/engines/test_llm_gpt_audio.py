"""The real openai library against a model on loopback that thinks and speaks."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from selam_agent.engines import catalog
from selam_agent.engines.llm_gpt_audio import GptAudioModel
from selam_agent.errors import EngineError
from selam_agent.ports import ChatItem, ChatModel, ChatRequest, Message, Speech, ToolCall, Usage
from selam_agent.settings import GptAudio, Llm, Settings
from tests.engines.loopback import serving

SOUND = np.asarray(6000 * np.sin(np.arange(4_800) / 10), np.int16).tobytes()


def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body | more).encode() + b"\n\n"


def sound(data: bytes) -> bytes:
    return event({"audio": {"id": "a", "data": base64.b64encode(data).decode()}})


def words(text: str) -> bytes:
    return event({"audio": {"id": "a", "transcript": text}})


# As the service streams it: transcript and sound apart, a sample cut in two.
FINE = [
    event({"role": "assistant", "content": None, "refusal": None}),
    words("Good"),
    sound(SOUND[:1001]),
    words(" day."),
    sound(SOUND[1001:]),
    event({"audio": {"id": "a", "expires_at": 1}}),
    event({}, "stop"),
    event({}, choices=[], usage={"prompt_tokens": 9, "completion_tokens": 40, "total_tokens": 49}),
    b"data: [DONE]\n\n",
]


class FakeServer:
    def __init__(self) -> None:
        self.events: list[bytes] = FINE
        self.then = ""
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        if self.then.isdecimal():
            return web.json_response({"error": {"message": "no"}}, status=int(self.then))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for each in self.events:
            await response.write(each)
        if self.then == "hang":
            await asyncio.sleep(30)
        elif self.then == "break":
            assert request.transport is not None
            request.transport.abort()
        return response


@pytest.fixture
async def server():
    fake = FakeServer()
    async with serving("/v1/chat/completions", fake.handle) as fake.url:
        yield fake


@pytest.fixture
async def model(server: FakeServer, request: pytest.FixtureRequest):
    # Short only where the test waits for it: a busy machine is no failure.
    llm = Llm(first_token_timeout_s=0.6 if "hang" in request.node.name else 10.0)
    made = GptAudioModel(GptAudio(base_url=server.url, api_key="k", model="gpt-audio"), llm)
    yield made
    await made.aclose()


def ask(**more: Any) -> ChatRequest:
    said = (Message(role="user", content="Hello."),)
    now = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    return ChatRequest(messages=said, language="en", now=now, voice="nova", **more)


async def answer(model: GptAudioModel, request: ChatRequest | None = None) -> list[ChatItem]:
    return [item async for item in model.reply(request or ask())]


async def test_thinks_and_speaks(server: FakeServer, model: GptAudioModel) -> None:
    assert isinstance(model, ChatModel) and model.info.speaks and model.info.languages == ("en",)
    items = await answer(model)
    said = [item for item in items if isinstance(item, Speech)]
    assert b"".join(item.pcm for item in said) == SOUND
    assert "".join(item.text for item in said) == "Good day." and {item.sample_rate for item in said} == {
        24_000
    }
    assert all(len(item.pcm) % 2 == 0 for item in said)
    assert items[-1] == Usage(9, 40)
    (body,) = server.bodies
    assert body["modalities"] == ["text", "audio"] and body["audio"] == {"voice": "nova", "format": "pcm16"}
    assert body["model"] == "gpt-audio" and body["stream"] is True
    assert body["messages"][-1] == {"role": "user", "content": "Hello."}


async def test_it_may_call_tools(server: FakeServer, model: GptAudioModel) -> None:
    call = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": "{}"}}
    server.events = [event({"tool_calls": [call]}), event({}, "tool_calls")]
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    assert await answer(model, ask(tools=(tool,))) == [ToolCall("c1", "look", {})]
    assert server.bodies[0]["tools"] == [tool]


@pytest.mark.parametrize(
    ("events", "then", "code"),
    [
        ([], "403", "llm_refused"),
        ([], "503", "llm_failed"),
        ([], "hang", "llm_timeout"),
        (FINE[:4], "break", "llm_failed"),
        (FINE[:4], "", "llm_failed"),
        ([event({"audio": {"data": "no base64!"}})], "", "llm_failed"),
    ],
)
async def test_failures_are_typed(
    server: FakeServer, model: GptAudioModel, events: list[bytes], then: str, code: str
) -> None:
    server.events, server.then = events, then
    with pytest.raises(EngineError) as caught:
        await answer(model)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("settings", "built"),
    [
        ({}, False),
        ({"gpt_audio": {"model": "gpt-audio", "api_key": "k"}}, False),
        ({"gpt_audio": {"model": "gpt-audio"}, "privacy": {"allow": ["gpt_audio"]}}, True),
        (
            {
                "gpt_audio": {"model": "gpt-audio"},
                "privacy": {"allow": ["gpt_audio"]},
                "server": {"offline": True},
            },
            False,
        ),
        ({"gpt_audio": {"model": "m", "base_url": "http://127.0.0.1:1/v1"}}, True),
    ],
)
async def test_it_is_used_where_it_is_configured_and_allowed(settings: dict[str, Any], built: bool) -> None:
    models = catalog.build_speaking_models(Settings.model_validate(settings))
    assert list(models) == ["gpt_audio"] * built
    for each in models.values():
        await each.aclose()
