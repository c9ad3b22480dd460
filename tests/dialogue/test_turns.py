"""Turn-taking as synchronous tables: frames and times in, decisions out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.decisions import (
    FRAME_MS,
    Commit,
    Decision,
    Ignore,
    Interrupt,
    Listen,
    Reopen,
    ResumePlayback,
    Speculate,
    SpeechStarted,
    TurnSettings,
    interrupt_frames,
)
from selam_agent.dialogue.interruption import Verdict
from selam_agent.dialogue.turns import TurnTaker

# Without guesses and with one fixed silence: what is below must hold whatever the words are.
FIXED = TurnSettings(speculate_ms=None, min_silence_ms=800, max_silence_ms=800, interruption="energy")


@dataclass
class Line:
    """A telephone line: audio in real time unless said otherwise; remembers what was decided."""

    turns: TurnTaker = field(default_factory=lambda: TurnTaker(FIXED))
    now: float = 0.0
    decisions: list[Decision] = field(default_factory=list)

    def hear(self, pattern: str) -> Line:
        """``pattern``: "v300 f60 s500" is 300 ms voiced, 60 ms that fade, then 500 ms silent."""
        for part in pattern.split():
            for _ in range(int(part[1:]) // FRAME_MS):
                self.now += FRAME_MS
                self.decisions += self.turns.frame(part[0] == "v", self.now, fading=part[0] == "f")
        return self

    def burst(self, pattern: str) -> Line:
        """The same, all arriving at this moment."""
        for part in pattern.split():
            for _ in range(int(part[1:]) // FRAME_MS):
                self.decisions += self.turns.frame(part[0] == "v", self.now)
        return self

    def quiet_line(self, ms: float) -> Line:
        """No packets for this long; the timer is served when it is due."""
        end = self.now + ms
        while (due := self.turns.next_deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self.decisions += self.turns.tick(self.now)
        self.now = end
        return self

    def agent_speaks(self) -> Line:
        self.turns.agent_started(self.now)
        return self

    @property
    def names(self) -> list[str]:
        return [type(decision).__name__ for decision in self.decisions]

    def one(self, kind: type[Commit]) -> Commit:
        found = [decision for decision in self.decisions if isinstance(decision, kind)]
        assert len(found) == 1, self.decisions
        return found[0]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("s1000", []),
        ("v40 s2000", []),  # a click
        ("v80 s2000", ["SpeechStarted", "Ignore"]),  # a knock
        ("v600 s780", ["SpeechStarted"]),
        ("v600 s800", ["SpeechStarted", "Commit"]),
        ("v600 s700 v600 s800", ["SpeechStarted", "Commit"]),  # a pause within the sentence
        ("v600 s800 v600 s800", ["SpeechStarted", "Commit", "SpeechStarted", "Commit"]),
    ],
)
def test_silence_ends_a_turn(pattern: str, expected: list[str]) -> None:
    assert Line().hear(pattern).names == expected


def test_silence_begins_when_the_word_has_faded() -> None:
    line = Line().hear("v600 f100 s780")
    assert line.names == ["SpeechStarted"]
    commit = line.hear("s20").one(Commit)
    assert (commit.speech_end_ms, commit.voiced_ms) == (700, 600)
    assert Line().hear("f100 s1000").names == []


def test_a_commit_says_where_the_speech_was() -> None:
    commit = Line().hear("s1000 v600 s800").one(Commit)
    assert commit.start_ms == 1000 - 300
    assert commit.speech_end_ms == commit.speech_end_arrived_ms == 1600
    assert commit.end_ms == 2400
    assert commit.voiced_ms == 600
    assert (commit.turn, commit.revision, commit.reason) == (1, 0, "silence")


def test_an_utterance_is_never_longer_than_the_bound() -> None:
    line = Line().hear("v65000 s800")
    commits = [each for each in line.decisions if isinstance(each, Commit)]
    assert [each.reason for each in commits] == ["max_utterance", "max_utterance", "silence"]
    assert all(each.end_ms - each.start_ms <= 30_000 for each in commits)
    assert commits[0].end_ms <= commits[1].start_ms, "no sample belongs to two turns"


def test_decisions_do_not_depend_on_the_speed_of_arrival() -> None:
    pattern = "s400 v900 s300 v500 s1200 v700 s900"
    live, file = Line().hear(pattern), Line().burst(pattern)
    assert live.names == file.names
    assert [each.end_ms for each in live.decisions if isinstance(each, Commit)] == [
        each.end_ms for each in file.decisions if isinstance(each, Commit)
    ]


class TestNoPackets:
    def test_a_client_that_stops_in_mid_speech_is_answered_after_1500_ms(self) -> None:
        assert Line().hear("v600 s100").quiet_line(1480).names == ["SpeechStarted"]
        line = Line().hear("v600 s100").quiet_line(1500)
        assert line.one(Commit).reason == "no_packets"

    def test_and_the_next_time_after_500_ms(self) -> None:
        line = Line().hear("v600").quiet_line(5000).hear("s1000 v600")
        assert line.quiet_line(500).names.count("Commit") == 2

    def test_a_recorder_is_answered_after_500_ms(self) -> None:
        line = Line()
        line.turns.known.recorder = True
        assert line.hear("v600").quiet_line(500).names == ["SpeechStarted", "Commit"]

    def test_late_audio_reopens_the_turn_with_everything_it_had(self) -> None:
        line = Line().hear("v600").quiet_line(1600).burst("v400").hear("s800")
        assert line.names == ["SpeechStarted", "Commit", "Reopen", "Commit"]
        last = line.decisions[-1]
        assert isinstance(last, Commit)
        assert (last.turn, last.revision, last.start_ms, last.voiced_ms) == (1, 1, 0, 1000)
        assert line.decisions[2] == Reopen(turn=1, revision=1)

    def test_a_stalled_network_is_no_push_to_talk(self) -> None:
        line = Line().hear("v600").quiet_line(1600).burst("v400")
        assert line.quiet_line(1400).names[-1] == "Reopen"

    def test_after_unfinished_words_a_stalled_network_gets_more_time(self) -> None:
        line = Line(TurnTaker(TurnSettings())).hear("v600").quiet_line(300)
        line.turns.words(1, 0, Ending.INCOMPLETE)
        assert "Commit" not in line.quiet_line(2600).names
        assert line.quiet_line(100).names[-1] == "Commit"

    def test_late_silence_reopens_nothing(self) -> None:
        assert Line().hear("v600").quiet_line(1600).hear("s700").names[-1] == "Commit"

    def test_after_agent_audio_late_speech_is_the_next_turn(self) -> None:
        line = Line().hear("v600").quiet_line(1600).agent_speaks()
        line.turns.agent_stopped()
        line.hear("v600 s800")
        commits = [each for each in line.decisions if isinstance(each, Commit)]
        assert [(each.turn, each.revision) for each in commits] == [(1, 0), (2, 0)]

    def test_after_a_pause_of_the_session_the_clock_goes_on_where_it_stood(self) -> None:
        line = Line().hear("v600")
        line.turns.frozen(10_000)
        assert line.turns.next_deadline == 600 + 10_000 + 1500


class TestBargeIn:
    def test_the_documented_sensitivity_is_physical(self) -> None:
        assert interrupt_frames(8) * FRAME_MS == 240
        assert interrupt_frames(1) == 2
        assert interrupt_frames(100) == 150

    def test_speech_over_the_agent_stops_it_after_240_ms(self) -> None:
        line = Line().agent_speaks().hear("v220")
        assert line.names == ["SpeechStarted"]
        line.hear("v20")
        assert line.decisions[-1] == Interrupt(turn=1, at_ms=240, reason="energy")

    def test_it_is_counted_through_short_gaps(self) -> None:
        assert "Interrupt" in Line().agent_speaks().hear("v120 s200 v120").names
        assert "Interrupt" not in Line().agent_speaks().hear("v120 s260 v120").names

    def test_what_stopped_the_agent_is_the_next_turn(self) -> None:
        line = Line().agent_speaks().hear("v600 s800")
        assert line.names == ["SpeechStarted", "Interrupt", "Commit"]
        assert line.one(Commit).start_ms == 0

    def test_a_short_sound_over_the_agent_is_nothing(self) -> None:
        line = Line().agent_speaks().hear("v200 s300")
        assert line.decisions[-1] == Ignore(at_ms=500, reason="below_interrupt_threshold")
        line.turns.agent_stopped()
        assert line.hear("v600 s800").decisions[-1].turn == 1  # type: ignore[union-attr]

    def test_speech_that_arrived_before_the_reply_is_no_interruption(self) -> None:
        line = Line().burst("v600 s800")
        line.now += 100
        line.turns.agent_started(line.now + 50)
        line.burst("v2000 s800")
        assert line.names == ["SpeechStarted", "Commit", "SpeechStarted", "Commit"]

    def test_a_caller_who_goes_on_talking_into_the_reply_interrupts_it(self) -> None:
        line = Line().hear("v600 s800 v200").agent_speaks().hear("v240 s800")
        assert line.names == ["SpeechStarted", "Commit", "SpeechStarted", "Interrupt", "Commit"]

    def test_an_answer_begun_in_the_last_moment_of_the_reply_is_a_turn(self) -> None:
        line = Line().agent_speaks().hear("v100")
        line.turns.agent_stopped()
        assert line.hear("v500 s800").names == ["SpeechStarted", "Commit"]

    def test_a_word_whose_onset_is_found_when_the_agent_has_just_ended_began_over_it(self) -> None:
        line = Line().agent_speaks().hear("v40")
        line.turns.agent_stopped()
        assert line.hear("v400 s800").one(Commit).over_agent
        line = Line().agent_speaks().hear("s40")
        line.turns.agent_stopped()
        assert not line.hear("v400 s800").one(Commit).over_agent


class TestGuesses:
    """A pause is transcribed and answered behind a closed gate; the wait depends on the words."""

    @staticmethod
    def line(**settings: Any) -> Line:
        return Line(TurnTaker(TurnSettings(**settings)))

    def test_a_pause_of_200_ms_asks_for_a_guess(self) -> None:
        line = self.line().hear("s400 v600 s180")
        assert line.names == ["SpeechStarted"]
        line.hear("s20")
        assert line.decisions[-1] == Speculate(turn=1, revision=0, start_ms=100, end_ms=1200, spoken_ms=600)

    @pytest.mark.parametrize(
        ("ending", "wait"),
        [(Ending.COMPLETE, 400), (Ending.UNKNOWN, 800), (Ending.INCOMPLETE, 1800), (None, 800)],
    )
    def test_the_words_decide_how_long_it_waits(self, ending: Ending | None, wait: int) -> None:
        line = self.line().hear("v600 s260")
        if ending is not None:
            line.decisions += line.turns.words(1, 0, ending)
        assert line.hear(f"s{wait - 280}").names == ["SpeechStarted", "Speculate"]
        assert line.hear("s20").names[-1] == "Commit"

    def test_words_that_come_late_commit_at_once(self) -> None:
        line = self.line().hear("v600 s700")
        assert isinstance(line.turns.words(1, 0, Ending.COMPLETE)[0], Commit)

    def test_words_of_an_earlier_revision_are_ignored(self) -> None:
        line = self.line().hear("v600 s300 v200")
        assert line.names == ["SpeechStarted", "Speculate", "Reopen"]
        assert line.turns.words(1, 0, Ending.COMPLETE) == []
        assert line.hear("s700").names[-1] == "Speculate"

    def test_speech_that_goes_on_is_the_next_revision(self) -> None:
        line = self.line().hear("v600 s300 v400 s800")
        commit = line.one(Commit)
        assert (commit.turn, commit.revision, commit.start_ms, commit.voiced_ms) == (1, 1, 0, 1000)

    def test_a_click_in_the_pause_changes_nothing(self) -> None:
        line = self.line().hear("v600 s260 v40 s500")
        assert line.names == ["SpeechStarted", "Speculate", "Commit"]
        assert line.one(Commit).end_ms == 1400

    def test_guesses_are_bounded_per_turn_and_by_length(self) -> None:
        assert self.line().hear("v300 s300 " * 6).names.count("Speculate") == 3
        assert "Speculate" not in self.line().hear("v16000 s300").names

    def test_a_slow_speaker_is_given_more_time(self) -> None:
        line = self.line().hear("v600 s780 v600 s820")
        assert "Commit" not in line.names
        assert line.hear("s120").names[-1] == "Commit"

    def test_one_word_that_cuts_in_is_given_time_for_the_next(self) -> None:
        line = self.line(interruption="energy", interrupt_frames=6).agent_speaks().hear("v300 s220")
        line.decisions += line.turns.words(1, 0, Ending.COMPLETE)
        assert line.hear("s560").names == ["SpeechStarted", "Interrupt", "Speculate"]
        assert line.hear("s20").names[-1] == "Commit"

    def test_stated_patience_is_obeyed_exactly(self) -> None:
        line = self.line(min_silence_ms=600, max_silence_ms=600).hear("v600 s500 v600 s580")
        line.decisions += line.turns.words(1, 1, Ending.COMPLETE)
        assert "Commit" not in line.names
        assert line.hear("s20").names[-1] == "Commit"

    def test_push_to_talk_is_guessed_while_the_packets_are_missing(self) -> None:
        line = self.line()
        line.turns.known.recorder = True
        line.hear("v600").quiet_line(500)
        assert line.names == ["SpeechStarted", "Speculate", "Commit"]


class TestMeaning:
    """Speech over the agent, held while the recogniser is asked what it means."""

    @staticmethod
    def line() -> Line:
        line = Line(TurnTaker(TurnSettings(interruption="semantic")))
        return line.hear("s400").agent_speaks()

    @staticmethod
    def asked(line: Line) -> Listen:
        return [each for each in line.decisions if isinstance(each, Listen)][-1]

    def answer(self, line: Line, verdict: Verdict) -> Line:
        line.decisions += line.turns.verdict(self.asked(line), verdict)
        return line

    def test_sending_is_held_at_the_onset_and_the_recogniser_asked_about_a_word(self) -> None:
        line = self.line().hear("v40")
        assert line.names == []
        assert line.hear("v20").names == ["SpeechStarted", "PausePlayback"]
        assert line.hear("v120").names[2:] == []
        assert line.hear("v20").names[2:] == ["Listen"]
        assert not self.asked(line).finished

    def test_it_is_asked_again_when_it_has_answered(self) -> None:
        line = self.line().hear("v260")
        assert line.names.count("Listen") == 1, "one question at a time"
        line = self.answer(line, Verdict.NOTHING).hear("v20")
        assert line.names.count("Listen") == 2
        assert self.answer(line, Verdict.NOTHING).hear("v60").names.count("Listen") == 3

    def test_a_word_is_asked_about_while_it_fades(self) -> None:
        line = self.answer(self.line().hear("v200"), Verdict.NOTHING).hear("s40")
        assert self.asked(line).end_ms == 640 and not self.asked(line).finished

    def test_a_click_lets_it_go_on_before_anything_was_heard_of_it(self) -> None:
        line = self.line().hear("v60 s80")
        assert line.names == ["SpeechStarted", "PausePlayback"]
        assert line.hear("s20").decisions[-1] == ResumePlayback(at_ms=560, repeat=False)
        assert "Listen" not in line.hear("s1000").names

    def test_short_stops_of_the_voice_belong_to_the_word(self) -> None:
        line = self.line().hear("v60 s40 v100")
        assert line.names[-1] == "Listen" and self.asked(line).voiced_ms == 200
        line = self.line().hear("v60 s60 v80")
        assert self.asked(line).voiced_ms == 140

    def test_what_may_become_a_backchannel_lets_it_go_on_at_once(self) -> None:
        line = self.answer(self.line().hear("v200"), Verdict.PERHAPS)
        assert line.decisions[-1] == ResumePlayback(at_ms=600, repeat=False)
        line = self.answer(line.hear("v60"), Verdict.NOTHING).hear("v60")
        assert line.names.count("PausePlayback") == 1, "no stutter"
        assert self.answer(line, Verdict.STOP).names[-1] == "Interrupt"

    def test_a_long_backchannel_is_waited_for(self) -> None:
        line = self.line().hear("v160")
        for _ in range(12):
            line = self.answer(line.hear("v80"), Verdict.PERHAPS)
        line = self.answer(line.hear("v80"), Verdict.BACKCHANNEL).hear("s1000")
        assert "Interrupt" not in line.names
        line = self.answer(self.line().hear("v200"), Verdict.PERHAPS).hear("v1300")
        assert line.decisions[-1] == Interrupt(turn=1, at_ms=1900, reason="duration")

    def test_a_stop_word_interrupts_in_the_middle(self) -> None:
        line = self.answer(self.line().hear("v200"), Verdict.STOP)
        assert line.decisions[-1] == Interrupt(turn=1, at_ms=600, reason="words")
        assert line.hear("v200 s1000").names[-1] == "Commit"

    def test_a_backchannel_lets_it_go_on_and_is_no_turn(self) -> None:
        line = self.answer(self.line().hear("v200"), Verdict.BACKCHANNEL)
        assert line.decisions[-1] == ResumePlayback(at_ms=600, repeat=False)
        line = self.answer(line.hear("v200"), Verdict.BACKCHANNEL)
        assert line.names.count("PausePlayback") == 1, "held once only"
        line = self.answer(line.hear("s300"), Verdict.BACKCHANNEL).hear("s20")
        assert line.decisions[-1].reason == "below_interrupt_threshold"  # type: ignore[union-attr]

    def test_words_after_a_backchannel_interrupt(self) -> None:
        line = self.answer(self.line().hear("v200"), Verdict.BACKCHANNEL).hear("v60")
        line = self.answer(line, Verdict.BACKCHANNEL).hear("v100")
        assert "Interrupt" in self.answer(line, Verdict.SPEECH).names

    def test_words_from_too_little_sound_are_not_believed(self) -> None:
        line = self.answer(self.line().hear("v200"), Verdict.SPEECH)
        assert "Interrupt" not in line.names

    def test_a_sound_without_words_repeats_the_phrase(self) -> None:
        line = self.answer(self.line().hear("v200"), Verdict.NOTHING).hear("s40")
        line = self.answer(line, Verdict.NOTHING).hear("s120")
        line = self.answer(line, Verdict.NOTHING).hear("s140")
        assert self.asked(line).finished
        assert self.answer(line, Verdict.NOTHING).decisions[-1] == ResumePlayback(at_ms=900, repeat=True)
        assert line.hear("s1000").names[-1] == "Ignore"

    def test_each_sound_is_judged_by_itself(self) -> None:
        line = self.answer(self.line().hear("v200"), Verdict.BACKCHANNEL).hear("s300")
        line = self.answer(line, Verdict.BACKCHANNEL).hear("s200 v200")
        assert self.asked(line).start_ms >= 700
        assert line.names.count("PausePlayback") == 2

    def test_pauses_in_speech_over_the_agent_are_not_learned(self) -> None:
        line = self.line()
        line.turns.settings = TurnSettings(interruption="semantic", sound_over_ms=2000)
        line.hear("v80 s900 v80")
        line.turns.agent_stopped()
        line.hear("s2000 v600 s780")
        assert "Commit" not in line.names
        assert line.hear("s20").names[-1] == "Commit"

    def test_a_resume_never_races_a_verdict(self) -> None:
        line = self.line().hear("v200 s2000")
        assert "ResumePlayback" not in line.names and "Ignore" not in line.names
        assert "Interrupt" in self.answer(line, Verdict.STOP).names

    def test_long_speech_interrupts_without_any_verdict(self) -> None:
        line = self.line().hear("v880")
        assert "Interrupt" not in line.names, "the answer about 600 ms may still come"
        line.hear("v20")
        assert line.decisions[-1] == Interrupt(turn=1, at_ms=1300, reason="duration")

    def test_who_was_speaking_before_the_agent_and_goes_on_interrupts_it(self) -> None:
        line = Line(TurnTaker(TurnSettings(interruption="semantic"))).hear("v600").agent_speaks()
        assert line.hear("v240").names[-1] == "Interrupt"

    def test_a_turn_that_ends_over_the_agent_lets_it_go_on(self) -> None:
        line = Line(TurnTaker(TurnSettings(interruption="semantic"))).hear("v600").agent_speaks()
        line.hear("v140 s1000")
        assert line.names.count("PausePlayback") == line.names.count("ResumePlayback") == 1
        assert "Commit" in line.names and "Interrupt" not in line.names

    def test_a_client_that_stops_sending_leaves_nothing_held(self) -> None:
        line = Line(TurnTaker(TurnSettings(interruption="semantic"))).hear("v600").agent_speaks()
        line.hear("v140").quiet_line(5000)
        assert line.names.count("PausePlayback") == line.names.count("ResumePlayback") == 1

    def test_while_sound_is_not_trusted_only_words_count(self) -> None:
        line = self.line()
        line.turns.known.trusted = False
        line.hear("v400 s300")
        assert "PausePlayback" not in line.names
        line = self.answer(line, Verdict.NOTHING).hear("s20")
        assert self.asked(line).finished
        assert self.answer(line.hear("s1000"), Verdict.STOP).names[-1] == "Interrupt"
        line = self.line()
        line.turns.known.trusted = False
        assert "Interrupt" not in line.hear("v3000").names

    def test_in_a_room_that_was_quiet_so_far_the_agent_may_be_held_without_trust(self) -> None:
        line = self.line()
        line.turns.known.trusted = False
        line.hear("s300 v60")
        assert line.names[-1] == "PausePlayback"
        line = self.answer(line.hear("v140"), Verdict.STOP)
        assert line.names[-1] == "Interrupt"

    @pytest.mark.parametrize(("verdict", "then"), [(Verdict.ECHO, False), (Verdict.BACKCHANNEL, True)])
    def test_but_not_again_when_it_was_the_agent(self, verdict: Verdict, then: bool) -> None:
        line = self.line()
        line.turns.known.trusted = False
        line = self.answer(line.hear("s300 v200"), verdict)
        assert line.names[-1] == "ResumePlayback"
        line.hear("s1000 v100")
        assert line.names.count("PausePlayback") == 1 + then

    def test_and_not_where_there_is_a_sign_of_echo(self) -> None:
        line = self.line()
        line.turns.known.trusted = False
        line.turns.known.echo_suspected = True
        assert "PausePlayback" not in line.hear("s300 v400").names

    def test_a_verdict_about_an_earlier_turn_is_ignored(self) -> None:
        line = self.line().hear("v200")
        old = self.asked(line)
        line.turns.agent_stopped()
        assert line.turns.verdict(old, Verdict.STOP) == []


def test_stop_listening_ends_the_turn_at_once() -> None:
    line = Line().hear("v600")
    assert isinstance(line.turns.flush()[0], Commit)
    assert line.turns.flush() == []


def test_audio_is_kept_only_as_long_as_it_may_be_needed() -> None:
    line = Line().hear("s60000")
    assert line.turns.audio_ms - line.turns.keep_from_ms <= 400
    line.hear("v600 s200")
    assert line.turns.keep_from_ms == 60_000 - 300
    started = [each for each in line.decisions if isinstance(each, SpeechStarted)]
    assert started[0].at_ms == 60_000
