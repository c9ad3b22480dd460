"""The voices of one session: which one speaks now, who takes its place, and what the client is told of it."""

from __future__ import annotations

from collections.abc import Callable

from selam_agent import events
from selam_agent.errors import SessionError
from selam_agent.languages.packs import Packs
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.handover import Fallback
from selam_agent.session.speaker import Speaker, choose_for


class Voices:
    """``speaker`` speaks now."""

    def __init__(
        self,
        config: SessionConfig,
        engines: Engines,
        packs: Packs,
        speaker: Speaker,
        emit: Callable[[events.Event], None],
    ) -> None:
        self._config = config
        self._engines = engines
        self._packs = packs
        self._emit = emit
        self.speaker = speaker
        # Engines that have failed, and languages that none of the engines speaks: each is told once.
        self._failed: set[str] = set()
        self._voiceless: set[str] = set()

    def configure(self, config: SessionConfig, speaker: Speaker) -> None:
        """New wishes of the client."""
        self._config = config
        self._change(speaker, "client")

    def of(self, language: str) -> Speaker | None:
        """A voice of this language, as the client wishes; None where there is none."""
        try:
            return self._choose(language)
        except SessionError:
            return None

    def to_answer_in(self, language: str) -> Speaker:
        """A voice of this language; where there is none the present one, with a warning the first time."""
        if language == self.speaker.pack.code:
            return self.speaker
        try:
            return self._choose(language)
        except SessionError as error:
            if language not in self._voiceless:
                self._voiceless.add(language)
                message = f"{error.message} The answer comes in {self.speaker.pack.name}."
                self._emit(events.Notice(code=error.code, message=message, details=error.details or {}))
            return self.speaker

    def follow(self, language: str, reason: str) -> None:
        """The agent answers in this language from now on; ``reason`` as in ``VoiceChanged``."""
        self._change(self.to_answer_in(language), reason)

    def fell_back(self, fallback: Fallback) -> None:
        """Told once per engine and session: the voice keeps its name and language, not its sound."""
        if fallback.failed in self._failed:
            return
        self._failed.add(fallback.failed)
        self._emit(
            events.Notice(
                code="voice_engine_failed",
                message=f"The voice engine {fallback.failed} does not answer as it should; "
                f"{fallback.instead} speaks instead.",
                details={"engine": fallback.failed, "instead": fallback.instead, "reason": fallback.reason},
            )
        )

    def _choose(self, language: str) -> Speaker:
        return choose_for(self._packs, self._engines, language, self._config.voice, self._config.locale)

    def _change(self, speaker: Speaker, reason: str) -> None:
        old, self.speaker = self.speaker, speaker
        if speaker.voice.name != old.voice.name:
            self._emit(
                events.VoiceChanged(
                    old_voice=old.voice.name,
                    new_voice=speaker.voice.name,
                    language=speaker.pack.code,
                    reason=reason,
                )
            )
