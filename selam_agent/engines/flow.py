"""The rule-based model: a flow file as a ``ChatModel``. Deterministic, offline, answers in no time.

It keeps no state: each call folds the request's messages anew, so that what was interrupted,
corrected or only tried out beforehand leaves no trace.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from selam_agent.engines.flow_format import find_flow, load_flow
from selam_agent.engines.flow_match import Matcher, Understanding
from selam_agent.engines.flow_state import Manager, State, Turn
from selam_agent.errors import EngineError
from selam_agent.languages.packs import Packs
from selam_agent.ports import ChatItem, ChatModelInfo, ChatRequest, Message, Result, Text

_PIECE = re.compile(r".+?(?:[።?!…]\s+|[.]\s+|$)", re.DOTALL)


class FlowModel:
    """Speaks one flow.

    Args:
        flow: a name in ``voices/flows`` or the path of a flow file.
        packs: the language packs.

    Raises:
        SettingsError: the flow is not there or cannot be used; says which file and key.
    """

    def __init__(self, flow: str | Path, packs: Packs) -> None:
        self._packs = packs
        self._flow = load_flow(find_flow(flow, packs), packs)
        self._matchers = {code: Matcher(self._flow, packs[code]) for code in self._flow.languages}
        # The same words mean other hours where the clock is another.
        self._regional = {
            pack.locale: Matcher(self._flow, pack)
            for code in self._flow.languages
            for pack in packs[code].regions.values()
        }
        self._understand = lru_cache(maxsize=1024)(self._understand_text)

    @property
    def phrases(self) -> dict[str, tuple[str, ...]]:
        """Per language what the flow expects to hear, word for word: for recognisers that need a list."""
        return {code: self._flow.phrases(code) for code in self._flow.languages}

    @property
    def info(self) -> ChatModelInfo:
        return ChatModelInfo(
            name=f"flow:{self._flow.name}",
            generative=False,
            follows_instructions=False,
            languages=self._flow.languages,
        )

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        """The answer sentence by sentence; a ``Result`` before it when this turn completes a task.

        Without any user message it is the flow's opening.

        Raises:
            EngineError: (``language_unsupported``) the flow does not speak the request's language.
        """
        state = self._fold(request)
        if state.result:
            # First, so that an interruption of the words cannot lose it.
            name, data = state.result
            yield Result(name, data)
        for piece in _PIECE.findall(state.reply):
            yield Text(piece)

    def suggestions(self, request: ChatRequest) -> tuple[str, ...]:
        """Up to four phrases that can be said now; empty in a language the flow does not speak."""
        if request.language not in self._matchers:
            return ()
        return self._manager(request).suggestions(self._fold(request))

    async def aclose(self) -> None:
        """Nothing to close."""

    def _manager(self, request: ChatRequest) -> Manager:
        return Manager(self._flow, self._packs[request.locale or request.language], request.now)

    def _fold(self, request: ChatRequest) -> State:
        if request.language not in self._matchers:
            raise EngineError(
                f"The flow {self._flow.name!r} does not speak {request.language!r}.",
                code="language_unsupported",
                details={"languages": list(self._flow.languages)},
                retryable=False,
            )
        manager = self._manager(request)
        state = manager.opening()
        heard = [message for message in request.messages if message.role in ("user", "assistant")]
        for index, message in enumerate(heard):
            if message.role == "user":
                before, after = _agent(heard[:index][::-1])[::-1], _agent(heard[index + 1 :])
                turn = Turn(
                    self._understand(message.content, request.language, request.locale),
                    " ".join(before),
                    " ".join(after),
                )
                state = manager.step(state, turn)
            elif index == len(heard) - 1:
                state = replace(state, result=None)  # it was handed over with that message
        return state

    def _understand_text(self, text: str, language: str, locale: str) -> Understanding:
        """In the session's language; else in another one where every sentence is a known phrase.

        A session may change its language, and what was said before still counts.
        """
        understood = self._regional.get(locale, self._matchers[language]).understand(text)
        if not understood:
            for matcher in self._matchers.values():
                if matcher.says_exactly(text):
                    return matcher.understand(text)
        return understood


def _agent(messages: list[Message]) -> list[str]:
    """The agent's messages up to the next of the caller."""
    found = []
    for message in messages:
        if message.role == "user":
            break
        found.append(message.content)
    return found
