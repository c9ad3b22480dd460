"""A model that answers in another language than it was asked to is not spoken.

Small models fall into English, and into Amharic for Tigrinya. The first fragment is looked at before it
is spoken, which costs no time: the voice would have waited for it as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from selam_agent.dialogue.sentences import Fragmenter
from selam_agent.languages.identify import clearly_not
from selam_agent.languages.masking import mask
from selam_agent.languages.packs import Pack, Packs
from selam_agent.ports import Break, Caution, ChatItem, ChatModel, ChatModelInfo, ChatRequest, Text
from selam_agent.session.translating import Translating


class LanguageGuard:
    """A :class:`~selam_agent.ports.ChatModel` that answers in the language of ``pack``, or says it cannot.

    An answer that begins in another language is asked for once more, more strictly; if that begins there
    too it is translated, and without a translator, or where that fails, the caller hears the pack's apology.
    Each is a ``wrong_language`` warning.
    """

    def __init__(self, model: ChatModel, pack: Pack, packs: Packs, translating: Translating | None) -> None:
        self._model = model
        self._pack = pack
        self._packs = packs
        self._translating = translating

    @property
    def info(self) -> ChatModelInfo:
        return self._model.info

    def suggestions(self, request: ChatRequest) -> tuple[str, ...]:
        """The model's."""
        return self._model.suggestions(request)

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        """Raises EngineError as the model does."""
        async with aclosing(_closable(self._model.reply(request))) as stream:
            held, found = await self._begin(stream)
            if found is None:
                async for item in _joined(held, stream):
                    yield item
                return
        yield self._caution(found, "asked_again")
        strictly = replace(request, instructions=f"{request.instructions}\n\n{self._pack.strict}".strip())
        async with aclosing(_closable(self._model.reply(strictly))) as stream:
            held, found = await self._begin(stream)
            if found is None:
                async for item in _joined(held, stream):
                    yield item
                return
            if self._translating is not None:
                yield self._caution(found, "translated")
                async for item in self._translated(_joined(held, stream), found, self._translating):
                    yield item
                return
        yield self._caution(found, "apology")
        yield Text(self._apology)

    async def aclose(self) -> None:
        """The model is the server's to close."""

    async def _begin(self, stream: AsyncIterator[ChatItem]) -> tuple[list[ChatItem], str | None]:
        """Reads as far as the first fragment; returns it, and the wrong language that it is in."""
        held: list[ChatItem] = []
        fragmenter, text = Fragmenter(), ""
        async for item in stream:
            held.append(item)
            if isinstance(item, Text):
                text += item.text
                if fragmenter.push(item.text):
                    break
            elif text.strip() or isinstance(item, Break):
                break
        return held, clearly_not(self._pack.code, mask(text).words, self._packs.languages)

    async def _translated(
        self, items: AsyncIterator[ChatItem], source: str, translating: Translating
    ) -> AsyncIterator[ChatItem]:
        """Sentence by sentence; one that cannot be translated ends the answer with an apology."""
        fragmenter = Fragmenter(clauses=False)
        async for item in _flushed(items):
            sentences = fragmenter.push(item.text) if isinstance(item, Text) else fragmenter.finish()
            for sentence in sentences:
                made = await translating.translate(sentence, source, self._pack.code)
                if made.caution is not None:
                    yield made.caution
                    yield Text(self._apology)
                    return
                yield Text(f"{made.text} ")
                yield Break()
            if not isinstance(item, Text):
                yield item

    @property
    def _apology(self) -> str:
        says = self._pack.says
        return says.get("wrong_language") or says["failed"]

    def _caution(self, found: str, remedy: str) -> Caution:
        return Caution(
            "wrong_language",
            f"The model answered in {self._packs[found].name} instead of {self._pack.name}.",
            {"expected": self._pack.code, "found": found, "remedy": remedy},
        )


async def _closable(stream: AsyncIterator[ChatItem]) -> AsyncGenerator[ChatItem, None]:
    """Any model's stream with an ``aclose`` that reaches it."""
    try:
        async for item in stream:
            yield item
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


async def _joined(held: Sequence[ChatItem], stream: AsyncIterator[ChatItem]) -> AsyncIterator[ChatItem]:
    for item in held:
        yield item
    async for item in stream:
        yield item


async def _flushed(items: AsyncIterator[ChatItem]) -> AsyncIterator[ChatItem]:
    async for item in items:
        yield item
    yield Break()
