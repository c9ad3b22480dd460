"""Any server that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, a gateway.

One client per engine (creating one takes 0.1 s). The response stream is held by ``async with``, so a
cancelled reply closes the connection and the server stops generating. The client's own retries and
its ten-minute timeout are off; one lost connection before the first token is retried here.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final

from selam_agent.engines.addresses import is_loopback
from selam_agent.errors import EngineError
from selam_agent.ports import ChatItem, ChatModelInfo, ChatRequest, Speech, Text, ToolCall, Usage
from selam_agent.settings import Llm

__all__ = ["DeltaReader", "OpenAIChatModel", "system_message"]

log = logging.getLogger(__name__)

_LANGUAGES: Final = {
    "am": "Amharic",
    "en": "English",
    "om": "Afaan Oromo",
    "so": "Somali",
    "ti": "Tigrinya",
}
_LONGEST_ARGUMENTS: Final = 65536


@dataclass(slots=True)
class _PartialCall:
    id: str = ""
    name: str = ""
    arguments: str = ""


class DeltaReader:
    """What is said in one answer's deltas; each is an object of the library's."""

    def items(self, delta: Any) -> Iterator[Text | Speech]:
        """Raises EngineError ``llm_failed`` when it is not what was asked for."""
        if delta.content:
            yield Text(delta.content)


class OpenAIChatModel:
    """A :class:`~selam_agent.ports.ChatModel` at ``settings.base_url``.

    ``settings.options`` are further fields of the request's body; ``null`` takes one away (for
    servers that refuse ``stream_options``, for example).
    """

    def __init__(self, settings: Llm) -> None:
        # Imported here: 0.5 to 1 s.
        import openai

        self._settings = settings
        self._openai = openai
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url or None,
            # An empty key would make the client look for one in the environment.
            api_key=settings.api_key or "none",
            max_retries=0,
            timeout=openai.Timeout(settings.total_timeout_s, connect=settings.connect_timeout_s),
        )
        # From the environment, where nothing but the settings is read; never for another server.
        self._client.organization = self._client.project = None
        # Resources and platform headers are made on first use and take 30 ms: not on the event loop.
        self._create: Any = self._client.chat.completions.create
        self._client.platform_headers()
        with contextlib.suppress(ImportError):
            # What its connections are made with, otherwise imported by the first of them (12 ms).
            importlib.import_module("anyio._backends._asyncio")

    @property
    def info(self) -> ChatModelInfo:
        return ChatModelInfo(
            name=self._settings.model or "openai",
            generative=True,
            calls_tools=True,
            leaves_machine=not is_loopback(str(self._client.base_url)),
        )

    def suggestions(self, request: ChatRequest) -> tuple[str, ...]:
        """An open model has none."""
        return ()

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        """Streams the answer.

        Raises:
            EngineError: ``llm_unreachable``, ``llm_timeout`` (no connection, no first token or no end
                in time), ``llm_refused`` (key, quota or rate) or ``llm_failed``.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        first_by = started + self._settings.first_token_timeout_s
        end_by = started + self._settings.total_timeout_s
        body = self._body(request)
        calls: list[_PartialCall] = []
        began = finished = False
        reader = self._reader()
        for attempt in (1, 2):
            try:
                async with asyncio.timeout_at(min(first_by, end_by)):
                    stream = await self._create(**body)
                async with stream:
                    chunks = aiter(stream)
                    while True:
                        async with asyncio.timeout_at(end_by if began else min(first_by, end_by)):
                            chunk = await anext(chunks, None)
                        if chunk is None:
                            break
                        # A burst of chunks takes 0.1 ms each and would hold everybody else.
                        await asyncio.sleep(0)
                        if chunk.usage is not None:
                            yield Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
                        for choice in chunk.choices[:1]:
                            finished = finished or choice.finish_reason is not None
                            if choice.delta is None:
                                continue
                            for item in reader.items(choice.delta):
                                began = True
                                yield item
                            for piece in choice.delta.tool_calls or ():
                                began = True
                                _assemble(calls, piece)
                break
            except Exception as error:
                if attempt == 1 and not began and self._is_connection_loss(error):
                    log.info("language model: connection lost before the first token, trying once more")
                    continue
                # Without its cause: the server's own text may quote the key.
                raise self._translated(error, began) from None
        if not finished:
            raise EngineError("The language model's answer broke off.", code="llm_failed")
        for call in calls:
            yield _complete(call)

    def _reader(self) -> DeltaReader:
        """Reads one answer."""
        return DeltaReader()

    def _is_connection_loss(self, error: Exception) -> bool:
        openai = self._openai
        return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)

    def _translated(self, error: Exception, began: bool) -> EngineError:
        openai = self._openai
        status = getattr(error, "status_code", None)
        log.warning("language model failed: %s, status %s", type(error).__name__, status)
        if isinstance(error, EngineError):
            return error
        if isinstance(error, (TimeoutError, openai.APITimeoutError)):
            return EngineError("The language model did not answer in time.", code="llm_timeout")
        if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
            return EngineError(
                "The language model refused the server's key.", code="llm_refused", retryable=False
            )
        if isinstance(error, openai.RateLimitError):
            return EngineError("The language model refused: too many requests.", code="llm_refused")
        if isinstance(error, openai.APIStatusError):
            return EngineError(
                f"The language model answered with status {error.status_code}.",
                code="llm_failed",
                retryable=error.status_code >= 500 or error.status_code in (408, 409),
            )
        if isinstance(error, openai.APIConnectionError) and began:
            return EngineError("The language model's answer broke off.", code="llm_failed")
        if isinstance(error, openai.APIConnectionError):
            return EngineError("The language model cannot be reached.", code="llm_unreachable")
        return EngineError("The language model failed.", code="llm_failed")

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        settings = self._settings
        # OpenAI's own newer models refuse the older name; other servers know only that.
        limit = "max_completion_tokens" if "api.openai.com" in settings.base_url else "max_tokens"
        extra = dict(settings.options)
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": _messages(request),
            "stream": True,
            limit: settings.max_tokens,
            "stream_options": {"include_usage": True},
        }
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        if request.tools:
            body["tools"] = [
                dict(tool) if "type" in tool else {"type": "function", "function": dict(tool)}
                for tool in request.tools
            ]
        for name in [name for name, value in extra.items() if value is None]:
            body.pop(name, None)
            del extra[name]
        if extra:
            body["extra_body"] = extra
        return body

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.close()


def system_message(request: ChatRequest) -> str:
    """How to speak, and what the client wishes; empty when neither is said."""
    instructions = request.instructions.strip()
    if request.preamble is not None:
        return "\n\n".join(part for part in (request.preamble.strip(), instructions) if part)
    language = _LANGUAGES.get(request.language, request.language)
    lines = [
        instructions,
        f"Answer in {language}. Your answer is spoken aloud: short sentences, no lists, no markup.",
        f"The caller's local time is {request.now:%A, %d %B %Y, %H:%M}.",
    ]
    return "\n\n".join(line for line in lines if line)


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    system = system_message(request)
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    called: set[str] = set()
    for message in request.messages:
        if message.role == "tool":
            # Servers refuse a result without its call; a long history may have lost that.
            if message.tool_call_id in called:
                messages.append(
                    {"role": "tool", "content": message.content, "tool_call_id": message.tool_call_id}
                )
            continue
        entry: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.interrupted:
            entry["content"] += "…"
        if message.tool_calls:
            entry["content"] = entry["content"] or None
            entry["tool_calls"] = [_as_asked(call) for call in message.tool_calls]
            called |= {call.id for call in message.tool_calls}
        messages.append(entry)
    return messages


def _as_asked(call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _complete(partial: _PartialCall) -> ToolCall:
    try:
        arguments = json.loads(partial.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict) or not partial.name:
        raise EngineError("The language model called a tool in a broken way.", code="llm_failed")
    return ToolCall(partial.id or f"call_{token_hex(8)}", partial.name, arguments)


def _assemble(calls: list[_PartialCall], piece: Any) -> None:
    """Adds one delta: by index, except that a new id under a known index is a new call (Ollama)."""
    index = piece.index if isinstance(piece.index, int) else len(calls)
    known = calls[index] if 0 <= index < len(calls) else None
    if known is None or (piece.id and known.id and piece.id != known.id):
        known = _PartialCall()
        calls.append(known)
    known.id = piece.id or known.id
    if piece.function is not None:
        known.name += piece.function.name or ""
        known.arguments += piece.function.arguments or ""
    if len(known.arguments) > _LONGEST_ARGUMENTS:
        raise EngineError("The language model called a tool with endless arguments.", code="llm_failed")
