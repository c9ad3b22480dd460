"""Speech to text at any server with OpenAI's ``/audio/transcriptions``: OpenAI, vLLM, speaches, a gateway.

The utterance goes as one WAV file. Such a server tells no probabilities, so only the gates over the
text itself apply. Interim transcripts would be paid for again and again; they are refused.
"""

from __future__ import annotations

import asyncio
import io
import logging
import wave
from typing import Any, Final

from selam_agent.engines.addresses import is_loopback
from selam_agent.engines.stt_gates import Thresholds, rejection
from selam_agent.errors import EngineError
from selam_agent.ports import (
    Pcm16,
    Priority,
    Transcriber,
    TranscriberInfo,
    Transcript,
    TranscriptionRequest,
)
from selam_agent.settings import Stt

__all__ = ["OpenAITranscriber"]

log = logging.getLogger(__name__)

_SAMPLE_RATE: Final = 16_000
_SHORTEST: Final = _SAMPLE_RATE // 20
_THRESHOLDS: Final = Thresholds()
_OPENAI: Final = "https://api.openai.com/v1"


class OpenAITranscriber(Transcriber):
    """``settings``: ``base_url`` (empty: OpenAI's), ``api_key``, ``model``; ``workers`` requests at once,
    ``queue`` waiting; ``options`` are further fields of the request."""

    def __init__(self, settings: Stt) -> None:
        # Imported here: 0.5 to 1 s.
        import openai

        self._openai = openai
        self._settings = settings
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url or _OPENAI,
            # An empty key would make the client look for one in the environment.
            api_key=settings.api_key or "none",
            max_retries=0,
        )
        self._client.organization = self._client.project = None
        # Resources and platform headers are made on first use and take 30 ms: not on the event loop.
        self._create: Any = self._client.audio.transcriptions.create
        self._client.platform_headers()
        self._places = asyncio.Semaphore(max(settings.workers, 4))
        self._pending = 0

    @property
    def info(self) -> TranscriberInfo:
        return TranscriberInfo(
            name="openai",
            open_vocabulary=True,
            tested_on="unknown",
            leaves_machine=not is_loopback(self._settings.base_url or _OPENAI),
        )

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Recognises one utterance.

        Raises:
            EngineError: ``stt_busy``, ``stt_timeout``, ``stt_refused`` (key, quota or rate),
                ``stt_unreachable``, ``stt_malformed`` or ``stt_failed``.
        """
        if len(request.audio) < _SHORTEST:
            return Transcript(text="", language=request.language, rejected="empty")
        if request.priority is Priority.INTERIM:
            raise EngineError("A remote recogniser is not asked for interim transcripts.", code="stt_busy")
        if self._pending >= self._settings.queue:
            raise EngineError("The speech recogniser has too much to do.", code="stt_busy")
        self._pending += 1
        try:
            async with asyncio.timeout(request.deadline), self._places:
                text = await self._ask(request)
        except Exception as error:
            # Without its cause: the server's own text may quote the key.
            raise self._translated(error) from None
        finally:
            self._pending -= 1
        reason = rejection(
            text,
            language=request.language,
            seconds=len(request.audio) / _SAMPLE_RATE,
            log_prob=None,
            no_speech=None,
            thresholds=_THRESHOLDS,
        )
        return Transcript(text=text, language=request.language, rejected=reason)

    async def _ask(self, request: TranscriptionRequest) -> str:
        known = {"language": request.language, "prompt": ", ".join(request.hints)}
        answer: object = await self._create(
            model=self._settings.model,
            file=("speech.wav", _wav(request.audio), "audio/wav"),
            response_format="json",
            extra_body=self._settings.options or None,
            timeout=request.deadline,
            **{name: value for name, value in known.items() if value},
        )
        text = getattr(answer, "text", None)
        if not isinstance(text, str):
            raise EngineError(
                "The speech recogniser answered with something else than a transcript.", code="stt_malformed"
            )
        return text.strip()

    def _translated(self, error: Exception) -> EngineError:
        openai = self._openai
        status = getattr(error, "status_code", None)
        log.warning("speech recogniser failed: %s, status %s", type(error).__name__, status)
        if isinstance(error, EngineError):
            return error
        if isinstance(error, (TimeoutError, openai.APITimeoutError)):
            return EngineError("The speech recogniser did not answer in time.", code="stt_timeout")
        if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
            return EngineError(
                "The speech recogniser refused the server's key.", code="stt_refused", retryable=False
            )
        if isinstance(error, openai.RateLimitError):
            return EngineError("The speech recogniser refused: too many requests.", code="stt_refused")
        if isinstance(error, openai.APIStatusError):
            return EngineError(
                f"The speech recogniser answered with status {error.status_code}.",
                code="stt_failed",
                retryable=error.status_code >= 500 or error.status_code in (408, 409),
            )
        if isinstance(error, openai.APIConnectionError):
            return EngineError("The speech recogniser cannot be reached.", code="stt_unreachable")
        # The library's ways to say that the body is no JSON, or not that of a transcript.
        if isinstance(error, (ValueError, openai.OpenAIError)):
            return EngineError(
                "The speech recogniser answered with something else than a transcript.", code="stt_malformed"
            )
        return EngineError("The speech recogniser failed.", code="stt_failed")

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.close()


def _wav(audio: Pcm16) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLE_RATE)
        file.writeframes(audio.astype("<i2").tobytes())
    return buffer.getvalue()
