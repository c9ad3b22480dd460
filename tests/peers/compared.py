"""Who is compared, by which figures, and the table of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from selam_agent.programs.bench.profile import VARIANTS, Profile
from selam_agent.programs.bench.search import KEEPS_MS
from selam_agent.programs.bench.tables import FIGURES as ALL_FIGURES

OURS = VARIANTS["base"]


@dataclass(frozen=True, slots=True)
class Peer:
    """``profile``: its configured silence and threshold; ``server``: its module, run with ``arguments``."""

    profile: Profile
    server: str
    arguments: tuple[str, ...] = ()


# LiveKit: the shorter delay of its turn detector (endpointing.min_delay with a streaming detector) and
# interruption.min_duration. Pipecat: VADParams.stop_secs and start_secs; Smart Turn comes on top.
PEERS = {
    "livekit": Peer(replace(OURS, name="livekit", silence_ms=300, barge_in_ms=500), "livekit"),
    "livekit-fixed": Peer(replace(OURS, name="livekit-fixed", barge_in_ms=500), "livekit", ("fixed",)),
    "pipecat": Peer(replace(OURS, name="pipecat", silence_ms=200, barge_in_ms=200), "pipecat"),
}
# A peer says nothing of its decisions.
FIGURES = {key: title for key, title in ALL_FIGURES.items() if not key.startswith("decision")}
# Of these a ratio says nothing, or they are not the server's.
_NO_RATIO = ("turns", "callers_busy")


def failed(sessions: int, reason: str) -> dict[str, Any]:
    """The row of a level that a server could not hold: not in real time, without figures."""
    row: dict[str, Any] = dict.fromkeys(FIGURES)
    return row | {"sessions": sessions, "failed": reason, "missed_turns": None, "valid": True}


def ratios(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Per peer how many times ours it takes, by number of sessions and figure (CPU, memory, waits: above 1
    ours is better), and ``sessions_per_core``: how many times its number ours holds.
    """
    if "ours" not in figures:
        return {}
    found: dict[str, Any] = {}
    ours = {each["sessions"]: each for each in figures["ours"]["levels"]}
    for name, its in figures.items():
        if name == "ours":
            continue
        found[name] = {}
        for row in its["levels"]:
            if row["sessions"] in ours:
                own = ours[row["sessions"]]
                compared = {key: _times(row[key], own[key]) for key in FIGURES if key not in _NO_RATIO}
                found[name][str(row["sessions"])] = {key: each for key, each in compared.items() if each}
        if "max" in its and "max" in figures["ours"]:
            found[name]["sessions_per_core"] = _times(
                figures["ours"]["max"]["max_sessions"], its["max"]["max_sessions"]
            )
    return found


def markdown(report: Mapping[str, Any]) -> str:
    """The figures as tables; behind a peer's how many times ours it is."""
    return "\n".join([*_levels(report), *_most(report)]) + "\n"


def _levels(report: Mapping[str, Any]) -> Iterator[str]:
    figures = report["figures"]
    names = list(figures)
    for sessions in dict.fromkeys(row["sessions"] for each in figures.values() for row in each["levels"]):
        at = {name: row for name in names for row in figures[name]["levels"] if row["sessions"] == sessions}
        yield f"| {sessions} sessions, {report['seconds']:g} s | {' | '.join(at)} |"
        yield "|---" * (1 + len(at)) + "|"
        for key, title in FIGURES.items():
            times = {name: report["ratios"].get(name, {}).get(str(sessions), {}).get(key) for name in at}
            cells = [_cell(row[key], times[name]) for name, row in at.items()]
            yield f"| {title} | {' | '.join(cells)} |"
        for name, row in at.items():
            if "failed" in row:
                yield f"\n{name} could not hold {sessions} sessions: {row['failed'].splitlines()[-1]}"
            if not row["valid"]:
                yield f"\nInvalid, {name} at {sessions} sessions: the callers were the limit."
        yield ""


def _most(report: Mapping[str, Any]) -> Iterator[str]:
    most = {name: each["max"] for name, each in report["figures"].items() if "max" in each}
    if not most:
        return
    yield f"| v2v p95 within {KEEPS_MS:g} ms of one session's, no turn missed | {' | '.join(most)} |"
    yield "|---" * (1 + len(most)) + "|"
    cells = [f"{each['max_sessions']}{' (callers)' * each['limited_by_callers']}" for each in most.values()]
    yield f"| sessions on one processor | {' | '.join(cells)} |"
    times = [report["ratios"].get(name, {}).get("sessions_per_core") for name in most]
    cells = ["" if each is None else f"{each:g}" for each in times]
    yield f"| ours holds so many times as many | {' | '.join(cells)} |"


def _cell(value: Any, times: float | None) -> str:
    return ("–" if value is None else f"{value:g}") + (f" ({times:g}×)" if times else "")


def _times(value: float | None, by: float | None) -> float | None:
    """None where a ratio means nothing: no figure, or none above 0 to divide by."""
    if value is None or by is None or by <= 0 or value < 0:
        return None
    return float(f"{value / by:.3g}")
