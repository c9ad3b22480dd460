"""Microsoft Edge's read-aloud voices through the edge-tts library: Amharic, Somali, English and others.

The service is not documented and refuses now and then (403 after changes of its token, 503 when four
requests run at once; languages.md §4): best effort, never the only voice. Whatever is spoken is sent to
Microsoft, so ``privacy.allow`` must name ``edge``.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import numpy as np

from selam_agent.audio.mp3 import Mp3Decoder
from selam_agent.engines.remote_voice import RemoteVoice
from selam_agent.errors import EngineError
from selam_agent.ports import SpeechChunk, SynthesisRequest, SynthesizerInfo, Word

__all__ = ["EdgeSynthesizer"]

# The service answers 503 to four at once.
_AT_ONCE: Final = 2
_TICKS_PER_MS: Final = 10_000
_PROSODY: Final = ("rate", "volume", "pitch")


class EdgeSynthesizer(RemoteVoice):
    """A :class:`~selam_agent.ports.Synthesizer`; see :class:`~selam_agent.engines.remote_voice.RemoteVoice`.

    A voice is ``{"voice": "am-ET-MekdesNeural"}``, with ``rate``, ``volume`` (such as "+10%") and
    ``pitch`` ("-5Hz") if wished. Audio is 24 kHz, with the words' places.

    Args:
        patience_s: how long callers wait for the first sound (``turns.tts_first_ms``).
        deadline_s: silence of the connection after which it is dead (``turns.tts_deadline_s``).
    """

    def __init__(self, *, patience_s: float = 0.4, deadline_s: float = 5.0) -> None:
        super().__init__(at_once=_AT_ONCE, patience_s=patience_s, deadline_s=deadline_s)
        # Imported here: 0.7 s.
        import edge_tts

        self._edge_tts: Any = edge_tts

    @property
    def info(self) -> SynthesizerInfo:
        return SynthesizerInfo(name="edge", leaves_machine=True, remote=True)

    async def _speak(self, request: SynthesisRequest) -> AsyncGenerator[SpeechChunk, None]:
        # The library counts whole seconds, and only until the connection stands.
        patience = max(1, math.ceil(self._deadline_s))
        communicate = self._edge_tts.Communicate(
            request.text,
            str(request.voice["voice"]),
            **{key: str(request.voice[key]) for key in _PROSODY if key in request.voice},
            boundary="WordBoundary",
            connect_timeout=patience,
            receive_timeout=patience,
        )
        decoder, words = Mp3Decoder(), list[Word]()
        async with aclosing(communicate.stream()) as messages:
            async for message in messages:
                if message["type"] == "audio":
                    pcm = decoder.feed(message["data"])
                    if len(pcm):
                        yield _chunk(pcm, decoder, words)
                else:
                    start = message["offset"] // _TICKS_PER_MS
                    end = (message["offset"] + message["duration"]) // _TICKS_PER_MS
                    words += [Word(each, start, end) for each in message["text"].split()]
        if communicate.state["chunk_audio_bytes"]:
            # Counted until the service says that it has finished.
            raise EngineError("The edge voice broke off.", code="tts_broken_off")
        pcm = decoder.flush()
        if len(pcm) or words:
            yield _chunk(pcm, decoder, words)

    def _translated(self, error: Exception) -> EngineError:
        status = getattr(error, "status", None)
        if isinstance(error, self._edge_tts.exceptions.NoAudioReceived):
            return EngineError("The edge voice sent no audio.", code="tts_silent")
        if status is not None or isinstance(error, self._edge_tts.exceptions.SkewAdjustmentError):
            return EngineError(f"The edge voice refused (status {status or 403}).", code="tts_refused")
        if isinstance(error, TimeoutError):
            return EngineError("The edge voice did not answer in time.", code="tts_timeout")
        if isinstance(error, OSError):
            return EngineError("The edge voice cannot be reached.", code="tts_unavailable")
        if isinstance(error, ValueError | KeyError):
            return EngineError("The edge voice's parameters are wrong.", code="tts_failed", retryable=False)
        return EngineError(f"The edge voice failed ({type(error).__name__}).", code="tts_failed")


def _chunk(pcm: np.ndarray[Any, Any], decoder: Mp3Decoder, words: list[Word]) -> SpeechChunk:
    known = tuple(words)
    words.clear()
    return SpeechChunk(pcm=pcm.tobytes(), sample_rate=decoder.sample_rate, words=known)
