"""A call as it happens, in the terminal: who says what, and how long each answer took."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

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
from selam_agent.programs.explained import decision_meaning, silence_meaning, speculation_meaning
from selam_agent.programs.recording import Spoken, WentOn
from selam_agent.programs.report import STAGES
from selam_agent.programs.story import Story, same_words

# Speech over the agent and what becomes of it. The page has the others too.
_SHOWN = ("pause", "resume", "interrupt")


class CallView:
    """Prints one call; hand :meth:`show` to the caller as its listener."""

    def __init__(self, console: Console, story: Story) -> None:
        self._console = console
        self._glosses = {line.text: line.gloss for line in story.lines}
        self._said = ""
        console.print()
        console.rule(
            Text(f"{story.title} · caller {story.caller} · agent {story.voice}", style="bold"), align="left"
        )

    def show(self, at_ms: float, what: Spoken | WentOn | ClientEvent) -> None:
        if isinstance(what, Spoken):
            self._spoken(at_ms, what)
        elif isinstance(what, WentOn):
            self._line(at_ms, "", f"the agent {silence_meaning(what.line.gap_ms or 0.0)}", "green")
        elif isinstance(what, Decision):
            if what.decision in _SHOWN:
                why = decision_meaning(what.decision, what.reason)
                self._line(at_ms, "", f"{what.decision}: {why}", "dim")
        elif isinstance(what, Transcription) and what.is_final:
            right = same_words(what.text, self._said)
            mark, style = ("understood", "green") if right else ("understood as", "bold red")
            self._line(at_ms, "", f"{mark}: {what.text or '(nothing)'}", style)
        elif isinstance(what, Response):
            self._line(at_ms, "agent", what.text, "bold yellow")
        elif isinstance(what, TurnMetrics):
            stages = " + ".join(f"{stage} {getattr(what, stage + '_ms'):.0f}" for stage in STAGES)
            said = f"answered in {what.v2v_ms:.0f} ms = {stages}"
            prepared = speculation_meaning(
                str(what.raw.get("speculation", "")), float(what.raw.get("wasted_ms", 0.0))
            )
            self._line(at_ms, "", f"{said}; {prepared}" if prepared else said, "dim")
        elif isinstance(what, AudioEnd) and what.interrupted:
            self._line(at_ms, "", f"agent stopped; heard of it: {what.spoken_text or '(nothing)'}", "magenta")
        elif isinstance(what, Result):
            self._line(at_ms, "result", str(dict(what.data)), "bold green")
        elif isinstance(what, ErrorEvent | WarningEvent):
            self._line(at_ms, what.name, what.message, "bold red")

    def _spoken(self, at_ms: float, line: Spoken) -> None:
        who = "caller, over the agent:" if line.goes_on else "caller cuts in" if line.cut_in else "caller"
        text = f"({line.sound})" if line.sound else line.text
        if not line.goes_on:
            self._said = line.text
        self._line(at_ms, who, text, "bold cyan", self._glosses.get(line.text, ""))

    def _line(self, at_ms: float, who: str, text: str, style: str, note: str = "") -> None:
        line = Text(f"{at_ms / 1000:5.1f} s  ", style="dim")
        line.append(f"{who:<15}" + (" " if len(who) >= 15 else ""), style=style)
        line.append(text, style=style)
        if note:
            line.append(f"  {note}", style="dim italic")
        self._console.print(line, soft_wrap=True)
