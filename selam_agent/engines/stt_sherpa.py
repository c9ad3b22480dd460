"""Speech to text with any offline model that sherpa-onnx runs, Omnilingual ASR above all.

Omnilingual's CTC models have one head for 1600 languages and are told none: the text may come in
another language's letters, which the script gate rejects. They write no punctuation. Their text has
no probability; only the gates over the text itself apply.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from selam_agent.engines.executor import PriorityExecutor
from selam_agent.engines.stt_gates import SCRIPTS, Thresholds, rejection
from selam_agent.errors import EngineError, SettingsError
from selam_agent.ports import Pcm16, Transcriber, TranscriberInfo, Transcript, TranscriptionRequest
from selam_agent.settings import Stt

__all__ = ["SherpaTranscriber"]

log = logging.getLogger(__name__)

_SAMPLE_RATE: Final = 16_000
_SHORTEST: Final = _SAMPLE_RATE // 20
_THRESHOLDS: Final = Thresholds()


@dataclass(frozen=True, slots=True)
class _Kind:
    """``factory`` of sherpa's OfflineRecognizer; ``files``: its parameter → the word in a file's name."""

    factory: str
    files: Mapping[str, str]
    languages: tuple[str, ...] | None = None


_CTC: Final = {"model": "model"}
_KINDS: Final = {
    "omnilingual": _Kind("from_omnilingual_asr_ctc", _CTC, tuple(SCRIPTS)),
    "transducer": _Kind("from_transducer", {"encoder": "encoder", "decoder": "decoder", "joiner": "joiner"}),
    "whisper": _Kind("from_whisper", {"encoder": "encoder", "decoder": "decoder"}),
    "nemo_ctc": _Kind("from_nemo_ctc", _CTC),
    "zipformer_ctc": _Kind("from_zipformer_ctc", _CTC),
    "wenet_ctc": _Kind("from_wenet_ctc", _CTC),
    "sense_voice": _Kind("from_sense_voice", _CTC, ("en",)),
    "paraformer": _Kind("from_paraformer", {"paraformer": "model"}),
}


class SherpaTranscriber(Transcriber):
    """A recogniser on the model in ``directory``.

    Args:
        settings: device, threads, workers, queue. ``options``: ``kind`` (one of the table above, where
            the files do not tell it), ``languages`` (those it is good for), and any parameter of
            sherpa's factory of that kind.

    Raises:
        SettingsError: sherpa-onnx is not installed, the model is incomplete, or it does not load.
    """

    def __init__(self, directory: Path, settings: Stt) -> None:
        options = dict(settings.options)
        kind_name = str(options.pop("kind", "") or _kind_of(directory))
        kind = _KINDS.get(kind_name)
        if kind is None:
            raise SettingsError(
                f"{directory}: of which kind this model is cannot be told from its files; "
                f"set options.kind to one of {', '.join(_KINDS)}"
            )
        languages = options.pop("languages", None) or kind.languages
        if settings.device == "cuda":
            options.setdefault("provider", "cuda")
        self._recognizer = _load(directory, kind, {"num_threads": settings.threads, **options})
        self._executor = PriorityExecutor(settings.workers, settings.queue, f"stt-{directory.name}")
        self._closed = False
        self._info = TranscriberInfo(
            name=f"sherpa {directory.name}",
            open_vocabulary=True,
            tested_on="published benchmarks" if kind_name == "omnilingual" else "unknown",
            languages=tuple(languages) if languages else None,
        )

    @property
    def info(self) -> TranscriberInfo:
        return self._info

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Recognises one utterance. The language is not given to the model; it decides the script's gate.

        Raises:
            EngineError: ``language_not_supported``, ``stt_busy``, ``stt_timeout``, ``stt_superseded``,
                ``stt_closed`` or ``stt_failed``.
        """
        if self._closed:
            raise EngineError("The speech recogniser has been closed.", code="stt_closed", retryable=False)
        known = self._info.languages
        if request.language is not None and known is not None and request.language not in known:
            raise EngineError(
                f"This speech model does not know {request.language!r}, only {', '.join(known)}.",
                code="language_not_supported",
                details={"languages": list(known)},
                retryable=False,
            )
        if len(request.audio) < _SHORTEST:
            return Transcript(text="", language=request.language, rejected="empty")
        begun = time.monotonic()
        text = await self._executor.run(
            lambda: self._decode(request.audio),
            priority=request.priority,
            deadline=request.deadline,
            key=request.stream,
        )
        seconds = len(request.audio) / _SAMPLE_RATE
        log.debug("sherpa: %.0f ms for %.1f s of audio", (time.monotonic() - begun) * 1000, seconds)
        reason = rejection(
            text,
            language=request.language,
            seconds=seconds,
            log_prob=None,
            no_speech=None,
            thresholds=_THRESHOLDS,
        )
        return Transcript(text=text, language=request.language, rejected=reason)

    def _decode(self, audio: Pcm16) -> str:
        stream = self._recognizer.create_stream()
        stream.accept_waveform(_SAMPLE_RATE, audio.astype(np.float32) / 32768)
        self._recognizer.decode_stream(stream)
        return str(stream.result.text).strip()

    async def aclose(self) -> None:
        """Joins the threads and lets the model go."""
        if not self._closed:
            self._closed = True
            await self._executor.aclose()
            self._recognizer = None


def _kind_of(directory: Path) -> str:
    if "omnilingual" in directory.name.lower():
        return "omnilingual"
    if _file(directory, "joiner") is not None:
        return "transducer"
    return "whisper" if _file(directory, "encoder") is not None else ""


def _file(directory: Path, beginning: str) -> Path | None:
    """The ONNX file whose name begins or ends so; quantised before full precision."""
    found = sorted(directory.glob("*.onnx"), key=lambda path: (".int8." not in path.name, path.name))
    return next((each for each in found if beginning in each.name.split(".")[0].split("-")), None) or next(
        (each for each in found if each.name.startswith(beginning)), None
    )


def _load(directory: Path, kind: _Kind, options: dict[str, Any]) -> Any:
    try:
        import sherpa_onnx
    except ImportError as error:
        raise SettingsError(
            "the engine 'sherpa' needs sherpa-onnx: pip install 'selam-agent[sherpa]'"
        ) from error
    if not directory.is_dir():
        raise SettingsError(f"{directory} is no directory with a sherpa-onnx model")
    files = {name: _file(directory, beginning) for name, beginning in kind.files.items()}
    tokens = next(iter(sorted(directory.glob("*tokens.txt"))), None)
    missing = [f"{kind.files[name]}.onnx" for name, path in files.items() if path is None]
    missing += [] if tokens is not None else ["tokens.txt"]
    if missing:
        raise SettingsError(f"{directory} lacks {', '.join(missing)}")
    paths = {name: str(path) for name, path in files.items()}
    try:
        return getattr(sherpa_onnx.OfflineRecognizer, kind.factory)(**paths, tokens=str(tokens), **options)
    except Exception as error:  # whatever onnxruntime says, and parameters that the factory has not
        raise SettingsError(f"{directory} does not load: {error}") from error
