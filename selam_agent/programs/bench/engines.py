"""Engines that take no time, so that what is measured is the server: named in its settings by ``import:``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import numpy as np

from selam_agent.ports import (
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
    Word,
)

HEARD = "When may I see her on Monday?"
REPLY = "We have a free hour on Monday at ten. Shall I book it for her now?"
RATE = 24_000
WORD_MS = 240


def spoken_word() -> bytes:
    """What the voice says for each word: 240 ms of noise with a syllable's envelope, s16le at 24 kHz."""
    samples = RATE * WORD_MS // 1000
    envelope = 0.4 + 0.6 * np.sin(np.pi * np.arange(samples) / samples)
    noise = np.random.default_rng(1).uniform(-6000, 6000, samples) * envelope
    return noise.astype("<i2").tobytes()


class Transcriber:
    """Hears the same each time."""

    info = TranscriberInfo(name="instant", open_vocabulary=True, tested_on="nothing")

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        return Transcript(text=HEARD, language="en")

    async def aclose(self) -> None: ...


class ChatModel:
    """Answers the same each time, word by word."""

    info = ChatModelInfo(name="instant", generative=True)

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        for word in REPLY.split():
            yield Text(word + " ")

    def suggestions(self, request: ChatRequest) -> Sequence[str]:
        return ()

    async def aclose(self) -> None: ...


class Synthesizer:
    """One piece of sound per word. It goes by the name under which the packs know a voice's engine."""

    info = SynthesizerInfo(name="espeak")

    def __init__(self) -> None:
        self._word = spoken_word()

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
        for number, word in enumerate(request.text.split()):
            start = number * WORD_MS
            yield SpeechChunk(pcm=self._word, sample_rate=RATE, words=(Word(word, start, start + WORD_MS),))

    async def aclose(self) -> None: ...


transcriber = Transcriber
chat_model = ChatModel
synthesizer = Synthesizer
