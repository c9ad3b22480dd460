from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from selam_agent.engines.llm_openai import OpenAIChatModel
from selam_agent.errors import EngineError
from selam_agent.ports import ChatModel, ChatRequest, Message, Text, ToolCall, Usage
from selam_agent.settings import Llm
from tests.engines.loopback import serving

KEY = "sk-very-secret"
Answer = Callable[[web.StreamResponse, web.Request], Awaitable[None]]


class FakeServer:
    """Answers chat completions with a script of server-sent events."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Answer] = []
        self.closed_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await answer(response, request)
        except (ConnectionResetError, asyncio.CancelledError):
            if not self.closed_at.done():
                self.closed_at.set_result(time.perf_counter())
            raise
        return response


@pytest.fixture
async def server():
    fake = FakeServer()
    async with serving("/v1/chat/completions", fake.handle) as fake.url:
        yield fake


@contextlib.asynccontextmanager
async def model(url: str, **options):
    made = OpenAIChatModel(Llm(base_url=url, api_key=KEY, model="m", **options))
    try:
        yield made
    finally:
        await made.aclose()


def event(delta: dict[str, Any], finish: str | None = None, **more) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    body |= {"choices": [choice], **more}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


USAGE = event({}, choices=[], usage={"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13})
STOP = event({}, "stop")
DONE = b"data: [DONE]\n\n"


def says(*events: bytes, gap: float = 0.0, then: str = "") -> Answer:
    """Sends ``events``; ``then`` hang or break off."""

    async def answer(response: web.StreamResponse, request: web.Request) -> None:
        await response.prepare(request)
        for each in events:
            await response.write(each)
            await asyncio.sleep(gap)
        if then == "hang":
            await asyncio.sleep(30)
        elif then == "break":
            assert request.transport is not None
            request.transport.abort()

    return answer


def status(code: int) -> Answer:
    async def answer(response: web.StreamResponse, request: web.Request) -> None:
        response.set_status(code)
        response.content_type = "application/json"
        await response.prepare(request)
        await response.write(json.dumps({"error": {"message": f"bad key {KEY}"}}).encode())

    return answer


async def hang(response: web.StreamResponse, request: web.Request) -> None:
    await asyncio.sleep(30)


async def drop(response: web.StreamResponse, request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


def ask(*messages: Message, **options) -> ChatRequest:
    words = messages or (Message(role="user", content="Hello"),)
    now = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    return ChatRequest(messages=words, language="om", now=now, **options)


async def collect(chat: OpenAIChatModel, request: ChatRequest | None = None) -> list[Any]:
    return [item async for item in chat.reply(request or ask())]


async def failure(chat: OpenAIChatModel) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await collect(chat)
    error = caught.value
    assert KEY not in str(error) and error.__cause__ is None
    return error


# ---------------------------------------------------------------- answers


async def test_streams_text_and_usage(server: FakeServer) -> None:
    server.answers = [says(event({"role": "assistant", "content": ""}), event({"content": "Nagaa"}),
                           event({"content": "tti."}), STOP, USAGE, DONE)]  # fmt: skip
    async with model(server.url, temperature=0.3, options={"seed": 7, "stream_options": None}) as chat:
        assert isinstance(chat, ChatModel) and chat.info.generative and not chat.info.leaves_machine
        items = await collect(chat, ask(instructions="Be kind."))
        assert items == [Text("Nagaa"), Text("tti."), Usage(11, 2)]
        assert chat.suggestions(ask()) == ()
    (body,) = server.requests
    assert body["model"] == "m" and body["stream"] and body["max_tokens"] == 512
    assert body["temperature"] == 0.3 and body["seed"] == 7 and "stream_options" not in body
    system, user = body["messages"]
    assert system["role"] == "system" and system["content"].startswith("Be kind.\n\n")
    assert "Afaan Oromo" in system["content"] and "Friday, 20 November 2026, 09:30" in system["content"]
    assert user == {"role": "user", "content": "Hello"}
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_the_environment_adds_nothing(server: FakeServer, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-other")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-other")
    server.answers = [says(event({"content": "ok"}), STOP, DONE)]
    chat = OpenAIChatModel(Llm(base_url=server.url, model="m"))
    await collect(chat)
    await chat.aclose()
    assert not [value for value in server.headers[0].values() if "other" in value]


async def test_cancelling_closes_the_stream_at_the_server(server: FakeServer) -> None:
    server.answers = [says(*[event({"content": "tok "})] * 500, gap=0.005)]
    async with model(server.url) as chat:
        for how in ("task", "generator"):
            server.closed_at = asyncio.get_running_loop().create_future()
            stream = chat.reply(ask())
            await anext(stream)
            if how == "task":
                task = asyncio.create_task(anext(stream))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            else:
                await stream.aclose()
            at = time.perf_counter()
            async with asyncio.timeout(1):
                assert await server.closed_at - at < 0.5


async def test_tool_calls_are_put_together(server: FakeServer) -> None:
    def piece(index: int, arguments: str, **more) -> dict[str, Any]:
        name = {"name": more.pop("name")} if "name" in more else {}
        return {"tool_calls": [{"index": index, "function": {**name, "arguments": arguments}, **more}]}

    first = [
        event(piece(0, "", id="a", name="book", type="function")),
        event(piece(0, '{"day": "mo')),
        event(piece(1, "{", id="b", name="ring", type="function")),
        event(piece(0, 'nday"}')),
        event(piece(1, "}")),
        # Some servers send a second call whole, under the index of the first.
        event(piece(1, "", id="c", name="stop", type="function")),
        event({}, "tool_calls"),
        DONE,
    ]
    server.answers = [says(*first), says(event({"content": "Done."}), STOP, DONE)]
    called = [ToolCall("a", "book", {"day": "monday"}), ToolCall("b", "ring", {}), ToolCall("c", "stop", {})]
    tool = {"name": "book", "parameters": {"type": "object"}}
    async with model(server.url) as chat:
        assert await collect(chat, ask(tools=(tool,))) == called
        result = Message(role="tool", content="ok", tool_call_id="a")
        lost = Message(role="tool", content="of a call long ago", tool_call_id="x")
        said = Message(role="assistant", content="I will", tool_calls=(called[0],), interrupted=True)
        silent = Message(role="assistant", content="", tool_calls=(called[1],))
        ring = Message(role="tool", content="cancelled", tool_call_id="b")
        await collect(chat, ask(lost, Message(role="user", content="Book it"), said, result, silent, ring))
    assert server.requests[0]["tools"] == [{"type": "function", "function": tool}]
    _, user, asked, answered, wordless, cancelled = server.requests[1]["messages"]
    assert (user["role"], asked["content"]) == ("user", "I will…")
    function = {"name": "book", "arguments": '{"day": "monday"}'}
    assert wordless["content"] is None and wordless["tool_calls"][0]["id"] == "b"
    assert cancelled["tool_call_id"] == "b"
    assert asked["tool_calls"] == [{"id": "a", "type": "function", "function": function}]
    assert answered == {"role": "tool", "content": "ok", "tool_call_id": "a"}


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("code", "expected", "retryable"),
    [
        *((code, "llm_refused", code == 429) for code in (401, 403, 429)),
        *((code, "llm_failed", code >= 500) for code in (400, 404, 500, 503)),
    ],
)
async def test_refusals(server: FakeServer, code: int, expected: str, retryable: bool, caplog) -> None:
    server.answers = [status(code)]
    async with model(server.url) as chat:
        error = await failure(chat)
    assert (error.code, error.retryable) == (expected, retryable)
    assert len(server.requests) == 1
    assert KEY not in caplog.text


async def test_nobody_there() -> None:
    async with model("http://127.0.0.1:9/v1") as chat:
        assert (await failure(chat)).code == "llm_unreachable"


async def test_one_lost_connection_is_tried_again_before_the_first_token_only(server: FakeServer) -> None:
    ok = says(event({"content": "ok"}), STOP, DONE)
    async with model(server.url) as chat:
        server.answers = [drop, ok]
        assert await collect(chat) == [Text("ok")]
        server.answers = [says(event({"role": "assistant"}), then="break"), ok]
        assert await collect(chat) == [Text("ok")]
        server.answers = [drop, drop, ok]
        assert (await failure(chat)).code == "llm_unreachable"
        server.answers = [says(event({"content": "I"}), then="break"), ok]
        assert (await failure(chat)).code == "llm_failed"
        assert len(server.requests) == 7


async def test_an_answer_without_an_end_has_broken_off(server: FakeServer) -> None:
    server.answers = [says(event({"content": "I"}))]
    async with model(server.url) as chat:
        stream = chat.reply(ask())
        assert await anext(stream) == Text("I")
        with pytest.raises(EngineError, match="broke off"):
            await anext(stream)


async def test_deadlines(server: FakeServer) -> None:
    limits = {"first_token_timeout_s": 0.1, "total_timeout_s": 0.8}
    async with model(server.url, **limits) as chat:
        for answer, low, high in [
            (hang, 0.1, 0.7),
            (says(event({"role": "assistant"}), then="hang"), 0.1, 0.7),
            (says(event({"content": "I"}), then="hang"), 0.75, 5.0),
            (says(*[event({"content": "I"})] * 200, gap=0.01), 0.75, 5.0),
        ]:
            server.answers = [answer]
            began = time.perf_counter()
            assert (await failure(chat)).code == "llm_timeout"
            assert low < time.perf_counter() - began < high


@pytest.mark.parametrize("arguments", ['{"day": ', "[1]"])
async def test_broken_tool_calls(server: FakeServer, arguments: str) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "book", "arguments": arguments}}
    server.answers = [says(event({"tool_calls": [call]}), event({}, "tool_calls"), DONE)]
    async with model(server.url) as chat:
        assert (await failure(chat)).code == "llm_failed"


async def test_garbage_and_errors_in_the_stream(server: FakeServer) -> None:
    async with model(server.url) as chat:
        quoting = json.dumps({"error": {"message": f"bad {KEY}"}}).encode()
        for data in (b"{not json", quoting):
            server.answers = [says(b"data: " + data + b"\n\n")]
            assert (await failure(chat)).code == "llm_failed"
