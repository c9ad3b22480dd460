"""One translation that callers can rely on: checked, tried twice, and never silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from selam_agent.errors import EngineError, SelamError
from selam_agent.languages.carry_hours import carry_hours
from selam_agent.languages.identify import clearly_not
from selam_agent.languages.masking import mask, restore
from selam_agent.languages.packs import Pack, Packs
from selam_agent.ports import Break, Caution, ChatItem, Language, Text, TranslationRequest, Translator

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Translated:
    """``text`` is in ``language``: the target, or the source with a ``caution`` that says why."""

    text: str
    language: str
    caution: Caution | None = None

    def items(self, target: str) -> Iterator[ChatItem]:
        """A part of a reply in ``target``; what stayed as it was is for a voice of its own language."""
        if self.caution is not None:
            yield self.caution
        if self.language != target:
            yield Language(self.language)
        yield Text(f"{self.text} ")
        yield Break()
        if self.language != target:
            yield Language(target)


class Translating:
    """Names, numbers and placeholders are hidden from the translator and put back; hours change their clock.

    Where they do not come back, or the text is not in the target language, the translator is asked once
    more; after that, or after ``deadline_s`` seconds for both, the text stays as it was.
    """

    def __init__(self, translator: Translator, packs: Packs, deadline_s: float) -> None:
        self._translator = translator
        self._packs = packs
        self._deadline_s = deadline_s
        # The region of one of the languages, such as ``ti-ER``, where the client names it.
        self.locale = ""
        self._ordinary = _ordinary(packs)

    async def translate(self, text: str, source: str, target: str) -> Translated:
        """Never raises but for cancellation."""
        text = text.strip()
        masked = mask(carry_hours(text, self._pack(source), self._pack(target)), self._ordinary)
        if source == target or not masked.words:
            return Translated(restore(masked.text, masked.hidden) or text, target)
        loop = asyncio.get_running_loop()
        end = loop.time() + self._deadline_s
        reason = ""
        for _ in range(2):
            left = end - loop.time()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    request = TranslationRequest(
                        text=masked.text, source=source, target=target, deadline=left
                    )
                    made = (await self._translator.translate(request)).strip()
            except TimeoutError:
                reason = "translation_timeout"
            except SelamError as error:
                reason = error.code
                if not (isinstance(error, EngineError) and error.retryable):
                    break
            except Exception:
                log.exception("the translator failed")
                reason = "translation_failed"
            else:
                restored = restore(made, masked.hidden)
                if restored is None:
                    reason = "names_or_numbers_lost"
                elif not made or clearly_not(target, mask(made).words, (source, target)):
                    reason = "not_translated"
                else:
                    return Translated(restored, target)
        caution = Caution(
            "untranslated",
            "A sentence could not be translated and stays as it was.",
            {"from": source, "to": target, "reason": reason},
        )
        return Translated(text, source, caution)

    def _pack(self, language: str) -> Pack:
        return self._packs[self.locale if self.locale.partition("-")[0] == language else language]


@lru_cache(maxsize=4)
def _ordinary(packs: Packs) -> frozenset[str]:
    """Words with a capital that are translated all the same; the same for every session."""
    return frozenset(
        word
        for pack in packs
        for word in (*pack.calendar.weekdays, *pack.calendar.months, *pack.name.split())
    )
