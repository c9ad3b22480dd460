"""What came of a call, measured the way a listener would, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.scenarios.caller import Caller, ReplyHeard
from tests.scenarios.dsl import Count, Scenario, Words

Event = tuple[float, str, Mapping[str, Any]]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Times in ms. ``v2v`` from the acoustic end of the caller's words, ``v2v_voiced`` from the last frame
    that counted as voice (``turn_metrics``)."""

    scenario: Scenario
    transcripts: list[str] = field(default_factory=list)
    replies: int = 0
    interrupted: int = 0
    cut_offs: int = 0
    pauses: int = 0
    notices: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    v2v: list[float] = field(default_factory=list)
    v2v_voiced: list[float] = field(default_factory=list)
    speculation: list[str] = field(default_factory=list)
    # Onset of words over the agent → its last audible sample.
    stop: list[float] = field(default_factory=list)
    # The longest gap in each reply over which something was heard, and that was not interrupted.
    gaps: list[float] = field(default_factory=list)
    unfinished: int = 0
    decisions: list[tuple[float, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


def measure(scenario: Scenario, caller: Caller, seen: Sequence[Event]) -> Outcome:
    """What came of it; ``seen``: all events with their times."""
    out = Outcome(scenario=scenario)
    replies = [reply for reply in caller.ears.replies.values() if reply.turn_id]
    for at, name, event in seen:
        if name == "transcription" and event["is_final"] and event["text"].strip():
            out.transcripts.append(event["text"])
        elif name == "warning":
            out.notices.append(event["code"])
        elif name == "error":
            out.errors.append(event["code"])
        elif name == "turn_metrics":
            out.v2v_voiced.append(event["v2v_ms"])
            out.speculation.append(event["speculation"])
        elif name == "decision":
            out.decisions.append((at, event["decision"], event["reason"]))
        elif name == "audio_end" and event["total_chunks"] and event["interrupted"]:
            out.interrupted += 1
    out.replies = len(replies)
    out.unfinished = sum(not reply.ended for reply in replies)
    out.pauses = len(caller.pauses)
    out.cut_offs = sum(
        any(begin < reply.first_sent <= end for reply in replies) for begin, end in caller.pauses
    )
    words = [each for each in caller.spoken if isinstance(each.step, Words)]
    for reply in replies:
        before = [each.end_ms for each in words if each.end_ms <= reply.first_sent]
        if before and scenario.sends == "real time":
            out.v2v.append(reply.first_sent - max(before))
        over = [each for each in caller.spoken if reply.begin <= each.start_ms < reply.chunks[-1].end]
        if not over:
            continue
        if reply.stopped is not None or _stopped(reply, seen):
            out.stop.append(reply.last_audible - over[-1].start_ms)
        else:
            out.gaps.append(longest_gap(reply))
    out.problems = _problems(scenario, out)
    return out


def longest_gap(reply: ReplyHeard) -> float:
    """The longest silence within a reply that a player without a cushion of its own hears."""
    pairs = zip(reply.chunks, reply.chunks[1:], strict=False)
    return max([later.start - earlier.end for earlier, later in pairs], default=0.0)


def _stopped(reply: ReplyHeard, seen: Sequence[Event]) -> bool:
    return any(
        name == "audio_end" and event["reply_id"] == reply.reply_id and event["interrupted"]
        for _, name, event in seen
    )


def _problems(scenario: Scenario, out: Outcome) -> list[str]:
    expect = scenario.expect
    problems: list[str] = []

    def compare(what: str, got: int, wanted: Count | None) -> None:
        if wanted not in (None, "any") and got != wanted:
            problems.append(f"{what}: {got} instead of {wanted}")

    compare("turns", len(out.transcripts), expect.turns)
    compare("replies", out.replies, expect.replies)
    compare("interrupted", out.interrupted, expect.interrupted)
    compare("cut-offs", out.cut_offs, expect.cut_offs)
    if expect.heard is not None and tuple(out.transcripts) != expect.heard:
        problems.append(f"heard {out.transcripts} instead of {list(expect.heard)}")
    if expect.words is not None and " ".join(out.transcripts) != expect.words:
        problems.append(f"heard {out.transcripts}, not all of “{expect.words}”")
    problems += [f"no notice {code}" for code in expect.notices if code not in out.notices]
    problems += [f"error {code}" for code in out.errors]
    if out.unfinished:
        problems.append(f"{out.unfinished} replies without an audio_end")
    return problems


def over_bounds(out: Outcome) -> list[str]:
    """What took longer than the scenario's bounds."""
    bounds = out.scenario.bounds
    pairs = (
        ("v2v", out.v2v_voiced, bounds.v2v),
        ("stop", out.stop, bounds.stop),
        ("gap", out.gaps, bounds.gap),
    )
    return [
        f"{name} {max(values):.0f} ms, at most {bound} wanted"
        for name, values, bound in pairs
        if bound is not None and values and max(values) > bound
    ]
