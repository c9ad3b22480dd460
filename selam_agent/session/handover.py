"""One voice, several engines: when one does not answer or dies, the next one goes on with the words left.

A remote engine must not delay the first sound: while the voice has another engine it gets
``tts_first_ms`` (``tts_failing_ms`` while its breaker is not closed) for it, or until the reply is let
out, whichever is later: as long as nobody may hear the reply, nobody waits. Later it must be back
before what is being played runs out, by the same grace. A reply stays with the engine it fell to.

No word is lost and none is said twice: the audio of a word that is not all there is held back. An
engine without word times is cut where people usually are by then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from selam_agent.dialogue.playhead import usual_pace
from selam_agent.errors import EngineError
from selam_agent.ports import Guarded, SpeechChunk, SynthesisRequest
from selam_agent.session.phrases import Phrases
from selam_agent.session.speaker import Speaker, VoiceEngine
from selam_agent.settings import Turns

# Words come with or before their audio; after so much audio without any there will be none.
_FIRST_WORD_MS = 250
# The longest words; more is never held back.
_LONGEST_WORD_MS = 1500
# Switching to a local engine takes about this long.
_SWITCH_MS = 100
# Less audio than this carries no word that could be told.
_TELLING_MS = 300


@dataclass(frozen=True, slots=True)
class Handover:
    """Another engine goes on from this character of the text it was given last, where a word begins."""

    spoken: int


@dataclass(frozen=True, slots=True)
class Fallback:
    """``failed`` did not speak and ``instead`` does from here on; ``reason`` is the error's code."""

    failed: str
    instead: str
    reason: str


class Chain:
    """The engines of a voice, for one reply.

    Args:
        due: set when the reply may be heard.
        left_ms: how much of the reply's audio has not been played yet.
        on_fallback: told of each change of the engine.
    """

    def __init__(
        self,
        speaker: Speaker,
        timings: Turns,
        phrases: Phrases,
        *,
        due: asyncio.Event,
        left_ms: Callable[[], float],
        on_fallback: Callable[[Fallback], None],
    ) -> None:
        self._language = speaker.pack.code
        self._engines = deque(speaker.engines)
        self._timings = timings
        self._phrases = phrases
        self._due = due
        self._left_ms = left_ms
        self._on_fallback = on_fallback
        self._clock = asyncio.get_running_loop().time
        # Since when a sound is waited for.
        self._asked_at = 0.0

    async def speak(self, text: str, *, often: bool) -> AsyncGenerator[SpeechChunk | Handover, None]:
        """Speaks a text, which has a word; ``often``: it is said again and again.

        Raises EngineError when the last engine fails.
        """
        self._asked_at = self._clock()
        while True:
            engine = self._engines[0]
            progress = _Progress(text, holds=len(self._engines) > 1)
            try:
                async with aclosing(self._pieces(engine, text, often)) as pieces:
                    async for chunk in pieces:
                        yield progress.push(chunk)
                if not progress.sounded and len(self._engines) > 1:
                    raise EngineError("The voice engine sent no audio.", code="tts_silent")
                if (rest := progress.finish()) is not None:
                    yield rest
                return
            except EngineError as error:
                if len(self._engines) == 1:
                    raise
                self._engines.popleft()
                instead = self._engines[0].synthesizer.info.name
                self._on_fallback(Fallback(engine.synthesizer.info.name, instead, error.code))
            spoken = next((i for i in range(progress.spoken, len(text)) if text[i].isalnum()), len(text))
            yield Handover(spoken)
            text, often = text[spoken:], often and not spoken
            if progress.sounded:
                self._asked_at = self._clock()
            if not text:
                return

    async def _pieces(self, engine: VoiceEngine, text: str, often: bool) -> AsyncGenerator[SpeechChunk, None]:
        request = SynthesisRequest(text=text, language=self._language, voice=engine.parameters)
        synthesizer = engine.synthesizer
        stream = self._phrases.speak(synthesizer, request) if often else synthesizer.synthesize(request)
        try:
            piece = await self._first(stream, engine)
            while piece is not None:
                yield piece
                piece = await self._next(stream, engine)
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    def _hurries(self, engine: VoiceEngine) -> bool:
        info = engine.synthesizer.info
        return len(self._engines) > 1 and (info.remote or info.leaves_machine)

    async def _first(self, stream: AsyncIterator[SpeechChunk], engine: VoiceEngine) -> SpeechChunk | None:
        if not self._hurries(engine):
            return await self._within(stream, engine, self._timings.tts_deadline_s)
        patience = float(self._timings.tts_failing_ms)
        if _well(engine):
            # Several remote engines share the time that nobody is to wait longer than.
            waited_ms = (self._clock() - self._asked_at) * 1000
            patience = max(patience, self._timings.tts_first_ms - waited_ms, self._left_ms() - _SWITCH_MS)
        first = asyncio.create_task(_piece(stream), name="first sound")
        due = asyncio.create_task(self._due.wait(), name="let out")
        try:
            await asyncio.wait({first}, timeout=patience / 1000)
            if not first.done() and _well(engine):
                left_s = max(0.0, self._timings.tts_deadline_s - patience / 1000)
                await asyncio.wait({first, due}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                raise _too_long(engine)
            return first.result()
        finally:
            first.cancel()
            due.cancel()
            await asyncio.wait({first, due})

    async def _next(self, stream: AsyncIterator[SpeechChunk], engine: VoiceEngine) -> SpeechChunk | None:
        deadline_s = self._timings.tts_deadline_s
        if self._hurries(engine):
            patience_ms = max(0.0, self._left_ms()) + self._timings.tts_first_ms
            deadline_s = min(deadline_s, patience_ms / 1000)
        return await self._within(stream, engine, deadline_s)

    async def _within(
        self, stream: AsyncIterator[SpeechChunk], engine: VoiceEngine, deadline_s: float
    ) -> SpeechChunk | None:
        try:
            async with asyncio.timeout(deadline_s):
                return await anext(stream, None)
        except TimeoutError:
            raise _too_long(engine) from None


class _Progress:
    """How far an engine has come with a text. ``spoken``: the characters whose audio was passed on."""

    def __init__(self, text: str, *, holds: bool) -> None:
        self._text = text
        self._holds = holds
        self._cursor = 0
        # Words whose audio is not all there: (start ms, end ms, where they end in the text).
        self._begun: deque[tuple[float, float, int]] = deque()
        self._words = False
        self._complete = 0
        self._complete_ms = 0.0
        self._held = b""
        self._rate = 0
        self._made_ms = 0.0
        self._passed_ms = 0.0

    def push(self, chunk: SpeechChunk) -> SpeechChunk:
        """What may be heard now; its audio may be empty."""
        self._rate = chunk.sample_rate
        self._held += chunk.pcm
        self._made_ms += self._ms(chunk.pcm)
        for word in chunk.words:
            at = self._text.find(word.text, self._cursor)
            if at >= 0 and word.text:
                self._words = True
                self._cursor = at + len(word.text)
                self._begun.append((word.start_ms, word.end_ms, self._cursor))
        while self._begun and self._begun[0][1] <= self._made_ms:
            _, self._complete_ms, self._complete = self._begun.popleft()
        until = self._made_ms
        if self._holds and self._words:
            until = self._begun[0][0] if self._begun else self._complete_ms
            until = max(until, self._made_ms - _LONGEST_WORD_MS)
        elif self._holds and self._made_ms < _FIRST_WORD_MS:
            until = 0.0
        return self._pass(until, chunk)

    def finish(self) -> SpeechChunk | None:
        """The engine has said everything."""
        if not self._held:
            return None
        return SpeechChunk(pcm=self._held, sample_rate=self._rate)

    @property
    def sounded(self) -> bool:
        """Whether there was any audio."""
        return self._made_ms > 0

    @property
    def spoken(self) -> int:
        if self._words:
            return self._complete
        if self._passed_ms < _TELLING_MS:
            return 0
        cut = int(self._passed_ms * usual_pace(self._text))
        return len(self._text) if cut >= len(self._text) else self._text.rfind(" ", 0, cut + 1) + 1

    def _pass(self, until_ms: float, chunk: SpeechChunk) -> SpeechChunk:
        size = max(0, int((until_ms - self._passed_ms) * self._rate / 1000)) * 2
        passed, self._held = self._held[:size], self._held[size:]
        self._passed_ms += self._ms(passed)
        return SpeechChunk(pcm=passed, sample_rate=self._rate, words=chunk.words)

    def _ms(self, pcm: bytes) -> float:
        return len(pcm) // 2 * 1000 / self._rate


def _well(engine: VoiceEngine) -> bool:
    return not isinstance(engine.synthesizer, Guarded) or engine.synthesizer.breaker_state == "closed"


def _too_long(engine: VoiceEngine) -> EngineError:
    name = engine.synthesizer.info.name
    return EngineError(f"The voice engine {name} took too long.", code="tts_timeout")


async def _piece(stream: AsyncIterator[SpeechChunk]) -> SpeechChunk | None:
    return await anext(stream, None)
