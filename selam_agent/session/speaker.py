"""Which voice speaks, and through which engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selam_agent.errors import SessionError, ValidationError
from selam_agent.languages.packs import Pack, Packs, VoiceEntry
from selam_agent.ports import ChatModel, Synthesizer
from selam_agent.session.config import Engines

# Engines of the packs that are language models: they think and speak.
SPEAKING_MODELS = ("gpt_audio",)


@dataclass(frozen=True, slots=True)
class VoiceEngine:
    """An engine with the parameters that make it this voice."""

    synthesizer: Synthesizer
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice with those of its engines that this server has, best first; at least one.

    ``model``: where the voice is a model's own, that model, and ``model_voice`` what it calls the
    voice. The engines then speak only what the server itself says, such as a greeting.
    """

    pack: Pack
    voice: VoiceEntry
    engines: tuple[VoiceEngine, ...]
    model: ChatModel | None = None
    model_voice: str = ""


def check_voice(packs: Packs, name: str) -> None:
    """Raises ValidationError, which lists the voices, when the name is unknown or missing."""
    if not name:
        known = [voice.name for _, voice in packs.voices()]
        raise ValidationError(
            f"A voice is required: {', '.join(known)}.", code="missing_voice", details={"voices": known}
        )
    packs.voice(name)


def check_language(packs: Packs, voice: str, language: str | None) -> None:
    """Raises ValidationError, which names the voices of that language, when the voice does not speak it."""
    if language is None:
        return
    wanted = packs[language]
    pack, _ = packs.voice(voice)
    if pack.code != language:
        names = [each.name for _, each in packs.voices(language)]
        raise ValidationError(
            f"Voice {voice!r} speaks {pack.name}, not {wanted.name}. "
            f"Voices of that language: {', '.join(names)}.",
            code="voice_language_mismatch",
            details={"voices": names},
        )


def choose(packs: Packs, engines: Engines, voice: str, locale: str = "") -> Speaker:
    """Resolves a known voice; its language is spoken as in this locale, if that is one of it.

    Raises SessionError when its model, or each of its engines, is missing."""
    pack, entry = packs.voice(voice)
    if locale.partition("-")[0] == pack.code:
        pack = packs[locale]
    wanted = [str(parameters["engine"]) for parameters in entry.engines]
    if wanted[0] in SPEAKING_MODELS and wanted[0] not in engines.speaking_models:
        raise SessionError(
            f"Voice {voice!r} is a language model's own, which this server has not got: selam.toml needs "
            f"{wanted[0]}.model, {wanted[0]}.api_key or base_url, and {wanted[0]!r} in privacy.allow. "
            "Or choose another voice.",
            code="voice_unavailable",
            details={"engines": wanted[:1]},
        )
    usable = tuple(
        VoiceEngine(engines.synthesizers[name], parameters)
        for name, parameters in zip(wanted, entry.engines, strict=True)
        if name in engines.synthesizers
    )
    if not usable:
        raise SessionError(
            f"Voice {voice!r} needs the engine {' or '.join(wanted)}, which this server has not got; "
            f"add it to tts.engines in selam.toml, or choose another voice.",
            code="voice_unavailable",
            details={"engines": wanted},
        )
    model = engines.speaking_models.get(wanted[0])
    own = str(entry.engines[0].get("voice", entry.name)) if model is not None else ""
    return Speaker(pack, entry, usable, model, own)


def choose_for(packs: Packs, engines: Engines, language: str, wished: str, locale: str = "") -> Speaker:
    """A voice of this language: the wished one if it is, else one of the same gender, else any.

    Raises SessionError when none of them has its engine here.
    """
    wanted, entry = packs.voice(wished)
    voices = sorted(packs[language].voices, key=lambda each: each.gender != entry.gender)
    if wanted.code == language:
        voices.insert(0, entry)
    unavailable: SessionError | None = None
    for voice in voices:
        try:
            return choose(packs, engines, voice.name, locale)
        except SessionError as error:
            unavailable = unavailable or error
    assert unavailable is not None  # a pack has at least one voice
    raise unavailable


def first_engine(entry: VoiceEntry, engines: Engines) -> str | None:
    """The engine that speaks with this voice here; None where the voice is not to be had."""
    names = [str(parameters["engine"]) for parameters in entry.engines]
    if names[0] in SPEAKING_MODELS:
        return names[0] if names[0] in engines.speaking_models else None
    return next((name for name in names if name in engines.synthesizers), None)
