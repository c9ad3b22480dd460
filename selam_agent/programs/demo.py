"""``selam-agent demo``: simulated callers book clinic visits on a real server, offline."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from selam_agent.client import ClientError, SelamClient
from selam_agent.ports import Pcm16
from selam_agent.programs.caller import CallFailed, Say, SimulatedCaller
from selam_agent.programs.caller_voice import SOUNDS, Line, VoiceFailed, speak_lines
from selam_agent.programs.local_server import LocalServer, ServerFailed, local_server
from selam_agent.programs.page import write_page
from selam_agent.programs.recording import Recording
from selam_agent.programs.report import report
from selam_agent.programs.scoreboard import CAUTION, scores, table
from selam_agent.programs.scripted_model import NAME, scripted_model
from selam_agent.programs.story import INTERPRETED, QUICK, STORIES, SWITCHING, Story, StoryLine
from selam_agent.programs.terminal import CallView


def chosen(language: str | None) -> list[Story]:
    """The stories of ``--lang``: a language's, the quick ones without it, or all."""
    if language is None:
        return [STORIES[code] for code in QUICK]
    return [*STORIES.values(), SWITCHING, INTERPRETED] if language == "all" else [STORIES[language]]


def run(out: Path, language: str | None, json_to: str | None = None) -> int:
    """Holds the calls, writes the page, and says what went wrong; the exit status."""
    # Standard output belongs to the JSON when it goes there.
    console = Console(stderr=json_to == "-", highlight=False)
    out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before the calls, not after them
    try:
        calls, engines = asyncio.run(_calls(chosen(language), console, out))
    except (ServerFailed, VoiceFailed, CallFailed, ClientError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}", markup=True, soft_wrap=True)
        return 1
    reports = [data for _, data in calls]
    _name_tapes(out, reports)
    languages = scores(reports)
    page = write_page(out, calls, engines=engines, made=datetime.now().astimezone(), languages=languages)
    if json_to is not None:
        _write_json(
            json_to, {"languages": languages}, {"engines": engines, "page": str(page), "calls": reports}
        )
    return _closing(console, reports, languages, page)


async def _calls(
    stories: Sequence[Story], console: Console, out: Path
) -> tuple[list[tuple[Recording, dict[str, Any]]], str]:
    begun = time.monotonic()
    console.print("Starting a server of its own on a free port, offline …")
    lines = [
        Line(line.text, line.caller or story.caller, pitch=story.pitch)
        for story in stories
        for line in story.lines
        if line.sound is None
    ]
    speaking = asyncio.create_task(speak_lines(lines))
    try:
        calls: list[tuple[Recording, dict[str, Any]]] = []
        engines = ""
        spoken: Iterator[Pcm16] | None = None
        for interpreted, together in itertools.groupby(stories, lambda story: bool(story.between)):
            async with _interpreter(stories, out) if interpreted else local_server(tapes_to=out) as server:
                console.print(f"{server.url} is up after {time.monotonic() - begun:.1f} s.")
                console.print(server.engines, style="yellow", soft_wrap=True)
                engines = engines or server.engines
                spoken = spoken or iter(await speaking)
                calls += [
                    await _call(server, story, [_sound(line, spoken) for line in story.lines], console)
                    for story in together
                ]
        return calls, engines
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)


@contextlib.asynccontextmanager
async def _interpreter(stories: Sequence[Story], out: Path) -> AsyncIterator[LocalServer]:
    """A server whose language model, on loopback, knows the translations of these stories' lines."""
    script = {line.text: line.answer for story in stories for line in story.lines if line.answer}
    async with scripted_model(script) as url:
        environment = {"SELAM_LLM__BASE_URL": url, "SELAM_LLM__MODEL": NAME}
        async with local_server(environment=environment, tapes_to=out) as server:
            yield server


def _sound(line: StoryLine, spoken: Iterator[Pcm16]) -> Pcm16:
    return next(spoken) if line.sound is None else SOUNDS[line.sound]()


async def _call(
    server: LocalServer, story: Story, audio: list[Pcm16], console: Console
) -> tuple[Recording, dict[str, Any]]:
    view = CallView(console, story)
    script = [
        Say(line.text, pcm, line.cut_in_ms, line.goes_on, line.sound)
        for line, pcm in zip(story.lines, audio, strict=True)
    ]
    async with SelamClient(server.url, api_key=server.api_key, voice=story.voice) as client:
        caller = SimulatedCaller(client, on_event=view.show)
        recording = await caller.call(
            script,
            language=None if story.detect else story.language,
            voice=story.voice,
            greeting=story.greeting or None,
            between=story.between,
        )
    return recording, report(recording, story, datetime.now(UTC)) | {"session_id": client.session_id}


def _name_tapes(out: Path, reports: Sequence[dict[str, Any]]) -> None:
    """The servers leave each session's tape under its id; here it gets the call's name."""
    for data in reports:
        tape = out / f"{data['session_id']}.tape"
        if tape.is_file():
            tape.replace(out / f"{data['name']}.tape")


def _write_json(target: str, content: dict[str, Any], details: dict[str, Any]) -> None:
    """``-``: the scores alone, on standard output. A file gets the calls too."""
    if target == "-":
        sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    else:
        text = json.dumps(content | details, ensure_ascii=False, indent=2)
        Path(target).write_text(text + "\n", encoding="utf-8")


def _closing(
    console: Console, reports: Sequence[dict[str, Any]], languages: dict[str, dict[str, Any]], page: Path
) -> int:
    console.print()
    console.print(table(languages))
    console.print(CAUTION, style="yellow", soft_wrap=True)
    for data in reports:
        for problem in data["problems"]:
            console.print(f"{data['title']}: {problem}.", style="bold red", soft_wrap=True)
    failed = any(data["problems"] for data in reports)
    if not failed:
        lines = [turn for data in reports for turn in data["turns"] if turn["who"] == "caller"]
        over = sum(turn["goes_on"] for turn in lines)
        talked_on = f" The agent talked on through {over} sounds that asked for nothing." if over else ""
        booked = ", ".join(str(data["result"]["at"]) for data in reports if data["result"]) or "nothing"
        console.print(
            f"All {len(lines) - over} lines understood and answered.{talked_on} Booked: {booked}",
            style="bold green",
            soft_wrap=True,
        )
    console.print(f"Listen and look:  {page.resolve()}", soft_wrap=True)
    tape = page.parent / f"{reports[0]['name']}.tape"
    if tape.is_file():
        console.print(f"Why it waited:    selam-agent replay {tape}", soft_wrap=True)
    console.print("Talk to it:       make serve   (or: selam-agent serve)", soft_wrap=True)
    return 1 if failed else 0
