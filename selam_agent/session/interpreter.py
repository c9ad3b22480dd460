"""No assistant: what one says is said again in the other's language."""

from __future__ import annotations

from collections.abc import AsyncIterator

from selam_agent.dialogue.sentences import Fragmenter
from selam_agent.ports import ChatItem, ChatModelInfo, ChatRequest
from selam_agent.session.translating import Translating


class Interpreter:
    """A :class:`~selam_agent.ports.ChatModel` for one utterance: translates it from ``source`` to ``target``.

    Sentence by sentence, so that the first is heard while the next is translated.
    """

    def __init__(self, translating: Translating, source: str, target: str) -> None:
        self._translating = translating
        self._source = source
        self._target = target

    @property
    def info(self) -> ChatModelInfo:
        return ChatModelInfo(name="interpreter", generative=False, follows_instructions=False)

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        """The caller's last words in the other language."""
        fragmenter = Fragmenter(clauses=False)
        said = [each.content for each in request.messages if each.role == "user"][-1]
        for sentence in (*fragmenter.push(said), *fragmenter.finish()):
            made = await self._translating.translate(sentence, self._source, self._target)
            for item in made.items(self._target):
                yield item

    def suggestions(self, request: ChatRequest) -> tuple[str, ...]:
        """Anything can be said."""
        return ()

    async def aclose(self) -> None:
        """Nothing to close."""
