from __future__ import annotations

import math

import pytest

from selam_agent.audio.pacer import Pacer


def _play(pacer: Pacer, now: float, chunks: int, duration: float, late: float = 0.0) -> list[float]:
    """Sends chunks when they are due, ``late`` ms after the timer; returns when each left."""
    left = []
    for _ in range(chunks):
        now = max(now, pacer.due(now)) + late
        pacer.sent(now, duration)
        left.append(now)
    return left


def test_buffered_sends_its_lead_at_once_then_keeps_time() -> None:
    left = _play(Pacer("buffered", lead_ms=240), 1000, 12, 40)
    assert left == [1000] * 7 + [1040, 1080, 1120, 1160, 1200]


def test_immediate_sends_each_when_the_last_was_played() -> None:
    assert _play(Pacer("immediate"), 1000, 4, 500) == [1000, 1500, 2000, 2500]


@pytest.mark.parametrize(("mode", "duration"), [("buffered", 40), ("immediate", 600)])
def test_an_hour_without_drift(mode: str, duration: float) -> None:
    pacer = Pacer(mode, lead_ms=240)  # type: ignore[arg-type]
    chunks = int(3_600_000 / duration)
    left = _play(pacer, 0, chunks, duration, late=1.7)
    lead = 240 if mode == "buffered" else 0
    assert left[-1] == pytest.approx(3_600_000 - duration - lead, abs=5)
    assert pacer.playout_ends_at(left[-1]) == pytest.approx(3_600_000, abs=5)


def test_odd_durations_do_not_drift() -> None:
    pacer = Pacer("buffered", lead_ms=240)
    left = _play(pacer, 0, 30_000, 100 / 3)
    assert left[-1] == pytest.approx(999_966.67 - 240, abs=0.01)


def test_immediate_real_lateness_moves_the_schedule() -> None:
    pacer = Pacer("immediate")
    pacer.sent(0, 500)
    pacer.sent(900, 500)
    assert pacer.due(900) == 1400
    assert pacer.playout_ends_at(900) == 1400


def test_immediate_jitter_does_not() -> None:
    pacer = Pacer("immediate")
    pacer.sent(0, 500)
    pacer.sent(508, 500)
    assert pacer.due(508) == 1000


def test_buffered_stall_that_the_lead_covers_changes_nothing() -> None:
    pacer = Pacer("buffered", lead_ms=240)
    _play(pacer, 0, 7, 40)  # 280 ms are out
    pacer.sent(200, 40)
    assert pacer.playhead_ms(200) == 200
    assert pacer.playout_ends_at(200) == 320


def test_buffered_stall_is_followed_by_the_lead_and_no_burst() -> None:
    pacer = Pacer("buffered", lead_ms=240)
    _play(pacer, 0, 7, 40)
    assert pacer.playhead_ms(5000) == 280
    left = _play(pacer, 5000, 10, 40)
    assert left == [5000] * 7 + [5040, 5080, 5120]
    assert pacer.playhead_ms(5040) == 320


def test_playhead_counts_what_was_heard() -> None:
    pacer = Pacer("buffered", lead_ms=240)
    assert pacer.playhead_ms(50) == 0
    pacer.sent(100, 40)
    assert pacer.playhead_ms(90) == 0
    assert pacer.playhead_ms(120) == 20
    assert pacer.playhead_ms(900) == 40
    immediate = Pacer("immediate")
    immediate.sent(100, 500)
    assert immediate.playhead_ms(101) == 500


def test_nothing_is_due_while_paused_and_the_buffer_plays_out() -> None:
    pacer = Pacer("buffered", lead_ms=240)
    _play(pacer, 0, 7, 40)
    pacer.pause(10)
    assert pacer.due(20) == math.inf
    assert pacer.playhead_ms(100) == 100
    assert pacer.playhead_ms(2000) == 280
    pacer.resume(2000)
    assert pacer.playhead_ms(2000) == 280
    assert _play(pacer, 2000, 8, 40) == [2000] * 7 + [2040]


def test_a_short_pause_keeps_the_schedule() -> None:
    pacer = Pacer("buffered", lead_ms=240)
    _play(pacer, 0, 7, 40)
    pacer.pause(10)
    pacer.resume(30)
    assert pacer.due(30) == 40


def test_immediate_pause() -> None:
    pacer = Pacer("immediate")
    pacer.sent(0, 500)
    pacer.pause(100)
    assert pacer.due(600) == math.inf
    pacer.resume(300)
    assert pacer.due(300) == 500
    pacer.pause(310)
    pacer.resume(900)
    assert pacer.due(900) == 900


def test_pause_before_the_first_chunk() -> None:
    pacer = Pacer("buffered")
    pacer.pause(0)
    assert pacer.due(5) == math.inf
    pacer.resume(50)
    assert pacer.due(60) == 60
    assert pacer.playout_ends_at(60) == 60
    assert pacer.sent_ms == 0


def test_it_knows_when_the_next_chunk_will_be_heard() -> None:
    pacer = Pacer("buffered", lead_ms=240)
    assert pacer.plays_at(1000) == 1000
    pacer.sent(1000, 40)
    assert pacer.plays_at(1000) == 1040
    assert pacer.plays_at(5000) == 5000


def test_a_phrase_is_sent_again_from_its_beginning() -> None:
    pacer = Pacer("buffered", lead_ms=240)
    for _ in range(10):
        pacer.sent(1000, 40)
    pacer.pause(1200)
    pacer.rewind(2000, 80)
    pacer.resume(2000)
    assert pacer.due(2000) <= 2000
    assert pacer.playhead_ms(2100) == 80
    pacer.sent(2000, 40)
    assert pacer.playhead_ms(2100) == 120
