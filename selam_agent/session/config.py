"""What a session is made of: the client's wishes and the server's engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from selam_agent.ports import ChatModel, Synthesizer, Transcriber, Translator

OutputFormat = Literal["mp3", "opus", "wav", "pcm16", "pcmu", "pcma"]
Interruption = Literal["semantic", "energy", "off"]
Playback = Literal["immediate", "buffered"]
Translation = Literal["off", "pivot", "interpreter"]

MAX_INSTRUCTIONS = 16_000  # characters
MAX_GREETING = 4_000  # characters
MAX_TEXT_INPUT = 4_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """A client's wishes, already checked for type and range by its door.

    ``locale``: the language with its region, such as ``ti-ER``, where the client names one.
    ``vad_threshold``: RMS of a 20 ms frame in int16 units below which nothing counts as speech.
    ``interrupt_threshold``: in units of 30 ms of voiced speech that stop the agent.
    ``interruption``: by what the words mean, by energy alone, or not at all; None: the server's.
    ``playback``: ``immediate`` for clients that play each chunk on arrival, which therefore get it
    when it is due; ``buffered`` for those that queue, which get a small lead and a ``clear``.
    ``min_silence_ms``, ``max_silence_ms``: stated patience is obeyed exactly; None leaves it adaptive.
    ``interruption_delay_ms``: speech over the agent is acted on only after so much of it.
    ``uninterruptible_greeting``: what the caller says during the greeting is discarded.
    ``translation``: ``off``: the model answers in the caller's language, or in ``language``; ``pivot``: it
    works in English, the caller does not; ``interpreter``: no assistant, each of the two ``languages`` is
    said in the other one; None: the server's. ``languages``: those that callers speak; empty: all.
    ``tools``: in the OpenAI function form, checked; ``end_call``: the model may end the call.
    ``interim``: whether the client wants transcripts while the caller still speaks.
    ``silence_prompt_s``: after so long a silence the agent asks whether the caller is there, and after
    as long again says goodbye; 0: never; None: the server's. ``filler_ms``: what the agent says when the
    model is silent for so long; 0: nothing; None: the server's.
    ``decisions``, ``input_level``, ``suggestions``: whether the client wants these events.
    ``max_session_s``: a limit below the server's own, or None.
    ``signals``: whether the client is told of ``events_signals``.
    ``hints``: words the recogniser may expect. ``volume``: 0–100 per cent of the voice's own loudness.
    ``tool_timeouts``: seconds a tool of this name may take, where not the server's. ``filled_tools``: names
    of those during which the agent does not stay silent for long.
    """

    voice: str
    language: str | None = None
    locale: str = ""
    instructions: str = ""
    greeting: str = ""
    vad_threshold: float = 600.0
    interrupt_threshold: int = 8
    interruption: Interruption | None = None
    output_format: OutputFormat = "mp3"
    output_sample_rate: int = 24_000
    playback: Playback = "immediate"
    min_silence_ms: int | None = None
    max_silence_ms: int | None = None
    interruption_delay_ms: int = 0
    uninterruptible_greeting: bool = False
    translation: Translation | None = None
    languages: tuple[str, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    end_call: bool = False
    interim: bool = False
    silence_prompt_s: float | None = None
    filler_ms: int | None = None
    decisions: bool = False
    input_level: bool = False
    suggestions: bool = False
    max_session_s: float | None = None
    signals: bool = False
    hints: tuple[str, ...] = ()
    volume: float = 100.0
    tool_timeouts: Mapping[str, float] = field(default_factory=dict)
    filled_tools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The engines of the server, shared by all sessions. ``synthesizers`` by the packs' engine names.

    ``translator``: None where the server has none; sessions that need one are refused.
    ``speaking_models``: those that speak for themselves, by the packs' engine names as well.
    """

    transcriber: Transcriber
    chat_model: ChatModel
    synthesizers: Mapping[str, Synthesizer] = field(default_factory=dict)
    translator: Translator | None = None
    speaking_models: Mapping[str, ChatModel] = field(default_factory=dict)
