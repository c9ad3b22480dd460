"""Scripted engines and a recording outlet: what a session needs, with delays in the script.

The "speech" here is a square wave well over the gate and silence is zeros: voiced frames without a
synthesiser. Times are the loop's, so everything runs on the virtual clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from selam_agent import events
from selam_agent.errors import EngineError
from selam_agent.ports import (
    BreakerState,
    ChatItem,
    ChatModelInfo,
    ChatRequest,
    SpeechChunk,
    SynthesisRequest,
    SynthesizerInfo,
    Text,
    TranscriberInfo,
    Transcript,
    TranscriptionRequest,
    TranslationRequest,
    TranslatorInfo,
    Word,
)

E = TypeVar("E", bound=events.Event)

FRIDAY = datetime(2026, 11, 20, 11, 0, tzinfo=ZoneInfo("Africa/Addis_Ababa"))


def friday(zone: ZoneInfo) -> datetime:
    """The session's wall clock."""
    return FRIDAY.astimezone(zone)


@dataclass
class Recorder:
    """An outlet that remembers every event with its time."""

    seen: list[tuple[float, events.Event]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, event: events.Event) -> None:
        self.seen.append((asyncio.get_running_loop().time(), event))
        self._news.set()

    async def next(self) -> None:
        """Waits for one more event."""
        self._news.clear()
        await self._news.wait()

    def all(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.seen if isinstance(event, kind)]

    def times(self, kind: type[events.Event]) -> list[float]:
        return [at for at, event in self.seen if isinstance(event, kind)]

    def names(self) -> list[str]:
        """Event names in order; runs of audio chunks and deltas are one."""
        names: list[str] = []
        for _, event in self.seen:
            if not (names and names[-1] == event.name and event.name in {"audio_chunk", "response_delta"}):
                names.append(event.name)
        return names


@dataclass
class FakeTranscriber:
    """Answers with the script, one entry per call; a string is a transcript, an exception is raised."""

    script: list[str | Transcript | Exception]
    delay: float = 0.15
    requests: list[TranscriptionRequest] = field(default_factory=list)
    cancelled: int = 0
    # When the script is at its end.
    otherwise: str | Transcript | Exception = "…"

    @property
    def info(self) -> TranscriberInfo:
        return TranscriberInfo(name="fake", open_vocabulary=True, tested_on="nothing")

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        self.requests.append(request)
        entry = self.script.pop(0) if self.script else self.otherwise
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(entry, Exception):
            raise entry
        return entry if isinstance(entry, Transcript) else Transcript(text=entry, language=request.language)

    async def aclose(self) -> None: ...


@dataclass
class FakeChatModel:
    """Streams the scripted reply word by word; ``answer`` may also be a function of the request."""

    answer: str | Callable[[ChatRequest], Sequence[ChatItem] | str] = "Good day."
    delay: float = 0.25
    word_delay: float = 0.0
    fails_after: int | None = None
    requests: list[ChatRequest] = field(default_factory=list)
    cancelled: int = 0

    @property
    def info(self) -> ChatModelInfo:
        return ChatModelInfo(name="fake", generative=True, follows_instructions=False)

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        self.requests.append(request)
        try:
            await asyncio.sleep(self.delay)
            answer = self.answer(request) if callable(self.answer) else self.answer
            items: Sequence[ChatItem] = (
                [Text(f"{word} ") for word in answer.split()] if isinstance(answer, str) else answer
            )
            for number, item in enumerate(items):
                if self.fails_after == number:
                    raise EngineError("The model went away.", code="llm_failed")
                yield item
                if self.word_delay:
                    await asyncio.sleep(self.word_delay)
            if self.fails_after == len(items):
                raise EngineError("The model went away.", code="llm_failed")
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def suggestions(self, request: ChatRequest) -> tuple[str, ...]:
        return ("Yes.", "No.")

    async def aclose(self) -> None: ...


@dataclass
class FakeTranslator:
    """Looks the sentence up in the script; an exception is raised, a list gives one entry after the other.

    A sentence that is not in the script is an error.
    """

    script: dict[str, Any]
    delay: float = 0.1
    requests: list[TranslationRequest] = field(default_factory=list)
    cancelled: int = 0

    @property
    def info(self) -> TranslatorInfo:
        return TranslatorInfo(name="fake")

    async def translate(self, request: TranslationRequest) -> str:
        self.requests.append(request)
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        entry = self.script[request.text]
        if isinstance(entry, list):
            entry = entry.pop(0) if len(entry) > 1 else entry[0]
        if isinstance(entry, Exception):
            raise entry
        return str(entry)

    async def aclose(self) -> None: ...


@dataclass
class FakeSynthesizer:
    """A hiss of ``ms_per_word`` for each word, in pieces of one word, at 16 kHz."""

    delay: float = 0.15
    ms_per_word: int = 200
    hangs: bool = False
    fails: bool = False
    # In the middle of this word.
    dies_at: int | None = None
    stalls_at: int | None = None
    knows_words: bool = True
    name: str = "fake"
    remote: bool = False
    breaker_state: BreakerState = "closed"
    requests: list[SynthesisRequest] = field(default_factory=list)
    cancelled: int = 0

    @property
    def info(self) -> SynthesizerInfo:
        return SynthesizerInfo(name=self.name, remote=self.remote)

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
        self.requests.append(request)
        try:
            if self.hangs:
                await asyncio.Event().wait()
            await asyncio.sleep(self.delay)
            if self.fails:
                raise EngineError("The voice is gone.", code="tts_failed")
            # Noise: a tone would look like echo wherever it is laid over the microphone.
            noise = np.random.default_rng(1).integers(-3000, 3000, 16 * self.ms_per_word, np.int16)
            tone = noise.tobytes()
            for number, word in enumerate(request.text.split()):
                start = number * self.ms_per_word
                words = (Word(word, start, start + self.ms_per_word),) if self.knows_words else ()
                if number in (self.dies_at, self.stalls_at):
                    yield SpeechChunk(pcm=tone[: len(tone) // 4 * 2], sample_rate=16_000, words=words)
                    if number == self.stalls_at:
                        await asyncio.Event().wait()
                    raise EngineError("The voice broke off.", code="tts_broken_off")
                yield SpeechChunk(pcm=tone, sample_rate=16_000, words=words)
            if self.dies_at == len(request.text.split()):
                raise EngineError("The voice broke off.", code="tts_broken_off")
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def aclose(self) -> None: ...


def speech(ms: int, level: int = 6000) -> bytes:
    """A 200 Hz buzz with harmonics: s16le, 16 kHz; the voice activity detector takes it for speech."""
    t = np.arange(16 * ms) / 16_000
    envelope = 0.75 + 0.25 * np.sin(2 * np.pi * 4 * t)
    wave = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 20))
    return np.asarray(level * envelope * wave / 2, np.int16).tobytes()


def silence(ms: int) -> bytes:
    """Digital silence: s16le, 16 kHz."""
    return bytes(32 * ms)


async def talk(session: Any, audio: bytes, packet_ms: int = 20) -> None:
    """Sends audio in real time."""
    for at in range(0, len(audio), 32 * packet_ms):
        await asyncio.sleep(packet_ms / 1000)
        session.hear(audio[at : at + 32 * packet_ms])
