"""The text of one reply: from the model, or fixed; cut into fragments for the voice, told to the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from selam_agent import events
from selam_agent.dialogue.sentences import Fragmenter
from selam_agent.errors import EngineError
from selam_agent.ports import Break, Caution, Language, Result, Speech, Text
from selam_agent.session.answer import Answer, Asked
from selam_agent.session.stages import Marks

# A reply of the longest permitted text has fewer fragments.
_MAX_FRAGMENTS = 256
_MODEL_TIMEOUT = EngineError("The language model took too long.", code="llm_timeout")


class Writing:
    """Tells nothing before ``open`` and nothing after ``close``.

    ``items`` is the model's answer, or a fixed text; ``failed`` is said instead when the model fails
    before its first word. ``fragments`` ends with None; ``Speech`` is the model's own; ``Asked`` is where
    the model asked for tools, and ``Language`` where what follows is in another language.
    """

    def __init__(
        self,
        items: Answer | str,
        *,
        turn_id: int,
        reply_id: str,
        failed: str,
        deadline_s: float,
        marks: Marks,
        emit: Callable[[events.Event], None],
    ) -> None:
        self._items = items
        self._turn_id = turn_id
        self._reply_id = reply_id
        self._failed = failed
        self._deadline_s = deadline_s
        self._marks = marks
        self._emit = emit
        self._clock = asyncio.get_running_loop().time
        self._gate = asyncio.Event()
        # Told when the gate opens: a guess that nobody hears warns nobody.
        self._cautions: list[Caution] = []
        self._complete = False
        self._responded = False
        self._closed = False
        self.text = ""
        self.fragments: asyncio.Queue[str | Speech | Asked | Language | None]
        self.fragments = asyncio.Queue(_MAX_FRAGMENTS)

    @property
    def gate(self) -> asyncio.Event:
        """Set once the reply is the answer."""
        return self._gate

    @property
    def told(self) -> bool:
        """Whether the client has got the text."""
        return self._responded

    def open(self) -> None:
        """Tells what there is, and what follows."""
        self._gate.set()
        if isinstance(self._items, Answer):
            self._items.commit()
        for caution in self._cautions:
            self._warn(caution)
        if self.text:
            self._delta(self.text)
        self._respond_if_complete()

    def close(self) -> None:
        """The reply is over: the client gets what there is of the text, if the gate is open."""
        if self._gate.is_set():
            self._respond()
        self._closed = True

    async def run(self, on_tools: Callable[[], None]) -> None:
        """Writes. A model that fails is an ``error`` event, not an exception.

        ``on_tools`` is told at once when the model asks for tools.
        """
        fragmenter = Fragmenter()
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._write_items(fragmenter, on_tools)
                if not self.text.strip():
                    raise EngineError("The language model said nothing.", code="llm_empty")
        except (EngineError, TimeoutError) as error:
            failure = error if isinstance(error, EngineError) else _MODEL_TIMEOUT
            # A guess that fails is nobody's concern until it is the answer.
            await self._gate.wait()
            self._tell(events.ErrorEvent.of(failure, reply_id=self._reply_id))
            if not self.text.strip():
                # The caller hears what happened, in their language; text so far is spoken as it is.
                await self._write(self._failed, fragmenter)
        self._marks.model_rests(self._clock())
        for fragment in fragmenter.finish():
            await self.fragments.put(fragment)
        await self.fragments.put(None)
        self._complete = True
        self._respond_if_complete()

    async def _write_items(self, fragmenter: Fragmenter, on_tools: Callable[[], None]) -> None:
        if isinstance(self._items, str):
            await self._write(self._items, fragmenter)
            return
        async with self._items.stream() as items:
            async for item in items:
                if isinstance(item, Text):
                    await self._write(item.text, fragmenter)
                elif isinstance(item, Speech):
                    for fragment in fragmenter.finish():
                        await self.fragments.put(fragment)
                    self._tell_text(item.text)
                    await self.fragments.put(item)
                elif isinstance(item, Break):
                    self._marks.model_rests(self._clock())
                    for fragment in fragmenter.finish():
                        await self.fragments.put(fragment)
                elif isinstance(item, Language):
                    for fragment in fragmenter.finish():
                        await self.fragments.put(fragment)
                    await self.fragments.put(item)
                elif isinstance(item, Asked):
                    on_tools()
                    await self.fragments.put(item)
                elif isinstance(item, Caution):
                    if self._gate.is_set():
                        self._warn(item)
                    else:
                        self._cautions.append(item)
                elif isinstance(item, Result):
                    await self._gate.wait()
                    self._tell(events.Result(task=item.name, data=dict(item.data), turn_id=self._turn_id))

    async def _write(self, text: str, fragmenter: Fragmenter) -> None:
        self._tell_text(text)
        for fragment in fragmenter.push(text):
            await self.fragments.put(fragment)

    def _tell_text(self, text: str) -> None:
        if self._marks.first_token is None:
            self._marks.first_token = self._clock()
        self.text += text
        if text and self._gate.is_set():
            self._delta(text)

    def _tell(self, event: events.Event) -> None:
        # A model that swallows its cancellation goes on writing.
        if not self._closed:
            self._emit(event)

    def _warn(self, caution: Caution) -> None:
        details = {**caution.details, "turn_id": self._turn_id}
        self._tell(events.Notice(code=caution.code, message=caution.message, details=details))

    def _delta(self, text: str) -> None:
        self._tell(events.ResponseDelta(delta=text, turn_id=self._turn_id, reply_id=self._reply_id))

    def _respond_if_complete(self) -> None:
        if self._complete and self._gate.is_set():
            self._respond()

    def _respond(self) -> None:
        if not self._responded and self.text and not self._closed:
            self._responded = True
            self._tell(
                events.Response(text=self.text.strip(), turn_id=self._turn_id, reply_id=self._reply_id)
            )
