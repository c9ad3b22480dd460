"""Calls per core with real work: a recogniser that multiplies, espeak's voice, an instant chat model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from selam_agent.programs.bench.profile import Profile
from selam_agent.programs.bench.random_whisper import SHAPES, WRITES, cached
from selam_agent.programs.bench.search import answers_within, largest, window
from selam_agent.programs.bench.speech import Speech, speak

# Phrases of the embedded recogniser, which knows no others, in a voice of the demo's callers.
PHRASES = (
    "I want to book an appointment.",
    "I want to see a doctor.",
    "Please repeat that.",
    "What can I say?",
)
CALLER = "en-us+m1"
WITHIN_MS = 1000.0

# Measures a level: profile, speeches, sessions, seconds.
Measure = Callable[[Profile, Sequence[Speech], int, float], dict[str, Any]]


def profiles() -> dict[str, Callable[[], Profile]]:
    """By recogniser; a random-weight one is made when its profile is asked for."""
    base = Profile(lines=PHRASES[:1], caller=CALLER, synthesizer="espeak")

    def whisper(name: str) -> Profile:
        model = str(cached(name))
        return replace(base, name=f"whisper-{name}", transcriber="whisper", transcriber_model=model)

    return {
        "embedded": lambda: replace(base, name="embedded", transcriber="command"),
        **{f"whisper-{name}": lambda name=name: whisper(name) for name in SHAPES},  # type: ignore[misc]
    }


def calls_per_core(measure: Measure, seconds: float, names: Sequence[str] = ()) -> dict[str, Any]:
    """Per recogniser the largest number of calls in real time, that of calls whose 95th percentile of v2v is
    within ``WITHIN_MS`` over the silence, and the levels that were tried.

    Calls that end a line together wait for each other, so by the first rule one long decoding is too many.
    Raises what ``measure`` raises.
    """
    found: dict[str, Any] = {}
    for name, profile_of in profiles().items():
        if names and name not in names:
            continue
        profile = profile_of()
        speeches = speak(profile)

        @cache
        def level(sessions: int, profile: Profile = profile, speeches: Sequence[Speech] = speeches) -> Any:
            return measure(profile, speeches, sessions, window(seconds, sessions))

        in_time = largest(level, first_guess=2, finest=1)
        bounded = largest(level, first_guess=2, finest=1, rule=answers_within(WITHIN_MS))
        levels = {each["sessions"]: each for each in [*bounded["levels"], *in_time["levels"]]}
        found[name] = {
            "profile": profile.as_dict(),
            **({"writes_tokens": len(WRITES) + 1} if profile.transcriber_model else {}),
            **in_time,
            "within_ms": WITHIN_MS,
            "max_sessions_within": bounded["max_sessions"],
            "levels": [levels[each] for each in sorted(levels)],
        }
    return found
