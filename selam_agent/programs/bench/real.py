"""Calls per core with real work: a recogniser that multiplies, espeak's voice, an instant chat model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from selam_agent.programs.bench.profile import Profile
from selam_agent.programs.bench.random_whisper import SHAPES, WRITES, cached
from selam_agent.programs.bench.search import largest, window
from selam_agent.programs.bench.speech import Speech, speak

# Phrases of the embedded recogniser, which knows no others, in a voice of the demo's callers.
PHRASES = (
    "I want to book an appointment.",
    "I want to see a doctor.",
    "Please repeat that.",
    "What can I say?",
)
CALLER = "en-us+m1"

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
    """Per recogniser the largest number of calls in real time, and the levels that were tried.

    Raises what ``measure`` raises.
    """
    found: dict[str, Any] = {}
    for name, profile_of in profiles().items():
        if names and name not in names:
            continue
        profile = profile_of()
        speeches = speak(profile)

        def level(sessions: int, profile: Profile = profile, speeches: Sequence[Speech] = speeches) -> Any:
            return measure(profile, speeches, sessions, window(seconds, sessions))

        found[name] = {
            "profile": profile.as_dict(),
            **({"writes_tokens": len(WRITES) + 1} if profile.transcriber_model else {}),
            **largest(level, first_guess=2, finest=1),
        }
    return found
