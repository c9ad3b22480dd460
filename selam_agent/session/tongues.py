"""Which language the caller speaks, and in which one the answer comes."""

from __future__ import annotations

from collections.abc import Callable

from selam_agent.languages.identify import Followed, identify, script_of, written_in
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
        self._followed = Followed(self._speaking())

    @property
    def expected(self) -> str | None:
        """What the recogniser is told to expect; None: any."""
        only = self._spoken[0] if len(self._spoken) == 1 else None
        return None if self._pair else self._language or only

    @property
    def interpreting(self) -> bool:
        """Whether each of two languages is said in the other."""
        return bool(self._pair)

    def heard(self, transcript: Transcript) -> str:
        """The language of these words: the recogniser's, where it says one, or the text's."""
        told = self._told(transcript)
        if told is not None:
            return told
        # In doubt: between two people, whoever was spoken to answers.
        current = self._speaking() if self._pair else self._language or self._followed.language
        return identify(transcript.text, self._spoken, current)

    def answer(self, transcript: Transcript) -> str:
        """The language of the answer to these words, if they are a turn."""
        heard = self.heard(transcript)
        if self._pair:
            one, other = self._pair
            return other if heard == one else one
        return self._language or self._after(transcript, heard).language

    def settle(self, transcript: Transcript) -> str:
        """They are: ``answer``, and what follows for the next turns."""
        answer = self.answer(transcript)
        self._followed = self._after(transcript, self.heard(transcript))
        return answer

    def _after(self, transcript: Transcript, heard: str) -> Followed:
        return self._followed.after(heard, transcript.text, told=self._told(transcript) is not None)

    def _told(self, transcript: Transcript) -> str | None:
        """The recogniser's language, unless the text cannot be in it."""
        code = transcript.language
        if code is None or code not in self._spoken:
            return None
        return code if script_of(transcript.text) in (None, written_in(code)) else None
