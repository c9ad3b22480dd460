"""Text to speech of OpenAI, or of any server with its ``/audio/speech``: streamed PCM.

The service gives no places of words; the session estimates them. Languages are the server's business:
OpenAI's own voices are not made for Amharic, Somali, Tigrinya or Oromo (languages.md §4).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

from selam_agent.engines.addresses import is_loopback
from selam_agent.engines.remote_voice import RemoteVoice
from selam_agent.errors import EngineError
from selam_agent.ports import SpeechChunk, SynthesisRequest, SynthesizerInfo
from selam_agent.settings import Tts

__all__ = ["OpenAISynthesizer"]

_AT_ONCE: Final = 8
_URL: Final = "https://api.openai.com/v1"
# What ``pcm`` means at OpenAI and everywhere that follows it.
_RATE: Final = 24_000
_READ_BYTES: Final = 4096
_WAV_HEADER: Final = 44
# The longest text has 2000 characters.
_TOTAL_S: Final = 60.0


class OpenAISynthesizer(RemoteVoice):
    """A :class:`~selam_agent.ports.Synthesizer`; see :class:`~selam_agent.engines.remote_voice.RemoteVoice`.

    A voice is ``{"voice": "nova"}``; further parameters, and ``settings.options``, are fields of the
    request's body.

    Args:
        settings: ``base_url`` (empty: OpenAI's), ``api_key``, ``model``, ``options``.
        patience_s: how long callers wait for the first sound (``turns.tts_first_ms``).
        deadline_s: silence of the connection after which it is dead (``turns.tts_deadline_s``).
    """

    def __init__(self, settings: Tts, *, patience_s: float = 0.4, deadline_s: float = 5.0) -> None:
        super().__init__(at_once=_AT_ONCE, patience_s=patience_s, deadline_s=deadline_s)
        # Imported here: 0.5 to 1 s.
        import openai

        self._openai = openai
        self._settings = settings
        self._url = settings.base_url or _URL
        self._client = openai.AsyncOpenAI(
            base_url=self._url,
            # An empty key would make the client look for one in the environment.
            api_key=settings.api_key or "none",
            max_retries=0,
            timeout=openai.Timeout(_TOTAL_S, connect=deadline_s, read=deadline_s),
        )
        self._client.organization = self._client.project = None
        # Made on first use otherwise, on the event loop.
        self._create: Any = self._client.audio.speech.with_streaming_response.create
        self._client.platform_headers()

    @property
    def info(self) -> SynthesizerInfo:
        return SynthesizerInfo(name="openai", leaves_machine=not is_loopback(self._url), remote=True)

    async def _speak(self, request: SynthesisRequest) -> AsyncGenerator[SpeechChunk, None]:
        extra = {key: value for key, value in request.voice.items() if key not in ("engine", "voice")}
        extra |= self._settings.options
        async with self._create(
            model=self._settings.model,
            voice=str(request.voice["voice"]),
            input=request.text,
            response_format="pcm",
            extra_body=extra or None,
        ) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind in ("application/json", "text/html", "audio/mpeg", "audio/mp3", "audio/ogg"):
                raise EngineError(
                    f"The speech server answered with {kind}, not with PCM.",
                    code="tts_failed",
                    retryable=False,
                )
            rate, held = 0, b""
            async for data in response.iter_bytes(_READ_BYTES):
                held += data
                if not rate:
                    if len(held) < _WAV_HEADER:
                        continue
                    rate, held = _opened(held)
                whole = len(held) & ~1
                if whole:
                    yield SpeechChunk(pcm=held[:whole], sample_rate=rate)
                held = held[whole:]
            if not rate and len(held) > 1:
                yield SpeechChunk(pcm=held[: len(held) & ~1], sample_rate=_RATE)

    def _translated(self, error: Exception) -> EngineError:
        openai = self._openai
        if isinstance(error, TimeoutError | openai.APITimeoutError) or "Timeout" in type(error).__name__:
            return EngineError("The speech server did not answer in time.", code="tts_timeout")
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return EngineError(
                "The speech server refused the server's key.", code="tts_refused", retryable=False
            )
        if isinstance(error, openai.RateLimitError):
            return EngineError("The speech server refused: too many requests.", code="tts_refused")
        if isinstance(error, openai.APIStatusError):
            return EngineError(
                f"The speech server answered with status {error.status_code}.", code="tts_failed"
            )
        if isinstance(error, openai.APIConnectionError):
            return EngineError("The speech server cannot be reached.", code="tts_unavailable")
        # The transport's own errors, in the middle of a body.
        return EngineError("The speech server broke off.", code="tts_broken_off")

    async def aclose(self) -> None:
        """Closes the connections."""
        await super().aclose()
        await self._client.close()


def _opened(start: bytes) -> tuple[int, bytes]:
    """The sample rate and the first samples; some servers send WAV whatever they are asked for."""
    if start[:4] != b"RIFF":
        return _RATE, start
    rate, channels, bits = int.from_bytes(start[24:28], "little"), start[22], start[34]
    if channels != 1 or bits != 16 or not 8_000 <= rate <= 48_000 or b"data" not in start[:_WAV_HEADER]:
        raise EngineError("The speech server sent WAV that is not mono PCM16.", code="tts_failed")
    return rate, start[_WAV_HEADER:]
