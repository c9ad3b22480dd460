"""Two sides of a call on one time line."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.audio.call_recording import RATE, CallRecording


def level(value: int, ms: int) -> np.ndarray:
    return np.full(ms * RATE // 1000, value, np.int16)


def at(recording: np.ndarray, ms: int) -> tuple[int, int]:
    left, right = recording[ms * RATE // 1000]
    return int(left), int(right)


def test_both_sides_lie_where_they_were_heard() -> None:
    call = CallRecording()
    for index in range(50):
        call.near(level(100, 20), 1_000 + index * 20 + index % 3)
    call.far(level(200, 300), 1_500)
    whole = call.take()
    assert len(whole) == RATE
    assert [at(whole, ms) for ms in (0, 499, 501, 799, 801)] == [
        (100, 0),
        (100, 0),
        (100, 200),
        (100, 200),
        (100, 0),
    ]


def test_jitter_is_no_gap_and_a_gap_is_one() -> None:
    call = CallRecording()
    call.near(level(1, 100), 0)
    call.near(level(2, 100), 180)
    call.near(level(3, 100), 700)
    whole = call.take()
    assert [at(whole, ms)[0] for ms in (50, 150, 250, 650, 750)] == [1, 2, 0, 0, 3]


def test_what_the_client_threw_away_was_not_heard() -> None:
    call = CallRecording()
    call.near(level(1, 20), 0)
    call.far(level(9, 400), 100)
    call.cut(250)
    call.far(level(7, 100), 300)
    whole = call.take()
    assert [at(whole, ms)[1] for ms in (120, 240, 260, 310, 390)] == [9, 9, 0, 7, 7]
    assert len(whole) == 400 * RATE // 1000


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 400), st.integers(0, 3_000)), max_size=30), st.randoms()
)
def test_taking_it_in_parts_gives_the_same(parts: list[tuple[bool, int, int]], random: object) -> None:
    whole, pieces = CallRecording(), CallRecording()
    taken = []
    clock = 0
    for index, (near, ms, later) in enumerate(parts):
        clock += later
        for call in (whole, pieces):
            (call.near if near else call.far)(level(index + 1, ms), clock)
        # Late packets still belong to the last 200 ms.
        taken.append(pieces.take(clock - 200))
    assert np.array_equal(np.concatenate([*taken, pieces.take()]), whole.take())
