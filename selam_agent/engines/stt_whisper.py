"""Speech to text with Whisper models in CTranslate2 form, the embedded command recogniser included.

A model is loaded once per directory and shared; its calls go through one bounded priority executor.
"""

from __future__ import annotations

import difflib
import json
import logging
import math
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from selam_agent.engines.ctc_phrases import SpelledPhrases
from selam_agent.engines.executor import PriorityExecutor
from selam_agent.engines.stt_gates import SCRIPTS, Thresholds, rejection
from selam_agent.engines.whisper_decoding import SAMPLE_RATE, Decoded, WhisperDecoder
from selam_agent.engines.whisper_decoding_files import Decoding, missing_files, read_decoding
from selam_agent.errors import EngineError, SettingsError
from selam_agent.models import COMMAND_MODEL, phrases
from selam_agent.ports import Transcriber, TranscriberInfo, Transcript, TranscriptionRequest
from selam_agent.settings import Settings, Stt

__all__ = ["WhisperTranscriber", "build", "local_models"]

log = logging.getLogger(__name__)

# Shorter than any syllable: nothing to recognise.
_SHORTEST: Final = SAMPLE_RATE // 20
# On a CPU a larger model answers later than a caller waits; on a GPU there is no such limit.
_LARGEST_ON_CPU: Final = 700 << 20


@dataclass(slots=True, eq=False)
class _Shared:
    decoder: WhisperDecoder
    executor: PriorityExecutor
    users: int = 0


_loaded: dict[Hashable, _Shared] = {}
_loading = threading.Lock()


class WhisperTranscriber:
    """A recogniser on the model in ``directory``.

    Args:
        decoding: how to decode; the model's own ``decoding.json`` is for the caller to apply.
        settings: device, threads, workers, queue.
        made_for: languages that the model itself says it was trained for; none for a stock model.
        spelled: spells what the model has heard, and finds phrases that it was not trained on.

    Raises:
        SettingsError: the model is missing, incomplete or does not load.
    """

    def __init__(
        self,
        directory: Path,
        info: TranscriberInfo,
        decoding: Decoding,
        settings: Stt,
        *,
        made_for: tuple[str, ...] = (),
        spelled: SpelledPhrases | None = None,
    ) -> None:
        self._thresholds = Thresholds(
            decoding.log_prob_threshold,
            decoding.no_speech_threshold,
            decoding.sure_log_prob,
            decoding.spelling_threshold,
        )
        languages = info.languages or tuple(SCRIPTS)
        self._key = (
            directory.resolve(), repr(decoding), languages, settings.device, settings.compute_type,
            settings.threads, settings.workers, settings.queue, spelled and spelled.key,
        )  # fmt: skip
        with _loading:
            shared = _loaded.get(self._key)
            if shared is None:
                decoder = WhisperDecoder(
                    directory,
                    decoding,
                    languages=languages,
                    device=settings.device,
                    compute_type=settings.compute_type,
                    threads=settings.threads,
                    workers=settings.workers,
                    spelled=spelled,
                )
                executor = PriorityExecutor(settings.workers, settings.queue, f"stt-{info.name}")
                shared = _loaded[self._key] = _Shared(decoder, executor)
            shared.users += 1
        self._shared: _Shared | None = shared
        self.made_for = made_for
        # What is promised is what the model has tokens for.
        self._info = replace(info, languages=shared.decoder.languages)

    @property
    def info(self) -> TranscriberInfo:
        return self._info

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Recognises one utterance.

        Raises:
            EngineError: ``language_not_supported``, ``stt_busy``, ``stt_timeout``, ``stt_superseded``,
                ``stt_closed`` or ``stt_failed``.
        """
        shared = self._shared
        if shared is None:
            raise EngineError("The speech recogniser has been closed.", code="stt_closed", retryable=False)
        if len(request.audio) < _SHORTEST:
            return Transcript(text="", language=request.language, rejected="empty")
        end = time.monotonic() + request.deadline
        language = request.language
        parts: list[Decoded] = []
        # Each piece queues on its own, so a long utterance neither blocks others nor outlives its caller.
        for piece in shared.decoder.pieces(request.audio, language):

            def work(piece: Any = piece, language: str | None = language) -> Decoded:
                return shared.decoder.decode([piece], language, request.hints)[0]

            part = await shared.executor.run(
                work, priority=request.priority, deadline=end - time.monotonic(), key=request.stream
            )
            language = language or part.language
            parts.append(part)
        return self._judged(parts, len(request.audio) / SAMPLE_RATE)

    def _judged(self, parts: list[Decoded], seconds: float) -> Transcript:
        text = " ".join(part.text for part in parts if part.text)
        # An empty text has no tokens and therefore no mean: CTranslate2 says NaN.
        known = [part.log_prob for part in parts if not math.isnan(part.log_prob)]
        log_prob = sum(known) / len(known) if known else None
        reason = rejection(
            text,
            language=parts[0].language,
            seconds=seconds,
            log_prob=log_prob,
            no_speech=min(part.no_speech for part in parts),
            thresholds=self._thresholds,
            ratio=min((part.ratio for part in parts if part.ratio is not None), default=None),
        )
        return Transcript(text=text, language=parts[0].language, confidence=log_prob, rejected=reason)

    async def aclose(self) -> None:
        """The last user of a model joins its threads and frees it."""
        shared, self._shared = self._shared, None
        if shared is None:
            return
        with _loading:
            shared.users -= 1
            last = shared.users == 0
            if last:
                del _loaded[self._key]
        if last:
            await shared.executor.aclose()


def build(settings: Settings, added: Mapping[str, Sequence[str]] | None = None) -> Transcriber:
    """The recogniser that ``stt.engine`` (auto, whisper or command) and ``stt.model`` name.

    ``added``: per language what callers may say besides the command recogniser's own phrases.

    Raises:
        SettingsError: there is no such model, or it does not load.
    """
    stt = settings.stt
    if stt.engine == "command":
        return _command(stt, added)
    if stt.model:
        pulled = settings.server.data_dir / "models" / stt.model
        directory = pulled if pulled.is_dir() else _resolve(stt.model, settings.server.offline)
        return _whisper(directory, stt)
    found = local_models(settings.server.data_dir / "models", small=not _on_gpu(stt))
    if found:
        log.info("speech to text: using %s", found[0])
        return _whisper(found[0], stt)
    if stt.engine == "whisper":
        raise SettingsError(
            "stt.engine is 'whisper', but there is no model on this machine: set stt.model to the "
            "directory of a CTranslate2 Whisper model, or stt.engine to 'command'"
        )
    return _command(stt, added)


def local_models(models_dir: Path, *, small: bool) -> list[Path]:
    """Complete Whisper models in ``models_dir`` and the Hugging Face cache, the best first.

    Best is the largest; with ``small`` (no GPU) the largest that answers in time, then the smallest.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    candidates = [*models_dir.glob("*"), *Path(HF_HUB_CACHE).glob("models--*/snapshots/*")]
    sizes = {path: (path / "model.bin").stat().st_size for path in candidates if _is_whisper(path)}

    def rank(path: Path) -> tuple[bool, int]:
        fits = not small or sizes[path] <= _LARGEST_ON_CPU
        return (not fits, -sizes[path] if fits else sizes[path])

    return sorted(sizes, key=rank)


def _is_whisper(path: Path) -> bool:
    """Other CTranslate2 models (translators) share the file names, not the configuration."""
    if not path.is_dir() or missing_files(path):
        return False
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "suppress_ids_begin" in config


def _on_gpu(stt: Stt) -> bool:
    if stt.device != "auto":
        return stt.device == "cuda"
    import ctranslate2

    return bool(ctranslate2.get_cuda_device_count())


def _resolve(model: str, offline: bool) -> Path:
    """A directory as it is; a hub name from the cache, or downloaded when the server may."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise SettingsError(f"stt.model: {model} is no directory")
    from faster_whisper.utils import download_model

    try:
        return Path(download_model(model, local_files_only=offline))
    except ValueError as error:
        raise SettingsError(
            f"stt.model: {model!r} is neither a directory nor a model's name: {error}"
        ) from error
    except Exception as error:  # the hub client's many kinds
        reason = "it is not in the local cache and server.offline is set" if offline else str(error)
        raise SettingsError(f"stt.model: cannot get {model!r}: {reason}") from error


def _whisper(directory: Path, stt: Stt) -> WhisperTranscriber:
    own = read_decoding(directory)
    decoding = Decoding(
        min_window_s=stt.min_window_s,
        max_tokens=stt.max_tokens,
        log_prob_threshold=stt.log_prob_threshold,
        no_speech_threshold=stt.no_speech_threshold,
    )
    known = [*(each.name for each in fields(Decoding)), "languages"]
    for name in stt.options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise SettingsError(f"stt.options: unknown option {name!r}; did you mean {near!r}?")
    # The model's own file knows better than a default, a setting better than both.
    chosen = {name: getattr(stt, name) for name in stt.model_fields_set if name in Stt.model_fields}
    decoding = decoding.override(own).override(chosen).override(stt.options)
    languages = stt.options.get("languages") or own.get("languages") or SCRIPTS
    info = TranscriberInfo(
        name="whisper",
        open_vocabulary=True,
        tested_on=str(own.get("tested_on", "unknown")),
        languages=tuple(languages),
    )
    declared = (*(own.get("languages") or ()), *(own.get("language_tokens") or ()))
    return WhisperTranscriber(directory, info, decoding, stt, made_for=declared)


def _command(stt: Stt, added: Mapping[str, Sequence[str]] | None = None) -> WhisperTranscriber:
    """The embedded recogniser; its own files alone decide how it is decoded."""
    if missing := missing_files(COMMAND_MODEL):
        raise SettingsError(f"the embedded recogniser is incomplete ({', '.join(missing)}): install again")
    decoding = Decoding(
        min_window_s=0.0,
        margin_frames=50,
        max_window_s=8.0,
        log_prob_threshold=-0.3,
        sure_log_prob=0.0,
        hints=False,
    )
    info = TranscriberInfo(
        name="command",
        open_vocabulary=False,
        tested_on="synthetic voices only",
        languages=tuple(SCRIPTS),
        phrases={code: tuple(known) for code, known in phrases().items()},
    )
    decoding = decoding.override(read_decoding(COMMAND_MODEL))
    spelled = SpelledPhrases(COMMAND_MODEL, phrases(), added or {})
    return WhisperTranscriber(COMMAND_MODEL, info, decoding, stt, spelled=spelled)
