"""What a client may ask of a session, as keyword arguments of ``start_session`` and ``update_session``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class Wishes(TypedDict, total=False):
    """At the start and later. What is None or left out is the server's default, or stays as it is.

    ``translation``: ``pivot`` lets the model work in English, ``interpreter`` says each of two
    ``languages`` in the other; otherwise ``languages`` are those that callers speak.
    ``vad_threshold``: RMS in int16 units under which nothing is speech. ``interrupt_threshold``: in
    units of 30 ms of speech. ``interruption``: by what the words mean, by energy alone, or not at all.
    ``interruption_delay``, ``min_silence``, ``max_silence``: ms. ``tools``: in the OpenAI function
    form; ``end_call``: the model may end the call.
    """

    voice: str | None
    language: str | None
    translation: Literal["off", "pivot", "interpreter"] | None
    languages: Sequence[str] | None
    instructions: str | None
    vad_threshold: float | None
    interrupt_threshold: int | None
    interruption: Literal["semantic", "energy", "off"] | None
    interrupt_response: bool | None
    interruption_delay: int | None
    min_silence: int | None
    max_silence: int | None
    tools: Sequence[Mapping[str, Any]] | None
    end_call: bool | None


class StartWishes(Wishes, total=False):
    """At the start only.

    ``binary``: audio as bytes, which is the default here. ``interim``: transcripts while the caller
    speaks. ``silence_prompt_s``: "are you there?" after so many seconds. ``filler`` (ms): what the
    agent says when the model is silent for so long.
    """

    greeting: str | None
    uninterruptible_greeting: bool | None
    output_format: Literal["mp3", "opus", "wav", "pcm16", "pcmu", "pcma"] | None
    output_sample_rate: int | None
    playback: Literal["immediate", "buffered"] | None
    binary: bool | None
    interim: bool | None
    silence_prompt_s: float | None
    filler: int | None
    decisions: bool | None
    input_level: bool | None
    suggestions: bool | None
