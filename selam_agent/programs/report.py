"""A recorded call as plain data: who said what when, why, how fast, and whether it went as it must.

This is what ``demo --json`` prints and what the page is made of.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from selam_agent.client import (
    AudioEnd,
    ClientEvent,
    Decision,
    ErrorEvent,
    Response,
    Result,
    Transcription,
    TurnMetrics,
    WarningEvent,
)
from selam_agent.programs.recording import Recording, Spoken
from selam_agent.programs.story import Story, same_words

STAGES = ("endpoint", "stt", "llm", "tts", "send")


def report(recording: Recording, story: Story, now: datetime) -> dict[str, Any]:
    """``problems`` is empty when every line was understood and answered and the result is right."""
    understood = _understood(recording)
    result = next((event.data for _, event in reversed(recording.events) if isinstance(event, Result)), None)
    turns = sorted(
        _caller_turns(recording, story, understood) + _agent_turns(recording), key=lambda t: t["start_ms"]
    )
    return {
        "language": recording.language,
        "title": story.title,
        "voice": recording.voice,
        "caller_voice": story.caller,
        "duration_ms": round(recording.duration_ms),
        "turns": turns,
        "decisions": _decisions(recording),
        "warnings": [e.message for _, e in recording.events if isinstance(e, WarningEvent)],
        "result": dict(result) if result is not None else None,
        "problems": list(_problems(recording, story, understood, now)),
    }


def _understood(recording: Recording) -> list[str]:
    """What the server heard of each line: the finals that came after it and before the next."""
    texts = [""] * len(recording.lines)
    latest: dict[int, tuple[int, str]] = {}
    for at, event in recording.events:
        if isinstance(event, Transcription) and event.is_final:
            index = max((i for i, line in enumerate(recording.lines) if line.start_ms <= at), default=0)
            latest[event.turn_id] = (index, event.text)
    for index, text in latest.values():
        texts[index] = f"{texts[index]} {text}".strip()
    return texts


def _caller_turns(recording: Recording, story: Story, understood: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "who": "caller",
            "start_ms": round(line.start_ms),
            "end_ms": round(line.end_ms),
            "text": line.text,
            "gloss": planned.gloss,
            "understood": heard,
            "cut_in": line.cut_in,
        }
        for line, planned, heard in zip(recording.lines, story.lines, understood, strict=False)
    ]


def _agent_turns(recording: Recording) -> list[dict[str, Any]]:
    ends = {e.reply_id: e for _, e in recording.events if isinstance(e, AudioEnd)}
    speeds = {e.reply_id: e for _, e in recording.events if isinstance(e, TurnMetrics)}
    turns = []
    for at, event in recording.events:
        if not isinstance(event, Response):
            continue
        start, end = recording.heard.get(event.reply_id, (at, at))
        done = ends.get(event.reply_id)
        interrupted = bool(done and done.interrupted)
        turns.append(
            {
                "who": "agent",
                "start_ms": round(start),
                "end_ms": round(end),
                "text": event.text,
                "spoken": done.spoken_text if done and interrupted else event.text,
                "interrupted": interrupted,
                "latency": _latency(speeds.get(event.reply_id)),
            }
        )
    return turns


def _latency(metrics: TurnMetrics | None) -> dict[str, int] | None:
    if metrics is None:
        return None
    stages = {stage: round(float(getattr(metrics, f"{stage}_ms"))) for stage in STAGES}
    return stages | {"total": round(metrics.v2v_ms or sum(stages.values()))}


def _decisions(recording: Recording) -> list[dict[str, Any]]:
    """Placed by audio time where the server's clock and ours agree, by arrival otherwise."""
    return [
        {
            "at_ms": round(event.at_ms if abs(event.at_ms - at) < 1000 else at),
            "decision": event.decision,
            "reason": event.reason,
        }
        for at, event in recording.events
        if isinstance(event, Decision)
    ]


def _problems(recording: Recording, story: Story, understood: list[str], now: datetime) -> Iterable[str]:
    for line, heard in zip(recording.lines, understood, strict=True):
        if not same_words(line.text, heard):
            what = f"“{heard}”" if heard else "nothing"
            yield f"the caller said “{line.text}” and the server understood {what}"
        if not _answered(recording.events, recording.lines, line):
            yield f"the agent did not answer “{line.text}”"
    for planned in story.lines[len(recording.lines) :]:
        yield f"the caller never came to say “{planned.text}”"
    if any(line.cut_in for line in recording.lines) and not any(
        isinstance(event, AudioEnd) and event.interrupted for _, event in recording.events
    ):
        yield "the caller cut in and the agent did not stop"
    accepted = story.accepted(now)
    results = [event.data for _, event in recording.events if isinstance(event, Result)]
    if not results:
        yield f"no result came; it should be {accepted[0]}"
    elif results[-1].get("at") not in accepted:
        yield f"the result is {results[-1].get('at')!r}; it should be {' or '.join(accepted)}"
    for _, event in recording.events:
        if isinstance(event, ErrorEvent):
            yield f"the server reported {event.type}: {event.message}"


def _answered(events: list[tuple[float, ClientEvent]], lines: list[Spoken], line: Spoken) -> bool:
    following = [other.start_ms for other in lines if other.start_ms > line.start_ms]
    until = min(following, default=float("inf"))
    return any(isinstance(event, Response) and line.start_ms < at <= until for at, event in events)
