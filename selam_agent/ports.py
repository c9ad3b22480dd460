"""What an engine must offer: the seam for recognisers, models and voices, ours and other people's.

An engine is any object that satisfies one of the protocols below. It is named in the settings
(``engine = "whisper"``), installed under the entry-point group ``selam_agent.engines``, or named
directly as ``engine = "import:package.module:factory"``; the factory takes the section of the
settings as keyword arguments and returns the engine. Requests are keyword dataclasses, so a field
can be added without breaking an engine.

Audio is mono throughout. Sample values are int16 unless stated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from selam_agent.events import Event

Pcm16: TypeAlias = NDArray[np.int16]


class Priority(IntEnum):
    """Order in which waiting transcriptions are served; lower goes first."""

    FINAL = 0
    SPECULATIVE = 1
    INTERIM = 2


# ---------------------------------------------------------------- speech to text


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriberInfo:
    """What is said about a recogniser wherever it shows.

    ``open_vocabulary`` is false for one that knows only ``phrases``. ``tested_on`` names the
    evidence ("synthetic voices only", "published benchmarks", "unknown").
    """

    name: str
    open_vocabulary: bool
    tested_on: str
    languages: tuple[str, ...] | None = None
    phrases: Mapping[str, Sequence[str]] | None = None
    leaves_machine: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """``audio``: int16 [n] at 16 kHz. ``deadline``: seconds to wait. ``hints``: expected words.

    ``stream`` names whose interim transcript this is: a newer one replaces one that still waits.
    """

    audio: Pcm16
    language: str | None = None
    hints: tuple[str, ...] = ()
    priority: Priority = Priority.FINAL
    stream: str | None = None
    deadline: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """``rejected`` is the reason why ``text`` must not be answered, or None.

    ``confidence`` is the mean log-probability per token where the engine has one.
    """

    text: str
    language: str | None = None
    confidence: float | None = None
    rejected: str | None = None


@runtime_checkable
class Transcriber(Protocol):
    """Turns an utterance into text."""

    @property
    def info(self) -> TranscriberInfo: ...

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Raises EngineError when it cannot answer; the session then asks the caller to repeat."""
        ...

    async def aclose(self) -> None: ...


@runtime_checkable
class Routing(Protocol):
    """A transcriber that hears languages with different recognisers."""

    def info_for(self, language: str | None) -> TranscriberInfo:
        """Of the recogniser that hears this language; None: not known yet."""
        ...


# ---------------------------------------------------------------- language model


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One entry of the conversation as the model sees it. The agent's is what was heard of it.

    ``tool_calls``: what the agent asked for in this message; each is answered by a later message of
    role ``tool`` with its ``tool_call_id``.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_call_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """``messages``: oldest first, the caller's new words last. ``now``: aware local time of the caller.

    ``language``: in which to answer; ``locale``: where it is spoken, such as ``ti-ER``. ``voice``: for a
    model that speaks, which of its voices. ``preamble``: how a spoken answer is to be written, from the
    language's pack; it precedes the client's ``instructions``. None: the engine's own, empty: none.
    """

    messages: tuple[Message, ...]
    language: str
    now: datetime
    preamble: str | None = None
    instructions: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()
    session_id: str = ""
    voice: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the reply's text; pieces are concatenated as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool. ``arguments`` is the decoded JSON object."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Speech:
    """Audio of a model that speaks for itself: s16le ``pcm`` at ``sample_rate``, with its ``text``.

    Either may be empty: the text of what is spoken usually runs a little ahead of the sound.
    """

    pcm: bytes
    sample_rate: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens spent on the reply."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Result:
    """The structured outcome of a finished task, such as a booking."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Break:
    """What was written so far is to be spoken now; the rest may take its time."""


@dataclass(frozen=True, slots=True)
class Language:
    """What is written from here on is in this language, until another says otherwise."""

    code: str


@dataclass(frozen=True, slots=True)
class Caution:
    """Something about the reply that the client is told in a ``warning``; see ``events.Notice``."""

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


# Consumers ignore kinds they do not know, so the union can grow.
ChatItem: TypeAlias = Text | ToolCall | Speech | Usage | Result | Break | Language | Caution


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatModelInfo:
    """``generative`` is false for a rule-based model, which may not follow instructions either."""

    name: str
    generative: bool
    follows_instructions: bool = True
    speaks: bool = False
    calls_tools: bool = False
    languages: tuple[str, ...] | None = None
    leaves_machine: bool = False


@runtime_checkable
class ChatModel(Protocol):
    """Answers a conversation, streamed."""

    @property
    def info(self) -> ChatModelInfo: ...

    def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        """Cancelling the consumer must stop the work. Raises EngineError."""
        ...

    def suggestions(self, request: ChatRequest) -> tuple[str, ...]:
        """What a caller could say now, for "please say that again"; empty for an open model."""
        ...

    async def aclose(self) -> None: ...


# ---------------------------------------------------------------- text to speech


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizerInfo:
    """``leaves_machine`` when text is sent away; ``remote`` when a server answers, wherever it stands."""

    name: str
    leaves_machine: bool = False
    remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisRequest:
    """``voice``: the engine's own voice with its parameters, from the pack. ``text``: already speakable."""

    text: str
    language: str
    voice: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word and where it lies, in ms from the beginning of the fragment's (or reply's) audio."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechChunk:
    """s16le mono ``pcm`` at ``sample_rate``; ``words`` that became known with it (not always in it)."""

    pcm: bytes
    sample_rate: int
    words: tuple[Word, ...] = ()


@runtime_checkable
class Synthesizer(Protocol):
    """Speaks one fragment, streamed."""

    @property
    def info(self) -> SynthesizerInfo: ...

    def synthesize(self, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
        """Cancelling the consumer stops the engine. Raises EngineError."""
        ...

    async def aclose(self) -> None: ...


BreakerState: TypeAlias = Literal["closed", "open", "half_open"]


@runtime_checkable
class Guarded(Protocol):
    """An engine with a circuit breaker: open while it fails, half open while it is being tried again."""

    @property
    def breaker_state(self) -> BreakerState: ...


# ---------------------------------------------------------------- translation


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatorInfo:
    """``leaves_machine`` when text is sent away."""

    name: str
    leaves_machine: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationRequest:
    """ISO 639-1 codes. ``deadline`` in seconds.

    Marks such as ``<x1/>`` in ``text`` stand for names and numbers: each belongs once into the translation.
    """

    text: str
    source: str
    target: str
    deadline: float = 10.0


@runtime_checkable
class Translator(Protocol):
    """Translates one sentence or two."""

    @property
    def info(self) -> TranslatorInfo: ...

    async def translate(self, request: TranslationRequest) -> str:
        """Raises EngineError; the session then goes on with the untranslated text and a warning."""
        ...

    async def aclose(self) -> None: ...


# ---------------------------------------------------------------- the way out


class Outlet(Protocol):
    """Where a session's events go. ``send`` never blocks and never raises; order is kept."""

    def send(self, event: Event) -> None: ...
