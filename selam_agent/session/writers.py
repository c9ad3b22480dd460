"""Who writes the answer: the model itself, or an interpreter in its place."""

from __future__ import annotations

from selam_agent.languages.packs import Packs
from selam_agent.ports import ChatModel
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.interpreter import Interpreter
from selam_agent.session.translating import Translating


class Writers:
    """Of one session. ``deadline_s``: how long the translation of a sentence may take."""

    def __init__(self, engines: Engines, packs: Packs, deadline_s: float) -> None:
        self._model = engines.chat_model
        self._translating = (
            Translating(engines.translator, packs, deadline_s) if engines.translator is not None else None
        )

    def writer(self, config: SessionConfig, heard: str | None, target: str) -> ChatModel:
        """Writes the answer to words in ``heard``, or of its own accord, in the language ``target``."""
        if heard is not None and config.translation == "interpreter" and self._translating is not None:
            return Interpreter(self._translating, heard, target)
        return self._model
