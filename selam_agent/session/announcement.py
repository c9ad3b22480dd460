"""What a client is told when its session begins or goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selam_agent.events import Notice, SessionStarted
from selam_agent.ports import ChatModelInfo, Routing, SynthesizerInfo
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.speaker import Speaker


def started(
    session_id: str,
    config: SessionConfig,
    speaker: Speaker,
    engines: Engines,
    resume_token: str,
    *,
    resumed: bool,
) -> SessionStarted:
    """``speaker`` is the voice that speaks now; a session may have followed its caller to another."""
    return SessionStarted(
        session_id=session_id,
        voice=speaker.voice.name,
        language=config.language,
        output_format=config.output_format,
        sample_rate=config.output_sample_rate,
        engines=_described(engines, config.language, speaker),
        extra={"translation": config.translation, "languages": config.languages},
        resume_token=resume_token or None,
        resumed=resumed,
    )


def warnings(config: SessionConfig, model: ChatModelInfo) -> Iterator[Notice]:
    """Wishes that this server's model cannot meet."""
    if config.translation == "interpreter":
        if config.instructions or config.tools or config.end_call:
            yield Notice(
                code="instructions_ignored",
                message="An interpreter says what is said; instructions and tools are for an assistant.",
            )
        return
    if config.instructions and not model.follows_instructions:
        yield Notice(
            code="instructions_ignored",
            message=f"The model {model.name} is rule-based and cannot follow instructions; "
            f"set llm.base_url to a language model.",
        )
    if (config.tools or config.end_call) and not model.calls_tools:
        yield Notice(code="tools_ignored", message=f"The model {model.name} cannot call tools.")


def _described(engines: Engines, language: str | None, speaker: Speaker) -> dict[str, dict[str, Any]]:
    """What ``session_started`` tells about the engines at work."""
    transcriber, llm = engines.transcriber, (speaker.model or engines.chat_model).info
    stt = transcriber.info_for(language) if isinstance(transcriber, Routing) else transcriber.info
    tts, *others = (each.synthesizer.info for each in speaker.engines)
    if speaker.model is not None:
        tts, others = SynthesizerInfo(name=llm.name, leaves_machine=llm.leaves_machine, remote=True), []
    return {
        "stt": {
            "name": stt.name,
            "open_vocabulary": stt.open_vocabulary,
            "tested_on": stt.tested_on,
            "leaves_machine": stt.leaves_machine,
        },
        "llm": {"name": llm.name, "generative": llm.generative, "leaves_machine": llm.leaves_machine},
        "tts": {
            "name": tts.name,
            "leaves_machine": tts.leaves_machine,
            "fallbacks": [each.name for each in others],
        },
    }
