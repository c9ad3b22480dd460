"""Whether a session's wishes for languages and translation can be met."""

from __future__ import annotations

from dataclasses import replace

from selam_agent.errors import ValidationError
from selam_agent.languages.packs import Packs
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.speaker import choose_for
from selam_agent.settings import Translation


def settle_translation(
    config: SessionConfig, packs: Packs, engines: Engines, defaults: Translation
) -> SessionConfig:
    """The wishes with the server's translation where the client names none.

    Raises:
        ValidationError: unknown or unfit languages, a voice of none of them, or no translator.
        SessionError: no voice of one of an interpreter's languages has its engine here.
    """
    if config.translation is None:
        languages = config.languages or tuple(defaults.languages)
        config = replace(config, translation=defaults.mode, languages=languages)
    for code in config.languages:
        packs[code]
    if config.translation != "off" and engines.translator is None:
        raise ValidationError(
            f"translation {config.translation!r} needs a language model, and "
            f"{engines.chat_model.info.name} is rule-based; the server's llm.base_url names one.",
            code="no_translator",
        )
    if config.translation == "pivot" and not engines.chat_model.info.generative:
        raise ValidationError(
            f"translation 'pivot' needs a language model; {engines.chat_model.info.name} is rule-based and "
            "answers in each language by itself.",
            code="no_translator",
        )
    if config.translation == "interpreter":
        _check_interpreter(config)
        for code in config.languages:
            choose_for(packs, engines, code, config.voice)
    _check_voice(config, packs)
    return config


def _check_interpreter(config: SessionConfig) -> None:
    if len(set(config.languages)) != 2 or len(config.languages) != 2:
        raise ValidationError(
            'translation "interpreter" needs languages with exactly two entries, such as ["so", "en"].',
            code="interpreter_languages",
            details={"languages": list(config.languages)},
        )
    if config.language is not None and config.language not in config.languages:
        raise ValidationError(
            f'language {config.language!r} is none of the interpreter\'s two; leave it out, or say "auto".',
            code="interpreter_languages",
            details={"languages": list(config.languages)},
        )


def _check_voice(config: SessionConfig, packs: Packs) -> None:
    """A voice of none of the languages would never fit."""
    pack, _ = packs.voice(config.voice)
    if config.languages and config.language is None and pack.code not in config.languages:
        names = [each.name for code in config.languages for _, each in packs.voices(code)]
        raise ValidationError(
            f"Voice {config.voice!r} speaks {pack.name}, which is none of {', '.join(config.languages)}. "
            f"Voices of those: {', '.join(names)}.",
            code="voice_language_mismatch",
            details={"voices": names},
        )
