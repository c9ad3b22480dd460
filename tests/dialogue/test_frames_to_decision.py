"""Audio may wait until the next frame that could decide something, and silence be fed at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.decisions import FRAME_MS, Commit, Decision, Listen, SpeechStarted, TurnSettings
from selam_agent.dialogue.interruption import Verdict
from selam_agent.dialogue.onset import ONSET_VOICED, ONSET_WINDOW
from selam_agent.dialogue.turns import MOST_FRAMES, TurnTaker

SETTINGS = st.builds(
    TurnSettings,
    speculate_ms=st.sampled_from((None, 60, 200)),
    complete_ms=st.sampled_from((40, 120, 400)),
    unknown_ms=st.sampled_from((80, 160, 800)),
    incomplete_ms=st.sampled_from((200, 1800)),
    min_silence_ms=st.sampled_from((None, 0, 60, 300)),
    max_silence_ms=st.sampled_from((None, 100, 500)),
    max_utterance_ms=st.sampled_from((400, 30_000)),
    interruption=st.sampled_from(("semantic", "energy", "off")),
    interrupt_frames=st.integers(1, 16),
    hold_ms=st.sampled_from((20, 60, 120)),
    sound_over_ms=st.sampled_from((60, 300)),
)
# (what the frame sounds like, how many such frames)
RUNS = st.tuples(st.sampled_from(("voiced", "silent", "fading")), st.integers(1, 12))
HAPPENS = st.one_of(
    RUNS,
    RUNS,
    RUNS,
    st.sampled_from(("agent starts", "agent stops", "trusted", "untrusted", "tick")),
    st.sampled_from(Ending),
    st.sampled_from(Verdict),
)


class Line:
    """Feeds a turn-taker as the session does: frames wait until one of them could decide."""

    def __init__(self, turns: TurnTaker) -> None:
        self.turns = turns
        self.now = 0.0
        self.asked: Listen | None = None
        self.bound = turns.frames_to_decision
        self.waiting = 0

    def feed(self, kind: str) -> list[Decision]:
        self.now += FRAME_MS
        made = self.turns.frame(kind == "voiced", self.now, fading=kind == "fading")
        self.asked = next((each for each in made if isinstance(each, Listen)), self.asked)
        return made

    def frame(self, kind: str) -> None:
        self.waiting += 1
        made = self.feed(kind)
        telling = [each for each in made if not self.begins(each)]
        assert not telling or self.waiting == self.bound, (made, self.waiting, self.bound)
        if self.waiting == self.bound:
            self.look()

    def begins(self, made: Decision) -> bool:
        """A sound that is no turn yet, of which nobody is told, or a turn out of silence, a little late."""
        late = self.bound - self.waiting
        return isinstance(made, SpeechStarted) and (
            self.turns.open_speech is None or (self.bound == ONSET_WINDOW and late * FRAME_MS <= 40)
        )

    def look(self) -> None:
        self.waiting, self.bound = 0, self.turns.frames_to_decision

    def happens(self, what: str | Ending | Verdict) -> None:
        turns, speech = self.turns, self.turns._open
        if isinstance(what, Ending):
            if speech is not None:
                turns.words(speech.turn, speech.revision, what)
        elif isinstance(what, Verdict):
            if self.asked is not None:
                turns.verdict(self.asked, what)
                self.asked = None
        elif what == "agent starts":
            turns.agent_started(self.now)
        elif what == "agent stops":
            turns.agent_stopped()
        elif what == "tick":
            turns.tick(self.now + 2000)
        else:
            turns.known.trusted = what == "trusted"
        self.look()


@settings(max_examples=300, deadline=None)
@given(SETTINGS, st.lists(HAPPENS, max_size=60))
def test_only_the_last_of_the_frames_that_waited_decides(given: TurnSettings, story: list[object]) -> None:
    line = Line(TurnTaker(given))
    for what in story:
        if isinstance(what, tuple):
            kind, count = what
            for _ in range(count):
                line.frame(kind)
        else:
            line.happens(what)  # type: ignore[arg-type]


KINDS = st.sampled_from(("voiced", "voiced", "silent", "fading"))


@settings(max_examples=500, deadline=None)
@given(SETTINGS, st.lists(st.one_of(HAPPENS, st.lists(KINDS, min_size=1, max_size=20)), max_size=60))
def test_frames_at_once_are_the_same_as_one_by_one(given: TurnSettings, story: list[object]) -> None:
    alike, at_once = Line(TurnTaker(given)), TurnTaker(given)
    other = Line(at_once)
    for what in story:
        if isinstance(what, tuple):
            what = [what[0]] * what[1]
        if not isinstance(what, list):
            alike.happens(what)  # type: ignore[arg-type]
            other.happens(what)  # type: ignore[arg-type]
            continue
        arrived = [alike.now + FRAME_MS * (number + 1) for number in range(len(what))]
        one_by_one = [alike.feed(kind) for kind in what]
        sounds = [(kind == "voiced", kind == "fading") for kind in what]
        silent = not any(voiced or fading for voiced, fading in sounds)
        if (silent and at_once.silence(arrived)) or at_once.goes_on(arrived, sounds):
            other.now = arrived[-1]
            assert not any(one_by_one)
        else:
            assert one_by_one == [other.feed(kind) for kind in what]
        assert at_once._open == alike.turns._open
        assert at_once._patience._pauses.value == alike.turns._patience._pauses.value
        assert at_once.frames_to_decision == alike.turns.frames_to_decision
        assert at_once.next_deadline == alike.turns.next_deadline
        assert at_once.keep_from_ms == alike.turns.keep_from_ms


def test_only_a_turn_that_nothing_can_end_is_fed_at_once() -> None:
    turns = TurnTaker(TurnSettings(speculate_ms=None, unknown_ms=200))
    talk, pause = [(True, False)] * 9, [(False, False)] * 9
    times = [float(FRAME_MS * number) for number in range(9)]
    assert not turns.goes_on(times, talk)
    for at in times:
        turns.frame(True, at)
    assert turns.goes_on(times, talk) and turns.goes_on(times, pause)
    # The tenth silent frame ends it.
    assert not turns.goes_on(times[:1], pause[:1])
    turns.agent_started(0.0)
    assert not turns.goes_on(times[:1], talk[:1])


def bounds(turns: TurnTaker, kind: str, frames: int) -> list[int]:
    found = []
    for number in range(frames):
        found.append(turns.frames_to_decision)
        turns.frame(kind == "voiced", FRAME_MS * number)
    return found


@pytest.mark.parametrize(
    ("settings", "agent", "story"),
    [
        # Three voiced frames are an onset; a caller who speaks on decides nothing.
        (TurnSettings(), False, [("silent", [5, 5, 5, 5]), ("voiced", [5, 2, 1, 10, 10])]),
        (TurnSettings(speculate_ms=None), False, [("voiced", [5, 2, 1, 16, 16])]),
        # 200 ms of silence ask for a guess, 800 end the turn.
        (TurnSettings(), False, [("voiced", [5] + [2, 1] + [10] * 3), ("silent", list(range(10, 0, -1)))]),
        # By energy twelve voiced frames stop the agent; a gap of two before them is bridged.
        (
            TurnSettings(interruption="energy"),
            True,
            [("voiced", [12, 9, 8, 7, 6, 5, 4, 3, 2]), ("silent", [1])],
        ),
        # By meaning three hold it, and then each frame counts.
        (TurnSettings(interruption="semantic"), True, [("silent", [3, 3]), ("voiced", [3, 1, 1, 1])]),
    ],
)
def test_how_many_frames_may_wait(
    settings: TurnSettings, agent: bool, story: list[tuple[str, list[int]]]
) -> None:
    turns = TurnTaker(settings)
    if agent:
        turns.agent_started(-1)
    for kind, expected in story:
        assert bounds(turns, kind, len(expected)) == expected
    assert MOST_FRAMES == 16


def test_a_turn_fed_in_batches_is_the_same_turn() -> None:
    sound = [False] * 40 + [True] * 31 + [False] * 60

    def run(most: int) -> list[tuple[type, int]]:
        turns = TurnTaker(TurnSettings(speculate_ms=None))
        made, waiting = [], 0
        for number in range(len(sound)):
            waiting += 1
            if waiting < min(most, turns.frames_to_decision):
                continue
            for back in range(number + 1 - waiting, number + 1):
                made += [(type(each), number) for each in turns.frame(sound[back], back * 20.0)]
            waiting = 0
        return made

    (_, begun), ended = run(1)
    assert [kind for kind, _ in run(1)] == [SpeechStarted, Commit]
    # That it began is told 40 ms later at most, and 20 and 0 when it begins a frame or two later.
    late = begun + ONSET_WINDOW - ONSET_VOICED
    assert run(MOST_FRAMES) == [(SpeechStarted, late), ended]
