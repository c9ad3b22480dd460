"""The voice's task of one reply: takes what the model writes, fragment by fragment, and fills the playout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from selam_agent import events
from selam_agent.audio.encode import EncodedChunk
from selam_agent.dialogue.playhead import SpokenText
from selam_agent.ports import Language, Speech
from selam_agent.session.answer import Asked
from selam_agent.session.config import SessionConfig
from selam_agent.session.handover import Chain, Fallback
from selam_agent.session.phrases import Phrases
from selam_agent.session.playout import Playout
from selam_agent.session.speaker import Speaker
from selam_agent.session.stages import Marks
from selam_agent.session.voicing import Voicing
from selam_agent.session.writing import Writing
from selam_agent.settings import Turns


class Speaking:
    """``run`` it once. Nothing is spoken long before it is needed: little is wasted when the reply stops.

    Args:
        speaker: the reply's own voice; another one speaks what it cannot, if ``voice_of`` knows one.
        fixed: the reply is a text that is said again and again.
        on_tools: called when everything before a call for tools has been played, with its position (ms).
    """

    def __init__(
        self,
        *,
        speaker: Speaker,
        config: SessionConfig,
        timings: Turns,
        phrases: Phrases,
        writing: Writing,
        playout: Playout,
        spoken: SpokenText,
        marks: Marks,
        fixed: bool,
        emit: Callable[[events.Event], None],
        on_tools: Callable[[float], None],
        on_fallback: Callable[[Fallback], None],
        voice_of: Callable[[str], Speaker | None],
    ) -> None:
        self._own = self._now = speaker
        self._timings = timings
        self._phrases = phrases
        self._writing = writing
        self._playout = playout
        self._marks = marks
        self._emit = emit
        self._on_tools = on_tools
        self._on_fallback = on_fallback
        self._voice_of = voice_of
        self._clock = asyncio.get_running_loop().time
        self._often = speaker.pack.says.values()
        self._fixed = fixed
        self._voicing = Voicing(speaker.pack, self._chain(speaker), config, spoken)

    async def run(self) -> None:
        """Speaks to the end. Raises EngineError."""
        try:
            while (fragment := await self._writing.fragments.get()) is not None:
                if isinstance(fragment, Asked):
                    await self._playout.put(self._on_tools)
                elif isinstance(fragment, Language):
                    await self._turn_to(fragment.code)
                else:
                    await self._say(fragment)
            async for chunks in self._voicing.played():
                await self._put(chunks)
            await self._playout.put(None)
        finally:
            # Its engines ask this object how much is left: a cycle that would keep the reply's audio.
            del self._voicing

    async def _say(self, fragment: str | Speech) -> None:
        if self._marks.first_fragment is None:
            self._marks.first_fragment = self._clock()
        if isinstance(fragment, Speech):
            pieces = self._voicing.play(fragment)
        else:
            await self._until_needed()
            often = self._fixed or fragment.strip() in self._often
            pieces = self._voicing.speak(fragment, often=often)
        self._marks.voice_works(self._clock())
        async for chunks in pieces:
            self._marks.voice_rests(self._clock())
            if self._marks.first_pcm is None and chunks:
                self._marks.first_pcm = self._clock()
            await self._put(chunks)
            self._marks.voice_works(self._clock())
        self._marks.voice_rests(self._clock())

    async def _put(self, chunks: list[EncodedChunk]) -> None:
        for chunk in chunks:
            await self._playout.put(chunk)

    async def _turn_to(self, language: str) -> None:
        """Changes to a voice that speaks this language, if there is one."""
        before = self._now
        if language == self._own.pack.code:
            self._now = self._own
        elif language != before.pack.code:
            self._now = self._voice_of(language) or before
        if self._now is not before:
            self._voicing.turn_to(self._now.pack, self._chain(self._now))
            await self._playout.put(self._voice_change(before, self._now))

    def _voice_change(self, before: Speaker, now: Speaker) -> Callable[[float], None]:
        """Tells the client, when everything before it has been played."""
        changed = events.VoiceChanged(
            old_voice=before.voice.name,
            new_voice=now.voice.name,
            language=now.pack.code,
            reason="untranslated" if now is not self._own else "translated",
        )
        emit = self._emit
        return lambda _: emit(changed)

    async def _until_needed(self) -> None:
        """Waits until at most ``next_fragment_ms`` of speech are left."""
        while True:
            await self._playout.running.wait()
            left = self._left_ms() - self._timings.next_fragment_ms
            if left <= 0:
                return
            await asyncio.sleep(max(0.02, left / 1000))

    def _left_ms(self) -> float:
        """How much of what the voice has said was not played yet."""
        return self._voicing.voiced_ms - self._playout.heard_ms()

    def _chain(self, speaker: Speaker) -> Chain:
        return Chain(
            speaker,
            self._timings,
            self._phrases,
            due=self._writing.gate,
            left_ms=self._left_ms,
            on_fallback=self._on_fallback,
        )
