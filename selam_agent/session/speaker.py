"""Which voice speaks, and through which engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selam_agent.errors import SessionError, ValidationError
from selam_agent.languages.packs import Pack, Packs, VoiceEntry
from selam_agent.ports import Synthesizer


@dataclass(frozen=True, slots=True)
class VoiceEngine:
    """An engine with the parameters that make it this voice."""

    synthesizer: Synthesizer
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice with those of its engines that this server has, best first; at least one."""

    pack: Pack
    voice: VoiceEntry
    engines: tuple[VoiceEngine, ...]


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


def choose(packs: Packs, synthesizers: Mapping[str, Synthesizer], voice: str) -> Speaker:
    """Resolves a known voice. Raises SessionError when none of its engines is configured."""
    pack, entry = packs.voice(voice)
    engines = tuple(
        VoiceEngine(synthesizers[name], parameters)
        for parameters in entry.engines
        if (name := str(parameters["engine"])) in synthesizers
    )
    if engines:
        return Speaker(pack, entry, engines)
    wanted = [str(parameters["engine"]) for parameters in entry.engines]
    raise SessionError(
        f"Voice {voice!r} needs the engine {' or '.join(wanted)}, which this server has not got; "
        f"add it to tts.engines in selam.toml, or choose another voice.",
        code="voice_unavailable",
        details={"engines": wanted},
    )


def choose_for(packs: Packs, synthesizers: Mapping[str, Synthesizer], language: str, wished: str) -> Speaker:
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
            return choose(packs, synthesizers, voice.name)
        except SessionError as error:
            unavailable = unavailable or error
    assert unavailable is not None  # a pack has at least one voice
    raise unavailable
