"""Engines by name: the built-in ones, installed ones, and any factory that can be imported.

A name in the settings is one of

* a built-in: ``whisper``, ``sherpa``, ``openai``, ``command`` (stt); ``openai``, ``flow`` (llm);
  ``edge``, ``openai``, ``espeak`` (tts); ``llm`` (translation);
* ``foo``, for an installed package's entry point ``stt.foo``, ``llm.foo``, ``tts.foo`` or
  ``translation.foo`` in the group ``selam_agent.engines``;
* ``import:package.module:factory``.

The last two are factories: they are called with the section's ``options`` as keyword arguments.
"""

from __future__ import annotations

import difflib
import importlib
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from selam_agent.engines import stt_catalog
from selam_agent.engines.addresses import is_loopback
from selam_agent.engines.privacy import check_private, may_leave
from selam_agent.errors import SettingsError
from selam_agent.ports import ChatModel, Synthesizer, Transcriber, Translator
from selam_agent.settings import Settings, Translation

if TYPE_CHECKING:
    from selam_agent.languages.packs import Packs

__all__ = [
    "GROUP",
    "build_chat_model",
    "build_speaking_models",
    "build_synthesizers",
    "build_transcriber",
    "build_translator",
    "check_allowed_names",
]

log = logging.getLogger(__name__)

GROUP: Final = "selam_agent.engines"
_BUILT_IN: Final = {
    "stt": stt_catalog.BUILT_IN,
    "llm": ("auto", "openai", "flow"),
    "tts": ("auto", "edge", "openai", "espeak"),
    "translation": ("auto", "llm"),
}
# The built-in ones that can send something off the machine.
_LEAVING: Final = ("edge", "openai", "gpt_audio")


def check_allowed_names(settings: Settings) -> None:
    """Refuses names in ``privacy.allow`` that no engine has: misspelt, they would allow nothing.

    Engines of others may go by another name than the settings give them; while one is in use, an
    unknown name is only warned of.

    Raises:
        SettingsError: with the likeliest of the names.
    """
    built_in = {name for names in _BUILT_IN.values() for name in names} | {*_LEAVING}
    installed = [name for kind in _BUILT_IN for name in _installed(kind)]
    tts, stt = settings.tts, settings.stt
    used = {stt.engine, settings.llm.engine, settings.translation.engine, tts.engine}
    used |= {each.engine for each in stt.models.values()}
    used |= {*tts.engines} if tts.engine == "auto" else set()
    for name in settings.privacy.allow:
        if name in built_in or name in installed:
            continue
        if used <= built_in:
            near = difflib.get_close_matches(name, [*_LEAVING, *installed], n=1, cutoff=0.0)
            raise SettingsError(f"privacy.allow: there is no engine {name!r}; did you mean {near[0]!r}?")
        log.warning("privacy.allow: no built-in or installed engine is called %r", name)


def build_transcriber(settings: Settings, chat_model: ChatModel | None = None) -> Transcriber:
    """The recogniser that ``[stt]`` names, or several behind one. Loads models: seconds for large ones.

    ``chat_model``: a flow's own phrases are recognised too where the recogniser knows only a list.

    Raises:
        SettingsError: no such engine or model.
    """

    def foreign(where: str, name: str, options: Mapping[str, Any]) -> Transcriber:
        made: Transcriber = _checked(_foreign("stt", name, options, where), Transcriber, where, name)
        return made

    # A flow has them, a language model does not.
    return stt_catalog.build(settings, foreign, getattr(chat_model, "phrases", None))


def build_chat_model(settings: Settings, packs: Packs) -> ChatModel:
    """The language model that ``[llm]`` names; without ``base_url`` that is the rule-based flow.

    Args:
        packs: the language packs, for the flow engine.

    Raises:
        SettingsError: no such engine, or ``openai`` without ``base_url`` or ``model``.
    """
    llm = settings.llm
    name = llm.engine
    if name == "auto":
        name = "openai" if llm.base_url else "flow"
    if name == "openai":
        if not llm.base_url:
            raise SettingsError(
                "llm.base_url: the engine 'openai' needs one, such as http://127.0.0.1:8000/v1"
            )
        if not llm.model:
            raise SettingsError("llm.model: the engine 'openai' needs the name of a model")
        from selam_agent.engines.llm_openai import OpenAIChatModel

        made: Any = OpenAIChatModel(llm)
    elif name == "flow":
        # By name, because it reads its own data and nobody else needs that.
        flow: Callable[..., Any] = importlib.import_module("selam_agent.engines.flow").FlowModel
        made = flow(llm.flow, packs)
    else:
        made = _foreign("llm", name, llm.options)
    model: ChatModel = _checked(made, ChatModel, "llm.engine", name)
    if model.info.leaves_machine:
        check_private(settings, "llm.engine", model.info.name if name.startswith("import:") else name)
    return model


def build_speaking_models(settings: Settings) -> dict[str, ChatModel]:
    """Models that speak for themselves, by the name that the packs call them; none without a model's name.

    Left out, like the voices, where it would send text away without being named in ``privacy.allow``.
    """
    speaking = settings.gpt_audio
    if not speaking.model:
        return {}
    if not is_loopback(speaking.base_url) and not may_leave(settings, "gpt_audio"):
        log.info("gpt_audio is not used: privacy.allow does not name it, or the server is offline")
        return {}
    from selam_agent.engines.llm_gpt_audio import GptAudioModel

    return {"gpt_audio": GptAudioModel(speaking, settings.llm)}


def build_synthesizers(settings: Settings) -> dict[str, Synthesizer]:
    """The engines that voices may use, by the name that the packs call them.

    An imported factory's engine goes by its own ``info.name``. With ``engine = "auto"``, those that
    would send text away without being named in ``privacy.allow`` are left out, all of them when
    offline, and so is ``openai`` without a server.

    Raises:
        SettingsError: no such engine, none is left, or the one named may not be used.
    """
    tts = settings.tts
    automatic = tts.engine == "auto"
    built: dict[str, Synthesizer] = {}
    for name in tts.engines if automatic else [tts.engine]:
        if automatic and not _wanted(settings, name):
            continue
        engine = _synthesizer(settings, name)
        name = engine.info.name if name.startswith("import:") else name
        if engine.info.leaves_machine and not may_leave(settings, name):
            if not automatic:
                check_private(settings, "tts.engine", name)
            continue
        built[name] = engine
    if not built:
        raise SettingsError(
            "tts.engines: none of them may be used; name 'espeak', or allow one in privacy.allow"
        )
    return built


def build_translator(settings: Settings, packs: Packs, chat_model: ChatModel) -> Translator | None:
    """The translator that ``[translation]`` names; ``auto``: the language model, if it is generative.

    Returns:
        None where there is none, which is said when a session asks for one.

    Raises:
        SettingsError: no such engine, or a mode that needs what is not there.
    """
    wanted = settings.translation
    translator: Translator | None = None
    if wanted.engine not in _BUILT_IN["translation"]:
        made = _foreign("translation", wanted.engine, wanted.options)
        translator = _checked(made, Translator, "translation.engine", wanted.engine)
        if translator is not None and translator.info.leaves_machine:
            check_private(settings, "translation.engine", translator.info.name)
    elif chat_model.info.generative:
        from selam_agent.engines.translate_llm import LlmTranslator

        translator = LlmTranslator(chat_model, {pack.code: pack.name for pack in packs})
    elif wanted.engine == "llm":
        raise SettingsError(
            f"translation.engine: 'llm' needs a language model, and {chat_model.info.name} is rule-based; "
            "set llm.base_url and llm.model"
        )
    _check_mode(settings.translation, packs, chat_model, translator)
    return translator


def _check_mode(
    wanted: Translation, packs: Packs, chat_model: ChatModel, translator: Translator | None
) -> None:
    """Refuses at the start what every session would be refused for."""
    if unknown := [code for code in wanted.languages if code not in packs]:
        known = ", ".join(packs.languages)
        raise SettingsError(f"translation.languages: there is no {unknown[0]!r}; there are {known}")
    if wanted.mode == "interpreter" and (len(wanted.languages), len(set(wanted.languages))) != (2, 2):
        raise SettingsError('translation.languages: the interpreter needs two, such as ["so", "en"]')
    missing = translator is None or (wanted.mode == "pivot" and not chat_model.info.generative)
    if wanted.mode != "off" and missing:
        raise SettingsError(
            f"translation.mode: {wanted.mode!r} needs a language model; set llm.base_url and llm.model"
        )


def _synthesizer(settings: Settings, name: str) -> Synthesizer:
    tts, turns = settings.tts, settings.turns
    timing = {"patience_s": turns.tts_first_ms / 1000, "deadline_s": turns.tts_deadline_s}
    if name == "espeak":
        from selam_agent.engines.tts_espeak import EspeakSynthesizer

        return EspeakSynthesizer(settings.server.data_dir / "espeak")
    if name == "edge":
        from selam_agent.engines.tts_edge import EdgeSynthesizer

        return EdgeSynthesizer(**timing)
    if name == "openai":
        if not (tts.base_url or tts.api_key):
            raise SettingsError(
                "tts.base_url: the engine 'openai' needs one, or tts.api_key for OpenAI's own"
            )
        from selam_agent.engines.tts_openai import OpenAISynthesizer

        return OpenAISynthesizer(tts, **timing)
    where = "tts.engines" if tts.engine == "auto" else "tts.engine"
    engine: Synthesizer = _checked(_foreign("tts", name, tts.options), Synthesizer, where, name)
    return engine


def _wanted(settings: Settings, name: str) -> bool:
    """Whether an engine of the list can be used at all, without importing its library."""
    if name == "openai":
        url, key = settings.tts.base_url, settings.tts.api_key
        return is_loopback(url) or (bool(url or key) and may_leave(settings, name))
    return name != "edge" or may_leave(settings, name)


def _installed(kind: str) -> dict[str, Any]:
    prefix = f"{kind}."
    return {
        point.name.removeprefix(prefix): point
        for point in entry_points(group=GROUP)
        if point.name.startswith(prefix)
    }


def _foreign(kind: str, name: str, options: Mapping[str, Any], where: str = "") -> Any:
    """What an installed or imported factory makes; ``where`` it is named, if not in ``<kind>.engine``."""
    installed = _installed(kind)
    where = where or f"{kind}.engine"
    try:
        if name.startswith("import:"):
            module, _, attribute = name.removeprefix("import:").partition(":")
            factory = getattr(importlib.import_module(module), attribute)
        elif name in installed:
            factory = installed[name].load()
        else:
            known = [*_BUILT_IN[kind], *installed]
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise SettingsError(f"{where}: unknown engine {name!r}; did you mean {near[0]!r}?")
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"{where}: cannot import {name!r}: {error}") from error
    try:
        return factory(**options)
    except SettingsError:
        raise
    except Exception as error:  # somebody else's code
        reason = f"{type(error).__name__}: {error}"
        raise SettingsError(f"{where}: {name!r} could not be made: {reason}") from error


def _checked(engine: Any, protocol: type[Any], where: str, name: str) -> Any:
    if not isinstance(engine, protocol):
        raise SettingsError(f"{where}: what {name!r} makes is no {protocol.__name__}")
    return engine
