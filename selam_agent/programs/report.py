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
from selam_agent.programs.explained import decision_meaning, speculation_meaning
from selam_agent.programs.recording import Recording, Spoken
from selam_agent.programs.story import Story, same_words

# An agent that is to go on must be heard again within this time.
GOES_ON_MS = 1200
STAGES = ("endpoint", "stt", "llm", "tts", "send")


def report(recording: Recording, story: Story, now: datetime) -> dict[str, Any]:
    """``problems`` is empty when all went as it must.

    That is: every line that is meant was understood and answered, the agent went on after those that
    are not, and the result is right.
    """
    heard = _heard(recording)
    understood = [text for text, _ in heard]
    result = next((event.data for _, event in reversed(recording.events) if isinstance(event, Result)), None)
    turns = sorted(
        _caller_turns(recording, story, heard) + _agent_turns(recording), key=lambda t: t["start_ms"]
    )
    return {
        "name": story.label,
        "language": story.language,
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


def _heard(recording: Recording) -> list[tuple[str, str]]:
    """What the server heard of each line, and in which language: the finals between it and the next."""
    texts, languages = [""] * len(recording.lines), [""] * len(recording.lines)
    latest: dict[int, tuple[int, Transcription]] = {}
    for at, event in recording.events:
        if isinstance(event, Transcription) and event.is_final:
            index = max((i for i, line in enumerate(recording.lines) if line.start_ms <= at), default=0)
            latest[event.turn_id] = (index, event)
    for index, final in latest.values():
        texts[index] = f"{texts[index]} {final.text}".strip()
        languages[index] = final.language or ""
    return list(zip(texts, languages, strict=True))


def _caller_turns(recording: Recording, story: Story, heard: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "who": "caller",
            "start_ms": round(line.start_ms),
            "end_ms": round(line.end_ms),
            "text": line.text,
            "gloss": planned.gloss,
            "language": story.spoken(planned),
            "understood": text,
            "heard_language": language,
            "cut_in": line.cut_in,
            "goes_on": line.goes_on,
            "sound": line.sound,
            "gap_ms": None if line.gap_ms is None else round(line.gap_ms),
            "stop_ms": _stop_ms(recording, line),
        }
        for line, planned, (text, language) in zip(recording.lines, story.lines, heard, strict=False)
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


def _latency(metrics: TurnMetrics | None) -> dict[str, int | str] | None:
    if metrics is None:
        return None
    stages: dict[str, int | str] = {stage: round(float(getattr(metrics, f"{stage}_ms"))) for stage in STAGES}
    speculation = str(metrics.raw.get("speculation", ""))
    wasted_ms = round(float(metrics.raw.get("wasted_ms", 0.0)))
    return stages | {
        "total": round(metrics.v2v_ms or sum(getattr(metrics, f"{stage}_ms") for stage in STAGES)),
        "speculation": speculation,
        "wasted": wasted_ms,
        "meaning": speculation_meaning(speculation, wasted_ms),
    }


def _decisions(recording: Recording) -> list[dict[str, Any]]:
    """Placed by audio time where the server's clock and ours agree, by arrival otherwise."""
    return [
        {
            "at_ms": round(event.at_ms if abs(event.at_ms - at) < 1000 else at),
            "decision": event.decision,
            "reason": event.reason,
            "meaning": decision_meaning(event.decision, event.reason),
        }
        for at, event in recording.events
        if isinstance(event, Decision)
    ]


def _problems(recording: Recording, story: Story, understood: list[str], now: datetime) -> Iterable[str]:
    for line, heard in zip(recording.lines, understood, strict=True):
        if line.goes_on:
            yield from _over_the_agent(recording, line, heard)
            continue
        if not same_words(line.text, heard):
            what = f"“{heard}”" if heard else "nothing"
            yield f"the caller said “{line.text}” and the server understood {what}"
        if not _answered(recording.events, recording.lines, line):
            yield f"the agent did not answer “{line.text}”"
        if line.cut_in and _stop_ms(recording, line) is None:
            yield f"the caller cut in with “{line.text}” and the agent did not stop"
    for planned in story.lines[len(recording.lines) :]:
        yield f"the caller never came to say “{planned.text}”"
    yield from _wrong_answers(recording, story)
    accepted = story.accepted(now)
    results = [event.data for _, event in recording.events if isinstance(event, Result)]
    if not accepted:
        pass
    elif not results:
        yield f"no result came; it should be {accepted[0]}"
    elif results[-1].get("at") not in accepted:
        yield f"the result is {results[-1].get('at')!r}; it should be {' or '.join(accepted)}"
    for _, event in recording.events:
        if isinstance(event, ErrorEvent):
            yield f"the server reported {event.type}: {event.message}"


def _wrong_answers(recording: Recording, story: Story) -> Iterable[str]:
    """Lines that can have only one answer, and had another."""
    for line, planned in zip(recording.lines, story.lines, strict=False):
        if not planned.answer:
            continue
        until = _next_start(recording.lines, line)
        said = [
            e.text for at, e in recording.events if isinstance(e, Response) and line.start_ms < at <= until
        ]
        if said and not any(same_words(planned.answer, each) for each in said):
            yield f"“{planned.text}” was answered with “{said[-1]}”, not “{planned.answer}”"


def _over_the_agent(recording: Recording, line: Spoken, heard: str) -> Iterable[str]:
    """The agent is to go on as if nothing had been said."""
    what = "a " + line.sound if line.sound else f"“{line.text}”"
    if _stop_ms(recording, line) is not None:
        yield f"the agent stopped for {what} over it, which asks for nothing"
    elif line.gap_ms is None:
        yield f"the agent was not heard again after {what} over it"
    elif line.gap_ms > GOES_ON_MS:
        yield f"the agent was silent for {line.gap_ms:.0f} ms after {what} over it"
    if heard:
        yield f"the agent took {what} over it for a turn: “{heard}”"


def _stop_ms(recording: Recording, line: Spoken) -> int | None:
    """From the first sample of this line to the last that was heard of the agent it stopped."""
    until = _next_start(recording.lines, line)
    for at, event in recording.events:
        if line.start_ms <= at < until and isinstance(event, AudioEnd) and event.interrupted:
            return round(recording.heard.get(event.reply_id, (at, at))[1] - line.start_ms)
    return None


def _next_start(lines: list[Spoken], line: Spoken) -> float:
    return min((other.start_ms for other in lines if other.start_ms > line.start_ms), default=float("inf"))


def _answered(events: list[tuple[float, ClientEvent]], lines: list[Spoken], line: Spoken) -> bool:
    until = _next_start(lines, line)
    return any(isinstance(event, Response) and line.start_ms < at <= until for at, event in events)
