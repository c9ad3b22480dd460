"""The model works in English, the caller does not.

What the caller says is translated for the model, and what it writes is translated back sentence by
sentence, so that the first is heard while the next is written. The conversation's history holds what was
said and heard, in the languages in which it was; for the model it is put into English again, its own
words as it wrote them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from selam_agent.dialogue.bilingual import Bilingual
from selam_agent.dialogue.sentences import Fragmenter
from selam_agent.languages.identify import identify
from selam_agent.languages.packs import Packs
from selam_agent.ports import Caution, ChatItem, ChatModel, ChatModelInfo, ChatRequest, Message, Text
from selam_agent.session.translating import Translating

ENGLISH = "en"
# Older messages that were never translated, from before the mode, stay as they are.
_MAX_UNKNOWN = 8


class Pivot:
    """A :class:`~selam_agent.ports.ChatModel` for one answer.

    Args:
        model: answers in English.
        memory: the session's.
        heard: the language of the caller's last words.
        preamble: of an English answer to a request of the caller's language.
    """

    def __init__(
        self,
        model: ChatModel,
        translating: Translating,
        memory: Bilingual,
        packs: Packs,
        heard: str | None,
        preamble: Callable[[ChatRequest], str],
    ) -> None:
        self._model = model
        self._translating = translating
        self._memory = memory
        self._packs = packs
        self._heard = heard
        self._preamble = preamble

    @property
    def info(self) -> ChatModelInfo:
        return self._model.info

    def suggestions(self, request: ChatRequest) -> tuple[str, ...]:
        """The model's."""
        return self._model.suggestions(request)

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        """Raises EngineError as the model does."""
        messages, cautions = await self._in_english(request)
        for caution in cautions:
            yield caution
        asked = replace(request, messages=messages, language=ENGLISH, preamble=self._preamble(request))
        fragmenter = Fragmenter(clauses=False)
        stream = self._model.reply(asked)
        try:
            async for item in stream:
                if isinstance(item, Text):
                    for sentence in fragmenter.push(item.text):
                        async for made in self._said(sentence, request.language):
                            yield made
                    continue
                for sentence in fragmenter.finish():
                    async for made in self._said(sentence, request.language):
                        yield made
                yield item
            for sentence in fragmenter.finish():
                async for made in self._said(sentence, request.language):
                    yield made
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    async def aclose(self) -> None:
        """The model is the server's to close."""

    async def _said(self, sentence: str, target: str) -> AsyncIterator[ChatItem]:
        made = await self._translating.translate(sentence, ENGLISH, target)
        self._memory.remember(made.text, sentence)
        for item in made.items(target):
            yield item

    async def _in_english(self, request: ChatRequest) -> tuple[tuple[Message, ...], list[Caution]]:
        """The conversation for the model; what it is not known in English is translated, at once."""
        meant = [self._meaning(message) for message in request.messages]
        unknown = [number for number, text in enumerate(meant) if text is None][-_MAX_UNKNOWN:]
        last_words = max((n for n, each in enumerate(request.messages) if each.role == "user"), default=-1)
        cautions: list[Caution] = []

        async def translate(number: int) -> None:
            content = request.messages[number].content
            source = identify(content, self._packs.languages, request.language)
            if number == last_words and self._heard is not None:
                source = self._heard
            made = await self._translating.translate(content, source, ENGLISH)
            # Remembered also where it failed: the model can do with it as it is, and nobody waits again.
            self._memory.remember(content, made.text)
            meant[number] = made.text
            if made.caution is not None and number == last_words:
                cautions.append(made.caution)

        await asyncio.gather(*(translate(number) for number in unknown))
        made = (
            message if text is None else replace(message, content=text)
            for message, text in zip(request.messages, meant, strict=True)
        )
        return tuple(made), cautions

    def _meaning(self, message: Message) -> str | None:
        if message.role in ("system", "tool") or not message.content.strip():
            return message.content
        return self._memory.meaning(message.content)
