"""A model that thinks and speaks: chat completions with audio output (gpt-audio), streamed. English only.

The conversation goes to it as text, the caller's words as they were recognised; the answer comes as
sound with its transcript. Nobody else speaks it, so its interruption, and what was heard of it, are
told by the usual pace of speech: the stream has no places of words.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from selam_agent.engines.llm_openai import DeltaReader, OpenAIChatModel
from selam_agent.errors import EngineError
from selam_agent.ports import ChatModelInfo, ChatRequest, Speech, Text
from selam_agent.settings import GptAudio, Llm

__all__ = ["GptAudioModel"]

_URL: Final = "https://api.openai.com/v1"
# pcm16 is the only format that is streamed.
_RATE: Final = 24_000
# A second of sound costs about twenty tokens; two minutes are longer than anybody listens.
_MAX_TOKENS: Final = 2400
# The sound is taken as it is played, not as fast as it comes.
_TOTAL_S: Final = 240.0


class GptAudioModel(OpenAIChatModel):
    """A :class:`~selam_agent.ports.ChatModel` that speaks with the voice ``ChatRequest.voice``."""

    def __init__(self, settings: GptAudio, llm: Llm) -> None:
        super().__init__(
            Llm(
                base_url=settings.base_url or _URL,
                api_key=settings.api_key,
                model=settings.model,
                max_tokens=_MAX_TOKENS,
                connect_timeout_s=llm.connect_timeout_s,
                first_token_timeout_s=llm.first_token_timeout_s,
                total_timeout_s=max(_TOTAL_S, llm.total_timeout_s),
            )
        )

    @property
    def info(self) -> ChatModelInfo:
        return replace(super().info, name=self._settings.model, speaks=True, languages=("en",))

    def _reader(self) -> DeltaReader:
        return _AudioReader()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        return super()._body(request) | {
            "modalities": ["text", "audio"],
            "audio": {"voice": request.voice or "alloy", "format": "pcm16"},
        }


class _AudioReader(DeltaReader):
    """Puts samples together that end in the middle of a delta."""

    def __init__(self) -> None:
        self._left = b""

    def items(self, delta: Any) -> Iterator[Text | Speech]:
        yield from super().items(delta)
        audio = getattr(delta, "audio", None)
        if audio is None:
            return
        try:
            data = self._left + base64.b64decode(_field(audio, "data"), validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise EngineError(
                "The language model sent sound that cannot be read.", code="llm_failed"
            ) from None
        whole = len(data) & ~1
        self._left = data[whole:]
        text = _field(audio, "transcript")
        if whole or text:
            yield Speech(data[:whole], _RATE, text)


def _field(audio: Any, name: str) -> str:
    # A plain table in versions of the library that do not know it yet.
    value = audio.get(name) if isinstance(audio, dict) else getattr(audio, name, None)
    return value if isinstance(value, str) else ""
