"""Speech that is said again and again, kept as the engine made it: greetings and the packs' phrases.

The engine's own audio is kept rather than encoded chunks: one entry then serves every format, and a
phrase may stand anywhere in a reply. Encoding costs 0.1 ms per second of raw audio.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable

from selam_agent.ports import SpeechChunk, SynthesisRequest, Synthesizer

MAX_BYTES = 16 << 20
_MAX_ENTRY_BYTES = 2 << 20


class Phrases:
    """The phrases used last, up to ``max_bytes`` of audio; shared by all sessions."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, tuple[SpeechChunk, ...]] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Of audio that is kept."""
        return self._bytes

    async def speak(self, engine: Synthesizer, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
        """The phrase, from what is kept or from the engine. Raises EngineError."""
        voice = tuple(sorted((name, str(value)) for name, value in request.voice.items()))
        key = (engine.info.name, voice, request.language, request.text)
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            for chunk in known:
                yield chunk
            return
        made: list[SpeechChunk] = []
        stream = engine.synthesize(request)
        try:
            async for chunk in stream:
                made.append(chunk)
                yield chunk
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        self._keep(key, tuple(made))

    def _keep(self, key: Hashable, chunks: tuple[SpeechChunk, ...]) -> None:
        size = _size(chunks)
        if key in self._kept or not 0 < size <= _MAX_ENTRY_BYTES:
            return
        self._kept[key] = chunks
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(chunks: tuple[SpeechChunk, ...]) -> int:
    return sum(len(chunk.pcm) for chunk in chunks)
