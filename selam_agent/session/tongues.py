"""Which language the caller speaks, and in which one the answer comes."""

from __future__ import annotations

from collections.abc import Callable

from selam_agent.languages.identify import identify
from selam_agent.languages.packs import Packs
from selam_agent.ports import Transcript
from selam_agent.session.config import SessionConfig


class Tongues:
    """The languages of a session's turns. ``speaking``: the language that the agent speaks now."""

    def __init__(self, config: SessionConfig, packs: Packs, speaking: Callable[[], str]) -> None:
        self._packs = packs
        self._speaking = speaking
        self.configure(config)

    def configure(self, config: SessionConfig) -> None:
        """New wishes of the client."""
        self._language = config.language
        self._pair = config.languages if config.translation == "interpreter" else ()
        self._spoken = config.languages or self._packs.languages

    @property
    def expected(self) -> str | None:
        """What the recogniser is told to expect; None: any."""
        return None if self._pair else self._language

    @property
    def interpreting(self) -> bool:
        """Whether each of two languages is said in the other."""
        return bool(self._pair)

    def heard(self, transcript: Transcript) -> str:
        """The language of these words: the recogniser's, where it says one, or the text's."""
        if transcript.language in self._spoken:
            return str(transcript.language)
        # In doubt whoever was spoken to answers.
        return identify(transcript.text, self._spoken, self._speaking())

    def answer(self, heard: str) -> str:
        """The language of the answer to words in ``heard``."""
        if self._pair:
            one, other = self._pair
            return other if heard == one else one
        return self._language or heard
