"""Who writes the answer: the model, watched over, or an interpreter in its place."""

from __future__ import annotations

from datetime import datetime

from selam_agent.languages.packs import Pack, Packs
from selam_agent.languages.preamble import preamble
from selam_agent.ports import ChatModel
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.guard import LanguageGuard
from selam_agent.session.interpreter import Interpreter
from selam_agent.session.translating import Translating
from selam_agent.settings import Settings


class Writers:
    """Of one session."""

    def __init__(self, engines: Engines, packs: Packs, settings: Settings) -> None:
        self._model = engines.chat_model
        self._packs = packs
        self._preamble = settings.llm.preamble
        self._translating = (
            Translating(engines.translator, packs, settings.translation.deadline_s)
            if engines.translator is not None
            else None
        )

    def writer(self, config: SessionConfig, heard: str | None, target: str) -> ChatModel:
        """Writes the answer to words in ``heard``, or of its own accord, in the language ``target``."""
        if heard is not None and config.translation == "interpreter" and self._translating is not None:
            return Interpreter(self._translating, heard, target)
        info = self._model.info
        if info.generative and info.follows_instructions and not info.speaks:
            return LanguageGuard(self._model, self._packs[target], self._packs, self._translating)
        return self._model

    def preamble(self, pack: Pack, now: datetime) -> str:
        """What the model is told first; ``now``: aware local time of the caller."""
        return preamble(pack, now, template=self._preamble)
