"""Who writes the answer: the model, watched over and perhaps translated, or an interpreter."""

from __future__ import annotations

from datetime import datetime

from selam_agent.dialogue.bilingual import Bilingual
from selam_agent.languages.packs import Pack, Packs
from selam_agent.languages.preamble import preamble
from selam_agent.ports import ChatModel, ChatRequest
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.guard import LanguageGuard
from selam_agent.session.interpreter import Interpreter
from selam_agent.session.pivot import ENGLISH, Pivot
from selam_agent.session.speaker import Speaker
from selam_agent.session.translating import Translating
from selam_agent.settings import Settings


class Writers:
    """Of one session."""

    def __init__(self, engines: Engines, packs: Packs, settings: Settings) -> None:
        self._model = engines.chat_model
        self._packs = packs
        self._preamble = settings.llm.preamble
        self._memory = Bilingual()
        self._translating = (
            Translating(engines.translator, packs, settings.translation.deadline_s)
            if engines.translator is not None
            else None
        )

    def writer(self, config: SessionConfig, heard: str | None, speaker: Speaker) -> ChatModel:
        """Writes the answer to words in ``heard``, or of its own accord, in the speaker's language."""
        target = speaker.pack.code
        if self._translating is not None:
            self._translating.locale = config.locale
        if heard is not None and config.translation == "interpreter" and self._translating is not None:
            return Interpreter(self._translating, heard, target)
        model = speaker.model or self._model
        pivot = config.translation == "pivot" and (target, heard or target) != (ENGLISH, ENGLISH)
        if pivot and self._translating is not None:
            return Pivot(
                self._watched(model, ENGLISH),
                self._translating,
                self._memory,
                self._packs,
                heard,
                self._english_preamble,
            )
        return self._watched(model, target)

    def _watched(self, model: ChatModel, language: str) -> ChatModel:
        info = model.info
        if info.generative and info.follows_instructions and not info.speaks:
            return LanguageGuard(model, self._packs[language], self._packs, self._translating)
        return model

    def preamble(self, pack: Pack, now: datetime) -> str:
        """What the model is told first; ``now``: aware local time of the caller."""
        return preamble(pack, now, template=self._preamble)

    def _english_preamble(self, request: ChatRequest) -> str:
        english, region = self._packs[ENGLISH], self._packs[request.locale or request.language]
        return preamble(english, request.now, region, self._preamble)
