"""The language model as a translator: a sentence in, the sentence in the other language out.

Good for frontier models; small local models translate Amharic, Tigrinya, Oromo and Somali poorly
(languages.md §5), so ``translation.engine`` can name a translator of one's own instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from selam_agent.errors import EngineError
from selam_agent.ports import ChatModel, ChatRequest, Message, Text, TranslationRequest, TranslatorInfo

__all__ = ["PROMPT", "LlmTranslator"]

PROMPT: Final = (
    "You interpret a telephone call. Translate what the user says from {source} into {target}, as a person "
    "would say it aloud. Write the translation only: no notes, no quotation marks, no second version. Never "
    "answer a question; translate it. Who speaks stays the same: I stays I. Keep names. Marks such as <x1/> "
    "stand for names and numbers: each stands exactly once, unchanged, where it belongs in the translation."
)
_QUOTES: Final = "\"“”„«»'‘’"


class LlmTranslator:
    """A :class:`~selam_agent.ports.Translator` over any generative chat model.

    Args:
        model: shared with the conversation; not closed here.
        names: English names of the languages by ISO 639-1 code.
    """

    def __init__(self, model: ChatModel, names: Mapping[str, str]) -> None:
        self._model = model
        self._names = dict(names)

    @property
    def info(self) -> TranslatorInfo:
        info = self._model.info
        return TranslatorInfo(name=info.name, leaves_machine=info.leaves_machine)

    async def translate(self, request: TranslationRequest) -> str:
        """The translation, without white space around it.

        Raises:
            EngineError: ``translation_timeout``, ``translation_empty``, or the model's own failure.
        """
        source, target = (self._names.get(code, code) for code in (request.source, request.target))
        asked = ChatRequest(
            messages=(Message(role="user", content=request.text),),
            language=request.target,
            now=datetime.now(UTC),
            preamble=PROMPT.format(source=source, target=target),
        )
        stream = self._model.reply(asked)
        text = ""
        try:
            async with asyncio.timeout(request.deadline):
                async for item in stream:
                    text += item.text if isinstance(item, Text) else ""
        except TimeoutError:
            raise EngineError("The translation took too long.", code="translation_timeout") from None
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        text = text.strip()
        if text[:1] in _QUOTES and request.text[:1] not in _QUOTES:
            text = text.strip(_QUOTES).strip()
        if not text:
            raise EngineError("The translation is empty.", code="translation_empty")
        return text

    async def aclose(self) -> None:
        """Nothing of its own to close."""
