"""A call as it happens, in the terminal: who says what, and how long each answer took."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from selam_agent.client import (
    AudioEnd,
    ClientEvent,
    ErrorEvent,
    Response,
    Result,
    Transcription,
    TurnMetrics,
    WarningEvent,
)
from selam_agent.programs.recording import Spoken
from selam_agent.programs.report import STAGES
from selam_agent.programs.story import Story, same_words


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

    def show(self, at_ms: float, what: Spoken | ClientEvent) -> None:
        if isinstance(what, Spoken):
            self._said = what.text
            gloss = self._glosses.get(what.text, "")
            cut_in = " cuts in" if what.cut_in else ""
            self._line(at_ms, f"caller{cut_in}", what.text, "bold cyan", gloss)
        elif isinstance(what, Transcription) and what.is_final:
            right = same_words(what.text, self._said)
            mark, style = ("understood", "green") if right else ("understood as", "bold red")
            self._line(at_ms, "", f"{mark}: {what.text or '(nothing)'}", style)
        elif isinstance(what, Response):
            self._line(at_ms, "agent", what.text, "bold yellow")
        elif isinstance(what, TurnMetrics):
            stages = " + ".join(f"{stage} {getattr(what, stage + '_ms'):.0f}" for stage in STAGES)
            self._line(at_ms, "", f"answered in {what.v2v_ms:.0f} ms = {stages}", "dim")
        elif isinstance(what, AudioEnd) and what.interrupted:
            self._line(at_ms, "", f"agent stopped; heard of it: {what.spoken_text or '(nothing)'}", "magenta")
        elif isinstance(what, Result):
            self._line(at_ms, "result", str(dict(what.data)), "bold green")
        elif isinstance(what, ErrorEvent | WarningEvent):
            self._line(at_ms, what.name, what.message, "bold red")

    def _line(self, at_ms: float, who: str, text: str, style: str, note: str = "") -> None:
        line = Text(f"{at_ms / 1000:5.1f} s  ", style="dim")
        line.append(f"{who:<15}", style=style)
        line.append(text, style=style)
        if note:
            line.append(f"  {note}", style="dim italic")
        self._console.print(line, soft_wrap=True)
