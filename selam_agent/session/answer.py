"""The model's side of a reply: what it writes, the tools it asks for, and what it says after them.

A model that asks for tools is asked again with their results, until it only speaks. Tools are for the
committed answer only: a guess that asks for one waits at the gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from selam_agent.ports import Break, ChatItem, ChatModel, ChatRequest, Message, Speech, Text, ToolCall
from selam_agent.session.tools import CANCELLED, END_CALL, Toolbox

# A model that asks for tools again and again must speak at last.
_MAX_ROUNDS = 8
_MAX_CALLS = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """Tools are asked for; what follows is the answer to their results."""


Item: TypeAlias = ChatItem | Asked


@dataclass(frozen=True, slots=True)
class Filler:
    """What is said when the model has written nothing ``after_s`` seconds after the commit."""

    text: str
    after_s: float


@dataclass(slots=True)
class _Round:
    """One answer of the model; ``results`` by call id, as text for the model."""

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)


class Answer:
    """See the module's docstring. ``goodbye`` is said when the model ends the call without a word.

    ``tool_filler`` is said while one of ``filled_tools`` runs, when nothing was said before it.
    """

    def __init__(
        self,
        *,
        model: ChatModel,
        request: ChatRequest,
        toolbox: Toolbox,
        turn_id: int,
        reply_id: str,
        goodbye: str,
        filler: Filler | None = None,
        tool_filler: Filler | None = None,
        filled_tools: Container[str] = (),
    ) -> None:
        self._model = model
        self._request = request
        self._toolbox = toolbox
        self._turn_id = turn_id
        self._reply_id = reply_id
        self._goodbye = goodbye
        self._filler = filler
        self._tool_filler = tool_filler
        self._filled_tools = filled_tools
        self._gate = asyncio.Event()
        self._rounds: list[_Round] = []
        self.ends_call = False

    def commit(self) -> None:
        """This is the answer: tools may be called."""
        self._gate.set()

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AsyncIterator[Item]]:
        """The items, once. Leaving it stops the model. Iterating raises EngineError."""
        items = self._items()
        try:
            yield items
        finally:
            await items.aclose()

    def close(self) -> None:
        """The reply is over: results that come now are too late."""
        self._toolbox.drop(call.id for each in self._rounds for call in each.calls)

    def record(self, heard: str, *, interrupted: bool) -> list[Message]:
        """The conversation's new messages when ``heard`` is what the caller heard of all rounds.

        Every call has a result: one that was cut off is ``cancelled``.
        """
        messages: list[Message] = []
        rest = heard
        for number, each in enumerate(self._rounds):
            if number + 1 < len(self._rounds):
                said, rest = _split(rest, each.text)
            else:
                said, rest = rest, ""
            cut = interrupted and not rest and _letters(said) < _letters(each.text)
            messages += _messages(each, said.strip(), interrupted=cut)
        return messages

    # ------------------------------------------------------------ inside

    async def _items(self) -> AsyncGenerator[Item, None]:
        request = self._request
        for number in range(_MAX_ROUNDS + 1):
            this = _Round()
            self._rounds.append(this)
            if number == _MAX_ROUNDS:
                request = replace(request, tools=())
            async for item in self._model_items(request):
                if isinstance(item, ToolCall):
                    this.calls.append(self._toolbox.name(item))
                    continue
                if isinstance(item, Text | Speech):
                    if self._runs_on(this, item.text):
                        item = replace(item, text=f" {item.text}")
                    this.text += item.text
                yield item
            if not this.calls:
                return
            yield Break()
            await self._gate.wait()
            if any(call.name != END_CALL for call in this.calls):
                yield Asked()
            async for meanwhile in self._call_and_fill(this):
                yield meanwhile
            if self.ends_call and len(this.calls) == 1:
                if not any(each.text.strip() for each in self._rounds):
                    this.text = self._goodbye
                    yield Text(self._goodbye)
                return
            request = replace(request, messages=(*request.messages, *_messages(this, this.text.strip())))

    def _runs_on(self, this: _Round, text: str) -> bool:
        """Whether a round begins where the one before ended, without a space between."""
        before = "".join(each.text for each in self._rounds)
        return bool(not this.text and before and text) and not (before[-1].isspace() or text[0].isspace())

    async def _call_and_fill(self, this: _Round) -> AsyncGenerator[Item, None]:
        """Calls the tools. What is said while they run is over before their results are spoken of."""
        filler = self._tool_filler
        silent = not this.text.strip() and any(call.name in self._filled_tools for call in this.calls)
        if filler is None or not silent:
            await self._call(this)
            return
        calling = asyncio.create_task(self._call(this), name="tools")
        try:
            await asyncio.wait({calling}, timeout=filler.after_s)
            if not calling.done():
                this.text = f"{filler.text} "
                yield Text(this.text)
                yield Break()
                yield Asked()
            await calling
        finally:
            calling.cancel()
            await asyncio.wait({calling})

    async def _call(self, this: _Round) -> None:
        for call in this.calls:
            if call.name == END_CALL and self._toolbox.may_end_call:
                self.ends_call = True
                this.results[call.id] = "The call ends when this has been said."
        others = [call for call in this.calls if call.id not in this.results]
        for call in others[_MAX_CALLS:]:
            this.results[call.id] = '{"error": "too many calls at once"}'
        await self._toolbox.run(
            others[:_MAX_CALLS], this.results, turn_id=self._turn_id, reply_id=self._reply_id
        )

    async def _model_items(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        stream = self._model.reply(request)
        try:
            if self._filler is not None and len(self._rounds) == 1:
                first = asyncio.create_task(_first(stream), name="first words")
                try:
                    if await self._late(first, self._filler.after_s):
                        yield Text(f"{self._filler.text} ")
                        yield Break()
                    item = await first
                finally:
                    first.cancel()
                    await asyncio.wait({first})
                if item is None:
                    return
                yield item
            async for item in stream:
                yield item
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    async def _late(self, first: asyncio.Task[ChatItem | None], after_s: float) -> bool:
        """Whether nothing came until so many seconds after the commit."""
        gate = asyncio.create_task(self._gate.wait(), name="commit")
        try:
            await asyncio.wait({first, gate}, return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                await asyncio.wait({first}, timeout=after_s)
            return not first.done()
        finally:
            gate.cancel()
            await asyncio.wait({gate})


async def _first(stream: AsyncIterator[ChatItem]) -> ChatItem | None:
    return await anext(stream, None)


def _messages(this: _Round, said: str, *, interrupted: bool = False) -> list[Message]:
    calls = tuple(this.calls)
    if not said and not calls:
        return []
    results = [
        Message(role="tool", content=this.results.get(call.id, CANCELLED), tool_call_id=call.id)
        for call in calls
    ]
    return [Message(role="assistant", content=said, tool_calls=calls, interrupted=interrupted), *results]


def _letters(text: str) -> int:
    return sum(not each.isspace() for each in text)


def _split(heard: str, text: str) -> tuple[str, str]:
    """Cuts ``heard`` after as much of it as ``text`` is; white space may differ."""
    wanted = _letters(text)
    for index, character in enumerate(heard):
        if not wanted:
            return heard[:index], heard[index:]
        wanted -= not character.isspace()
    return heard, ""
