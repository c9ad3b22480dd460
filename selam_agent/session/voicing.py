"""From a fragment of text to encoded audio: speakable text, synthesis, resampling, word places."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np

from selam_agent.audio.encode import COMPRESSED, ChunkEncoder, EncodedChunk
from selam_agent.audio.pcm import StreamResampler
from selam_agent.dialogue.playhead import SpokenText
from selam_agent.languages.packs import Pack
from selam_agent.languages.speakable import speakable
from selam_agent.ports import Pcm16, Speech, SpeechChunk, Word
from selam_agent.session.config import SessionConfig
from selam_agent.session.handover import Chain, Handover
from selam_agent.session.words import WordMapper

# Below this (int16) the beginning of a reply is silence that nobody needs to wait for, and so is the
# end of a fragment beyond what separates two sentences (ms).
_SILENCE = 64
_SENTENCE_PAUSE_MS = 200


class Voicing:
    """The voice of one reply; fragments are spoken one after the other."""

    def __init__(self, pack: Pack, chain: Chain, config: SessionConfig, spoken: SpokenText) -> None:
        self._pack = pack
        self._chain = chain
        self._config = config
        self._spoken = spoken
        self._rate = config.output_sample_rate
        self._gain = config.volume / 100
        self._encoder = ChunkEncoder(config.output_format, self._rate)
        self._resampler: StreamResampler | None = None
        self._source_rate = 0
        self._samples = 0
        # Leading silence dropped from the reply, in samples.
        self._trimmed = 0
        # Silence that is only spoken if something follows it.
        self._pause: Pcm16 = np.zeros(0, np.int16)
        # A model's own speech: whether some of it was audible, and its text.
        self._playing = False
        self._told = ""

    def turn_to(self, pack: Pack, chain: Chain) -> None:
        """Another voice from here on."""
        self._pack, self._chain = pack, chain

    @property
    def voiced_ms(self) -> float:
        """How much audio the reply has so far."""
        return self._samples * 1000 / self._rate

    async def play(self, speech: Speech) -> AsyncIterator[list[EncodedChunk]]:
        """Yields a piece of the model's own speech; pieces that follow each other are one fragment."""
        self._told += speech.text
        if self._playing:
            self._spoken.extend(speech.text)
        pcm = self._prepare(SpeechChunk(pcm=speech.pcm, sample_rate=speech.sample_rate))
        if len(pcm) and not self._playing:
            self._playing = True
            self._spoken.begin("", self.voiced_ms)
            self._spoken.extend(self._told)
        yield await self._encode(pcm)

    async def played(self) -> AsyncIterator[list[EncodedChunk]]:
        """Yields the end of the model's own speech, if it has spoken."""
        if self._playing:
            yield await self._end()
        self._playing, self._told = False, ""

    async def speak(self, fragment: str, *, often: bool = False) -> AsyncIterator[list[EncodedChunk]]:
        """Yields the fragment's audio as it is made, piece by piece; ``often``: it is said again and again.

        Raises EngineError.
        """
        async for chunks in self.played():
            yield chunks
        said = speakable(fragment, self._pack)
        if not said.text.strip():
            return
        mapper = WordMapper(fragment, said)
        begun = False
        early: list[Word] = []
        async with aclosing(self._chain.speak(said.text, often=often)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Handover):
                    cut, said = said.after(piece.spoken)
                    if cut and not begun:
                        self._spoken.begin(fragment, self.voiced_ms)
                    if cut or begun:
                        self._spoken.words(mapper.finish())
                        self._spoken.cut(cut, self.voiced_ms)
                    fragment, begun = fragment[cut:], False
                    mapper, early = WordMapper(fragment, said), []
                    self._pause, self._trimmed = np.zeros(0, np.int16), 0
                    continue
                pcm = self._prepare(piece)
                words = mapper.push(piece.words)
                if not begun:
                    early += words
                    if not len(pcm):
                        continue
                    begun = True
                    trimmed_ms = self._trimmed * 1000 / self._rate if not self._samples else 0.0
                    self._spoken.begin(fragment, self.voiced_ms - trimmed_ms)
                    words = early
                self._spoken.words(words)
                if chunks := await self._encode(pcm):
                    yield chunks
        if begun:
            self._spoken.words(mapper.finish())
            yield await self._end()

    async def _end(self) -> list[EncodedChunk]:
        pause, self._pause = self._pause, np.zeros(0, np.int16)
        chunks = await self._encode(pause[: self._rate * _SENTENCE_PAUSE_MS // 1000])
        self._spoken.end(self.voiced_ms)
        # The next fragment may take its time: what the encoder holds must not wait for it.
        return [*chunks, *await self._flush()]

    async def _flush(self) -> list[EncodedChunk]:
        if self._config.output_format in COMPRESSED:
            return await asyncio.to_thread(self._encoder.finish)
        return self._encoder.finish()

    def _prepare(self, piece: SpeechChunk) -> Pcm16:
        pcm = np.frombuffer(piece.pcm, np.int16)
        if self._resampler is None or piece.sample_rate != self._source_rate:
            self._source_rate = piece.sample_rate
            self._resampler = StreamResampler(piece.sample_rate, self._rate)
        pcm = self._resampler.feed(pcm)
        loud = ((pcm > _SILENCE) | (pcm < -_SILENCE)).nonzero()[0]
        if not len(loud):
            if self._samples:
                self._pause = np.concatenate((self._pause, pcm))
            else:
                self._trimmed += len(pcm)
            return pcm[:0]
        first = 0 if self._samples else int(loud[0])
        last = int(loud[-1]) + 1
        self._trimmed += first
        spoken = np.concatenate((self._pause, pcm[first:last])) if len(self._pause) else pcm[first:last]
        self._pause = pcm[last:]
        return spoken

    async def _encode(self, pcm: Pcm16) -> list[EncodedChunk]:
        self._samples += len(pcm)
        if self._gain != 1:
            pcm = (pcm * np.float32(self._gain)).astype(np.int16)
        if self._config.output_format in COMPRESSED:
            return await asyncio.to_thread(self._encoder.push, pcm)
        return self._encoder.push(pcm)
