"""A tape gives the decisions of then again, and says what other settings would have changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.decisions import Listen, Speculate, TurnSettings
from selam_agent.dialogue.interruption import Verdict
from selam_agent.dialogue.replay import changed, replay, settings_of
from selam_agent.dialogue.tape import Entry, TapedTurnTaker
from selam_agent.errors import ValidationError
from selam_agent.programs import replay as program


def record(
    script: str, *, ending: Ending = Ending.UNKNOWN, verdict: Verdict = Verdict.NOTHING, **settings: Any
) -> list[Entry]:
    """One character per 100 ms: # speech, . silence, - no packets; A the agent begins, a it stops."""
    tape: list[Entry] = []
    turns = TapedTurnTaker(TurnSettings(**settings), tape.append)
    now = 0.0
    for mark in script:
        if mark in "Aa":
            turns.agent_started(now) if mark == "A" else turns.agent_stopped()
            continue
        for _ in range(5):
            now += 20
            made = turns.frame(mark == "#", now) if mark != "-" else turns.tick(now)
            for each in made:
                if isinstance(each, Speculate):
                    turns.words(each.turn, each.revision, ending)
                elif isinstance(each, Listen):
                    turns.verdict(each, verdict)
    turns.finish()
    return tape


@given(
    st.text(alphabet="##..Aa-", max_size=80),
    st.sampled_from(Ending),
    st.sampled_from(Verdict),
    st.sampled_from(["semantic", "energy", "off"]),
)
def test_the_settings_of_then_give_the_decisions_of_then(
    script: str, ending: Ending, verdict: Verdict, interruption: str
) -> None:
    tape = json.loads(json.dumps(record(script, ending=ending, verdict=verdict, interruption=interruption)))
    result = replay(tape)
    assert result.now == result.recorded


def test_more_patience_answers_later() -> None:
    tape = record("#####" + "." * 15)
    patient = replay(tape, changed(settings_of(tape), ["turns.unknown_ms=1200"]))
    assert [(each.name, each.audio_ms) for each in patient.recorded if each.name == "Commit"] == [
        ("Commit", 1300)
    ]
    assert [(each.name, each.audio_ms) for each in patient.now if each.name == "Commit"] == [("Commit", 1700)]


def test_a_pause_that_cut_the_caller_off_would_not_have() -> None:
    tape = record("#####" + "." * 9 + "#####" + "." * 20)
    patient = replay(tape, changed(settings_of(tape), ["unknown_ms=1000"]))
    assert [each.turn for each in patient.recorded if each.name == "Commit"] == [1, 2]
    assert [each.turn for each in patient.now if each.name == "Commit"] == [1]


def test_what_was_said_over_the_agent_is_asked_again() -> None:
    tape = record("A" + "..#####....", verdict=Verdict.STOP, interruption="semantic")
    later = replay(tape, changed(settings_of(tape), ["listen_ms=100"]))
    assert "Interrupt" in [each.name for each in later.recorded]
    assert "Interrupt" in [each.name for each in later.now]


@pytest.mark.parametrize("change", ["patience=3", "unknown_ms", "unknown_ms=soon"])
def test_a_wrong_setting_is_told(change: str) -> None:
    with pytest.raises(ValidationError):
        changed(TurnSettings(), [change])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '["tape", 99, {}]',
        '["tape", 1, {"nonsense": 1}]',
        "no json",
        '["tape", 1, {}]\n["what"]',
    ],
)
def test_a_damaged_tape_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "session.tape"
    path.write_text(text)
    with pytest.raises(ValidationError):
        program.run(path, [], as_json=True)


def test_the_program_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "session.tape"
    path.write_text("\n".join(json.dumps(each) for each in record("#####" + "." * 15)))
    assert program.run(path, [], as_json=False) == 0
    assert "0 of 3 decisions differ" in capsys.readouterr().out
    assert program.run(path, ["unknown_ms=1200"], as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)["decisions"]
    assert [(row["then"]["at_ms"], row["now"]["at_ms"]) for row in rows][-1] == (1300, 1700)
