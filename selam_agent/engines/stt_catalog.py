"""Which recogniser hears which language: ``stt.engine`` and ``stt.model``, and ``stt.models`` over them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from selam_agent.engines.privacy import check_private
from selam_agent.engines.stt_gates import SCRIPTS
from selam_agent.engines.stt_routing import (
    ALTERNATIVE,
    ANY,
    NAMES,
    WHISPER_POOR,
    RoutingTranscriber,
    whisper_refusal,
)
from selam_agent.errors import SettingsError
from selam_agent.ports import Transcriber
from selam_agent.settings import Settings, Stt

__all__ = ["BUILT_IN", "build", "cautions"]

log = logging.getLogger(__name__)

BUILT_IN: Final = ("auto", "whisper", "command", "sherpa", "openai")

Foreign = Callable[[str, str, Mapping[str, Any]], Transcriber]
Added = Mapping[str, Sequence[str]] | None


class _Sources(NamedTuple):
    """What recognisers are made of besides the settings: see :func:`build`."""

    foreign: Foreign
    added: Added


def build(settings: Settings, foreign: Foreign, added: Added = None) -> Transcriber:
    """The recogniser of the server; one per language behind it where there are several.

    Languages that the recogniser of ``stt.engine`` does not know are left to the built-in command
    recogniser, with a warning in the log.

    Args:
        foreign: makes an installed or imported engine, from where it is named, its name and options.
        added: per language what the command recogniser is to hear besides its own phrases.

    Raises:
        SettingsError: no such engine or model, one that may not be used, or one that does not know
            the language it is named for.
    """
    made: list[Transcriber] = []
    try:
        return _build(settings, _Sources(foreign, added), made)
    except BaseException:
        _close(made)
        raise


def _build(settings: Settings, sources: _Sources, made: list[Transcriber]) -> Transcriber:
    by_language = _named(settings, sources, made)
    plain = settings.stt.engine == "auto" and not settings.stt.model
    if plain and by_language and set(SCRIPTS) <= set(by_language):
        # Nothing is left for another one.
        return RoutingTranscriber(by_language, by_language.get(ANY) or next(iter(by_language.values())))
    default = _one(settings, settings.stt, "stt", sources, made)
    known = default.info.languages
    left = [code for code in SCRIPTS if known is not None and code not in (*known, *by_language)]
    if left:
        command = _one(settings, _with(settings.stt, engine="command"), "stt", sources, made)
        # Whoever hears callers of unknown language does so because it was chosen, not as a last resort.
        by_language.setdefault(ANY, RoutingTranscriber(by_language, default).part(None))
        by_language |= dict.fromkeys(left, command)
        log.warning(
            "%s does not know %s: the built-in command recogniser hears fixed phrases of it; for free "
            "speech see stt.models",
            default.info.name,
            " and ".join(NAMES[code] for code in left),
        )
    return RoutingTranscriber(by_language, default) if by_language else default


def cautions(transcriber: Transcriber) -> list[str]:
    """What callers of some languages will hear that their operator should know before."""
    from selam_agent.engines.stt_whisper import WhisperTranscriber

    said = []
    for code, figure in WHISPER_POOR.items():
        part = transcriber.part(code) if isinstance(transcriber, RoutingTranscriber) else transcriber
        if isinstance(part, WhisperTranscriber) and part.info.open_vocabulary and code not in part.made_for:
            said.append(
                f"{NAMES[code]} is heard by stock Whisper, which has {figure}. "
                f"Better: `selam-agent models pull {ALTERNATIVE}`, then under [stt.models]: "
                f'{code} = "sherpa:{ALTERNATIVE}". '
                "(A fine-tuned model names its languages in its decoding.json.)"
            )
    return said


def _close(made: list[Transcriber]) -> None:
    """Frees the models of recognisers that nobody gets."""

    async def close() -> None:
        for each in made:
            await each.aclose()

    # Whoever builds may have an event loop that runs.
    thread = threading.Thread(target=asyncio.run, args=(close(),))
    thread.start()
    thread.join()


def _named(settings: Settings, sources: _Sources, made: list[Transcriber]) -> dict[str, Transcriber]:
    """The recognisers of ``stt.models``; equal entries share one."""
    shared: dict[str, Transcriber] = {}
    by_language: dict[str, Transcriber] = {}
    for code, model in settings.stt.models.items():
        where = f"stt.models.{code}"
        refusal = whisper_refusal(code) if model.engine in ("whisper", "auto") else ""
        if refusal and not Path(model.model).expanduser().is_dir():
            raise SettingsError(refusal)
        key = repr(model)
        if key not in shared:
            stt = _with(settings.stt, **{name: getattr(model, name) for name in type(model).model_fields})
            shared[key] = _one(settings, stt, where, sources, made)
        known = shared[key].info.languages
        if code != ANY and known is not None and code not in known:
            raise SettingsError(
                refusal or f"{where}: {shared[key].info.name} does not know it, only {', '.join(known)}"
            )
        by_language[code] = shared[key]
    return by_language


def _one(settings: Settings, stt: Stt, where: str, sources: _Sources, made: list[Transcriber]) -> Transcriber:
    transcriber = _make(settings, stt, where, sources)
    made.append(transcriber)
    if transcriber.info.leaves_machine:
        check_private(settings, f"{where}.engine", transcriber.info.name)
    return transcriber


def _make(settings: Settings, stt: Stt, where: str, sources: _Sources) -> Transcriber:
    if stt.engine == "sherpa":
        from selam_agent.engines.stt_sherpa import SherpaTranscriber

        return SherpaTranscriber(_sherpa_directory(settings, stt.model, where), stt)
    if stt.engine == "openai":
        if not stt.model or not (stt.base_url or stt.api_key):
            raise SettingsError(
                f"{where}: the engine 'openai' needs a model, and base_url (such as "
                "http://127.0.0.1:8000/v1) or an api_key for OpenAI's own"
            )
        from selam_agent.engines.stt_openai import OpenAITranscriber

        return OpenAITranscriber(stt)
    if stt.engine in BUILT_IN:
        from selam_agent.engines import stt_whisper

        return stt_whisper.build(settings.model_copy(update={"stt": stt}), sources.added)
    return sources.foreign(f"{where}.engine", stt.engine, stt.options)


def _sherpa_directory(settings: Settings, model: str, where: str) -> Path:
    if not model:
        raise SettingsError(f"{where}: the engine 'sherpa' needs a model: a directory, or {ALTERNATIVE!r}")
    directory = Path(model).expanduser()
    pulled = settings.server.data_dir / "models" / model
    if not directory.is_dir() and not pulled.is_dir():
        raise SettingsError(
            f"{where}: there is no model {model} in {pulled.parent}; "
            "`selam-agent models list` names those that can be pulled"
        )
    return directory if directory.is_dir() else pulled


def _with(stt: Stt, **changes: Any) -> Stt:
    """Another model under the same settings; what was set of them still counts as set."""
    given = {name: getattr(stt, name) for name in stt.model_fields_set}
    return Stt(**{**given, "models": {}, "model": "", "options": {}, **changes})
