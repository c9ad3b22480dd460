"""What was sent, in a ring, and the microphone's place beside it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from selam_agent.audio.echo_track import SentTrack, StreamClock
from selam_agent.audio.pcm import Pcm16


def ramp(first: int, count: int) -> Pcm16:
    return np.arange(first, first + count, dtype=np.int16)


def ints(track: SentTrack, first: int, last: int) -> list[int]:
    return [round(value) for value in (track.take(first, last) * 32768).tolist()]


def test_it_gives_back_what_was_written_and_silence_elsewhere() -> None:
    track = SentTrack()
    assert ints(track, 0, 3) == [0, 0, 0]
    track.write(1000, ramp(1, 4))
    assert ints(track, 998, 1006) == [0, 0, 1, 2, 3, 4, 0, 0]


def test_a_few_milliseconds_are_the_same_stream() -> None:
    track = SentTrack()
    track.write(1000, ramp(1, 100))
    track.write(1103, ramp(101, 100))
    assert ints(track, 1099, 1102) == [100, 101, 102]
    assert track.sounds(1199, 1200) and not track.sounds(1200, 1300)


def test_a_gap_is_silence_and_an_overlap_is_what_came_later() -> None:
    track = SentTrack()
    track.write(0, ramp(1, 1000))
    track.write(5000, ramp(1, 1000))
    assert not track.sounds(1000, 5000) and track.sounds(999, 1001) and track.sounds(4999, 5001)
    track.write(5500, ramp(7000, 100))
    assert ints(track, 5499, 5501) == [500, 7000]
    assert ints(track, 5600, 5601) == [0]


def test_what_is_cut_will_not_be_heard() -> None:
    track = SentTrack()
    track.cut(5)
    track.write(0, ramp(1, 1000))
    track.write(5000, ramp(1, 1000))
    track.cut(500)
    assert ints(track, 498, 502) == [499, 500, 0, 0]
    assert not track.sounds(500, 9000)
    track.write(600, ramp(9, 10))
    assert ints(track, 599, 602) == [0, 9, 10]


@pytest.mark.parametrize("begin", [0, -123_456, 10**9 + 7])
def test_memory_is_bounded_and_the_last_seconds_are_kept(begin: int) -> None:
    track = SentTrack()
    for number in range(1000):
        track.write(begin + number * 640, np.full(640, number % 100 + 1, np.int16))
    end = begin + 640_000
    assert ints(track, end - 640, end - 638) == [100, 100]
    assert ints(track, end - 128_000, end - 127_999) == [1]
    assert ints(track, end - 128_001, end - 128_000) == [0]
    assert sum(len(piece.pcm) * 2 for piece in track._pieces) <= 256_000 + 2 * 1280  # type: ignore[arg-type]


def test_what_is_made_later_is_made_when_it_is_asked_for_and_in_order() -> None:
    track = SentTrack()
    made: list[int] = []

    def piece(number: int, count: int = 100) -> Pcm16:
        made.append(number)
        return ramp(100 * number, count)

    for number in range(5):
        track.write_later(100 * number, 100, partial(piece, number))
    track.forget(100)
    track.cut(430)
    assert track.sounds(0, 100) and not track.sounds(430, 500) and made == []
    assert ints(track, 398, 402) == [398, 399, 400, 401] and made == [1, 2, 3, 4]
    assert ints(track, 98, 102) == [0, 0, 100, 101]
    assert ints(track, 428, 432) == [428, 429, 0, 0]
    # Rates that do not divide give a sample more or less.
    track.write_later(430, 100, partial(piece, 5, count=99))
    assert ints(track, 527, 531) == [597, 598, 0, 0] and made == [1, 2, 3, 4, 5]


def test_many_gaps_do_not_pile_up() -> None:
    track = SentTrack()
    for number in range(5000):
        track.write(number * 1000, ramp(0, 100))
    assert len(track._stretches) <= 64


def test_a_piece_longer_than_the_ring_leaves_its_end() -> None:
    track = SentTrack()
    track.write(0, np.arange(200_000, dtype=np.int32).astype(np.int16))
    assert track._end is not None
    assert ints(track, track._end - 1, track._end) == [int(np.array(199_999).astype(np.int16))]


def test_jitter_and_bursts_do_not_move_the_stream() -> None:
    clock = StreamClock()
    for number, late in enumerate([0, 300, 100, 16_000, 15_680, 5000, 0, 90, 700] * 20):
        position, hole = clock.place(1000 + number * 320 + late % 20_000, 320)
        assert position == 1000 + number * 320 and not hole


def test_a_burst_after_a_stall_of_three_seconds_is_no_hole() -> None:
    clock = StreamClock()
    clock.place(0, 320)
    for number in range(1, 151):
        position, hole = clock.place(151 * 320, 320)
        assert (position, hole) == (number * 320, False)


@pytest.mark.parametrize("off", [8000, -8000])
def test_what_was_lost_moves_the_stream_after_a_second(off: int) -> None:
    clock = StreamClock()
    clock.place(0, 320)
    holes = []
    for number in range(1, 100):
        position, hole = clock.place(number * 320 + off, 320)
        holes.append(hole)
    assert sum(holes) == 1 and 49 <= holes.index(True) <= 52
    assert position == 99 * 320 + off
