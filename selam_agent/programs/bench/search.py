"""The largest number of sessions that keeps real time: the rule, and the search by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selam_agent.programs.bench.crowd import CrowdFailed
from selam_agent.programs.bench.run import ServerFailed

# Real time is kept while the 95th percentile of v2v is within this of a single session's.
KEEPS_MS = 250.0
_MOST_SESSIONS = 2048
_TALKS_LIKE = 4

Rule = Callable[[dict[str, Any], dict[str, Any]], bool]


def window(seconds: float, sessions: int) -> float:
    """For how long a level of a search is measured: so few turns say little, so fewer than four sessions take
    as long as four would for as many.
    """
    return seconds * max(1.0, _TALKS_LIKE / sessions)


def no_figures(like: dict[str, Any], sessions: int, error: Exception) -> dict[str, Any]:
    """The row of a level that could not be measured, with the names of another's."""
    return dict.fromkeys(like) | {"sessions": sessions, "errors": {str(error): 1}, "valid": True}


def keeps_real_time(figures: dict[str, Any], alone: dict[str, Any]) -> bool:
    """Whether a level does, by the single session's figures: nothing missed, nobody kept waiting."""
    crowded, single = (each["v2v_over_silence_ms_p95"] for each in (figures, alone))
    return bool(
        figures["valid"]
        and not figures["missed_turns"]
        and None not in (single, crowded)
        and crowded - single <= KEEPS_MS
    )


def answers_within(ms: float) -> Rule:
    """A rule without a single session: nothing missed, and v2v's p95 at most so long over the silence."""

    def answers(figures: dict[str, Any], _: dict[str, Any]) -> bool:
        waited = figures["v2v_over_silence_ms_p95"]
        return bool(figures["valid"] and not figures["missed_turns"] and waited is not None and waited <= ms)

    return answers


def largest(
    measure: Callable[[int], dict[str, Any]],
    *,
    first_guess: int = 64,
    finest: int = 8,
    rule: Rule = keeps_real_time,
) -> dict[str, Any]:
    """Doubles the sessions until they are too many, then halves between, down to ``finest`` or a sixteenth.

    Args:
        measure: the figures of a level, by its number of sessions. What it raises of a level of more than one
            (CrowdFailed, ServerFailed) makes that one too many.
        rule: what a level must keep, by its figures and the single session's.

    Returns ``max_sessions`` (0: not even one is answered), ``limited_by_callers`` (the first level that was
    too many was one whose callers were too slow) and all ``levels`` that were measured.
    """
    tried: dict[int, dict[str, Any]] = {}

    def keeps(sessions: int) -> bool:
        try:
            tried[sessions] = measure(sessions)
        except (CrowdFailed, ServerFailed) as error:
            if 1 not in tried:
                raise
            # That is how a server may say that it cannot hold them: no failure of the search.
            tried[sessions] = no_figures(tried[1], sessions, error)
        return rule(tried[sessions], tried[1])

    good, bad = (1, first_guess) if keeps(1) else (0, 1)
    while good and bad <= _MOST_SESSIONS and keeps(bad):
        good, bad = bad, bad * 2
    while bad - good > max(finest, good // 16):
        middle = (good + bad) // 2
        # A round number where there is one between the two.
        rounded = middle // finest * finest
        middle = rounded if rounded > good else middle
        if keeps(middle):
            good = middle
        else:
            bad = middle
    return {
        "max_sessions": good,
        "limited_by_callers": bad in tried and not tried[bad]["valid"],
        "levels": [tried[each] for each in sorted(tried)],
    }
