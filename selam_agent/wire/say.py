"""``GET /v1/say``: a synthetic caller says a phrase that the recogniser knows.

With it a page can hold a conversation where there is no microphone: it plays the phrase into its own
microphone's place, so that everything after the microphone is used as it always is.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from aiohttp import hdrs, web

from selam_agent.audio.encode import encode
from selam_agent.audio.pcm import StreamResampler
from selam_agent.errors import EngineError, ValidationError
from selam_agent.languages.packs import Packs
from selam_agent.ports import Pcm16, SynthesisRequest, Synthesizer
from selam_agent.wire.envelope import error_response

RATE: Final = 16_000
# A throat that none of the agent's voices has, and a calm caller.
_VARIANT, _WORDS_PER_MINUTE, _PITCH = "m7", 155, 45
# Of full scale: a caller at a sensible distance from the microphone.
_PEAK: Final = 0.35
_SILENCE: Final = 300
_DEADLINE_S: Final = 5.0
_PER_MINUTE: Final = 60


class Say:
    """The route.

    Args:
        phrases: language → what may be said; others are refused, for this is no speech service.
        synthesizer: espeak, or None where it is not configured.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        packs: Packs,
        phrases: Mapping[str, Sequence[str]],
        synthesizer: Synthesizer | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._packs = packs
        self._phrases = phrases
        self._synthesizer = synthesizer
        self._clock = clock
        self._lately: deque[float] = deque()

    async def answer(self, request: web.Request) -> web.Response:
        """A WAV of ``text`` in ``language``, mono, 16 kHz."""
        text, language = request.query.get("text", ""), request.query.get("language", "")
        if text not in self._phrases.get(language, ()):
            raise ValidationError(
                "text must be one of the phrases that the recogniser knows in language.",
                code="unknown_phrase",
                details={"languages": sorted(self._phrases)},
            )
        if not self._admits():
            headers = {"Retry-After": "10"}
            message = "Rate limit exceeded. Try again in 10 seconds."
            return error_response(429, "rate_limit_error", "rate_limit_exceeded", message, headers=headers)
        audio = encode(await self._speak(text, language), "wav", RATE)
        headers = {hdrs.CACHE_CONTROL: "private, max-age=3600"}
        return web.Response(body=audio, content_type="audio/wav", headers=headers)

    def _admits(self) -> bool:
        now = self._clock()
        while self._lately and self._lately[0] <= now - 60:
            self._lately.popleft()
        if len(self._lately) >= _PER_MINUTE:
            return False
        self._lately.append(now)
        return True

    async def _speak(self, text: str, language: str) -> Pcm16:
        if self._synthesizer is None:
            raise EngineError("espeak is not configured here.", code="tts_unavailable", retryable=False)
        voice = {**_espeak(self._packs, language), "rate": _WORDS_PER_MINUTE, "pitch": _PITCH}
        request = SynthesisRequest(text=text, language=language, voice=voice)
        pieces: list[Pcm16] = []
        try:
            async with asyncio.timeout(_DEADLINE_S):
                resampler: StreamResampler | None = None
                async for chunk in self._synthesizer.synthesize(request):
                    resampler = resampler or StreamResampler(chunk.sample_rate, RATE)
                    pieces.append(resampler.feed(np.frombuffer(chunk.pcm, np.int16)))
        except TimeoutError:
            raise EngineError("The voice took too long.", code="tts_timeout") from None
        return _trimmed(np.concatenate(pieces) if pieces else np.zeros(0, np.int16))


def _espeak(packs: Packs, language: str) -> dict[str, str]:
    """The language's espeak voice with the caller's variant."""
    for entry in packs[language].voices:
        for engine in entry.engines:
            if engine["engine"] == "espeak":
                base = str(engine["voice"]).partition("+")[0]
                return {"engine": "espeak", "voice": f"{base}+{_VARIANT}"}
    raise EngineError(f"espeak has no voice for {language!r}.", code="tts_unavailable", retryable=False)


def _trimmed(pcm: Pcm16) -> Pcm16:
    """Without silence around it, as loud as a caller."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > _SILENCE)
    if not len(loud):
        return pcm
    spoken = pcm[loud[0] : loud[-1] + 1].astype(np.float32)
    levelled: Pcm16 = (spoken * (_PEAK * 32767 / np.abs(spoken).max())).astype(np.int16)
    return levelled
