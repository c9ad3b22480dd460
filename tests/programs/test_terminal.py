"""A call in the terminal: speech over the agent, what the server made of it, and why."""

from __future__ import annotations

import io
from typing import get_args

import pytest
from rich.console import Console

from selam_agent.client import Decision, TurnMetrics
from selam_agent.dialogue.decisions import CommitReason, IgnoreReason
from selam_agent.programs.explained import decision_meaning, speculation_meaning
from selam_agent.programs.recording import Spoken, WentOn
from selam_agent.programs.story import AMHARIC
from selam_agent.programs.terminal import CallView

REASONS = {
    "speech_started": ("",),
    "speculate": ("pause", "no_packets"),
    "commit": get_args(CommitReason),
    "reopen": ("speech_goes_on",),
    "pause": ("speech_over_agent",),
    "listen": ("",),
    "resume": ("not_meant", "no_words"),
    "interrupt": ("energy", "words", "duration"),
    "ignore": get_args(IgnoreReason),
}


@pytest.mark.parametrize(("decision", "reasons"), REASONS.items(), ids=REASONS.keys())
def test_every_decision_is_explained(decision: str, reasons: tuple[str, ...]) -> None:
    meanings = {decision_meaning(decision, reason) for reason in reasons}
    assert all(" " in each for each in meanings)
    # Where the reason makes a difference to a listener, so do the words.
    assert decision in ("speculate",) or len(meanings) == len(reasons)


def test_what_is_not_known_is_shown_as_it_is() -> None:
    assert decision_meaning("jump", "for_joy") == "for_joy"
    assert decision_meaning("jump", "") == "jump"
    assert speculation_meaning("", 0) == ""


def test_speech_over_the_agent_is_told_with_what_came_of_it() -> None:
    out = io.StringIO()
    view = CallView(Console(file=out, width=200, highlight=False), AMHARIC)
    cough = Spoken("cough", 2000, 2250, cut_in=True, goes_on=True, sound="cough", gap_ms=190)
    view.show(1000, Spoken("እሺ።", 1000, 1400, cut_in=True, goes_on=True))
    view.show(1100, Decision(decision="pause", reason="speech_over_agent"))
    view.show(1150, Decision(decision="listen"))
    view.show(1200, Decision(decision="resume", reason="not_meant"))
    view.show(2000, cough)
    view.show(2900, WentOn(cough))
    view.show(3000, Spoken("ቆይ። ሰኞ።", 3000, 4200, cut_in=True))
    view.show(4000, TurnMetrics(v2v_ms=400, endpoint_ms=400, raw={"speculation": "miss", "wasted_ms": 80.0}))
    assert [line[8:].strip() for line in out.getvalue().splitlines()[2:]] == [
        "caller, over the agent: እሺ።  Okay.",
        "pause: somebody speaks over the agent: hold it until it is known why",
        "resume: a sign of listening or an echo, no interruption: the agent goes on where it was",
        "caller, over the agent: (cough)",
        "the agent goes on after 0.19 s of silence",
        "caller cuts in ቆይ። ሰኞ።  Wait. Monday.",
        "answered in 400 ms = endpoint 400 + stt 0 + llm 0 + tts 0 + send 0; "
        "the answer prepared in the pause did not fit, 80 ms of work in vain",
    ]
