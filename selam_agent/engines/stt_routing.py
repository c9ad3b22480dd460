"""One recogniser per language behind the one interface, and what Whisper may not be used for.

A request with a language goes to that language's recogniser. One without goes to ``any``: the
recogniser that names itself so, else the one that most languages use; its text is identified
elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from selam_agent.ports import Transcriber, TranscriberInfo, Transcript, TranscriptionRequest

__all__ = ["ALTERNATIVE", "ANY", "NAMES", "WHISPER_POOR", "RoutingTranscriber", "whisper_refusal"]

ANY: Final = "any"
NAMES: Final = {
    "am": "Amharic",
    "en": "English",
    "om": "Afaan Oromo",
    "so": "Somali",
    "ti": "Tigrinya",
}
# Published for stock models: model card of BuzzASR/amharic; openai/whisper, language-breakdown.svg.
WHISPER_POOR: Final = {
    "am": "a published character error rate of 193 % (large-v3, FLEURS)",
    "so": "a word error rate above 60 % (OpenAI's chart of large-v3 lists the languages below that)",
}
_WHISPER_WITHOUT: Final = ("ti", "om")
ALTERNATIVE: Final = "omnilingual-300m"


def whisper_refusal(language: str) -> str:
    """Why stock Whisper is not used for this language and what is instead; empty where it may be."""
    if language not in _WHISPER_WITHOUT:
        return ""
    return (
        f"stt.models.{language}: stock Whisper does not know {NAMES[language]}. Use Omnilingual ASR: "
        f'`selam-agent models pull {ALTERNATIVE}`, then {language} = "sherpa:{ALTERNATIVE}"'
    )


class RoutingTranscriber(Transcriber):
    """See the module's docstring. ``by_language`` may share recognisers; ``default`` hears all others."""

    def __init__(self, by_language: Mapping[str, Transcriber], default: Transcriber) -> None:
        self._by_language = {code: each for code, each in by_language.items() if code != ANY}
        self._default = default
        self._any = by_language.get(ANY) or self._most_used()

    def _most_used(self) -> Transcriber:
        used = Counter(id(each) for each in self._by_language.values())
        return max(self._by_language.values(), key=lambda each: used[id(each)], default=self._default)

    def part(self, language: str | None) -> Transcriber:
        """Which recogniser hears this language."""
        if language is None:
            return self._any
        return self._by_language.get(language, self._default)

    @property
    def parts(self) -> tuple[Transcriber, ...]:
        """The recognisers, each once."""
        every = (*self._by_language.values(), self._any, self._default)
        return tuple({id(each): each for each in every}.values())

    @property
    def info(self) -> TranscriberInfo:
        """Of the recogniser that hears callers of an unknown language; what leaves, leaves."""
        names = [f"{code}: {each.info.name}" for code, each in self._by_language.items()]
        return replace(
            self._any.info,
            name=", ".join((*names, f"others: {self._default.info.name}")),
            languages=None,
            leaves_machine=any(each.info.leaves_machine for each in self.parts),
        )

    def info_for(self, language: str | None) -> TranscriberInfo:
        """Of the recogniser that hears this language."""
        return self.part(language).info

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """As the recogniser of the request's language does."""
        return await self.part(request.language).transcribe(request)

    async def aclose(self) -> None:
        """Closes each; the first failure is raised when all are closed."""
        results = await asyncio.gather(*(each.aclose() for each in self.parts), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
