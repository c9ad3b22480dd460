"""What the embedded set takes before anybody calls, and whether a small machine holds it."""

from __future__ import annotations

import statistics
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from selam_agent.event_loop import run as run_loop
from selam_agent.programs.bench.confined import control_group, killed_for_memory
from selam_agent.programs.bench.install_size import install_size
from selam_agent.programs.bench.processes import family
from selam_agent.programs.bench.profile import Profile
from selam_agent.programs.bench.real import CALLER, PHRASES
from selam_agent.programs.bench.run import ServerFailed, pinned, processors
from selam_agent.programs.bench.speech import Speech, speak
from selam_agent.programs.local_server import ServerFailed as LocalServerFailed
from selam_agent.programs.local_server import local_server

STARTS = 5
LIMIT_MB = 512
CALLS = (4, 8)
# Whatever models lie on this machine.
_EMBEDDED = {"SELAM_STT__ENGINE": "command", "SELAM_LLM__ENGINE": "flow", "SELAM_TTS__ENGINE": "espeak"}
_ANSWERS_S = 5.0

# Measures a level, in a control group or in none.
Measure = Callable[[Profile, Sequence[Speech], int, float, Path | None], dict[str, Any]]


def footprint(
    measure: Measure, seconds: float, *, starts: int = STARTS, calls: Sequence[int] = CALLS
) -> dict[str, Any]:
    """The whole table: cold starts, memory, installed size, and calls within the limit.

    Raises ServerFailed, VoiceFailed and what ``measure`` raises.
    """
    begun = [run_loop(_start()) for _ in range(starts)]
    return {
        "cold_start_s": round(statistics.median(each["ready_s"] for each in begun), 2),
        "cold_starts_s": [each["ready_s"] for each in begun],
        "base_rss_mb": statistics.median(each["rss_mb"] for each in begun),
        "voice_rss_mb": statistics.median(each["voice_rss_mb"] for each in begun),
        "peak_rss_mb": max(each["peak_rss_mb"] for each in begun),
        "install": install_size(),
        "limited": _limited(measure, seconds, calls),
    }


async def _start() -> dict[str, float]:
    """One start of ``selam-agent serve --offline`` on one processor, until ``/readyz`` says so."""
    begun = perf_counter()
    try:
        with pinned(processors().server):
            async with local_server(environment=_EMBEDDED) as server:
                # Raises on anything but 200.
                urllib.request.urlopen(f"{server.url}/readyz", timeout=_ANSWERS_S).close()  # noqa: ASYNC210
                ready_s = perf_counter() - begun
                own, *voices = family(server.pid)
    except (LocalServerFailed, OSError) as error:
        raise ServerFailed(str(error)) from error
    return {
        "ready_s": round(ready_s, 2),
        "rss_mb": round(own.rss_mb, 1),
        "voice_rss_mb": round(sum(each.rss_mb for each in voices), 1),
        "peak_rss_mb": round(own.peak_rss_mb + sum(each.peak_rss_mb for each in voices), 1),
    }


def _limited(measure: Measure, seconds: float, calls: Sequence[int]) -> dict[str, Any]:
    """Calls on one processor with ``LIMIT_MB``; ``fits``: all were answered, within the memory."""
    profile = Profile(
        name="limited",
        transcriber="command",
        chat_model="flow",
        synthesizer="espeak",
        lines=PHRASES,
        caller=CALLER,
    )
    speeches = speak(profile)
    killed = 0
    with control_group(LIMIT_MB) as group:
        levels = [measure(profile, speeches, each, seconds, group) for each in calls]
        if group is not None:
            killed = killed_for_memory(group)
    peak = max(each["peak_rss_mb"] for each in levels)
    return {
        "by": "cgroup v2" if group is not None else "one pinned processor, memory measured but not limited",
        "limit_mb": LIMIT_MB,
        "peak_rss_mb": peak,
        "killed": killed,
        "fits": peak <= LIMIT_MB and not killed and not any(each["missed_turns"] for each in levels),
        "profile": profile.as_dict(),
        "levels": levels,
    }
