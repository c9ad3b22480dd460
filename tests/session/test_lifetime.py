"""When a session is over, and when that is to be asked."""

from __future__ import annotations

import pytest

from selam_agent.session.lifetime import Lifetime
from selam_agent.session.messages import End
from selam_agent.settings import Turns

TIMINGS = Turns(max_session_s=1000, idle_s=100, resume_s=30)


def test_silence_ends_it_and_packets_put_that_off() -> None:
    life = Lifetime(0.0, TIMINGS, None)
    assert life.next_deadline() == 100 and life.end(99.9) is None and life.end(100) == End("idle")
    life.last_packet = 50.0
    assert life.next_deadline() == 150 and life.end(100) is None


@pytest.mark.parametrize(("wished", "ends"), [(None, 1000), (60, 60), (5000, 1000)])
def test_the_shorter_limit_holds_also_for_a_waiting_session(wished: float | None, ends: float) -> None:
    life = Lifetime(0.0, TIMINGS, wished)
    life.pause(10.0)
    assert life.waiting and life.next_deadline() == ends
    assert life.end(ends - 0.1) is None and life.end(ends) == End("max_duration")


def test_a_pause_does_not_count_as_silence() -> None:
    life = Lifetime(0.0, TIMINGS, None)
    life.pause(90.0)
    assert life.end(500) is None
    assert life.resume(500.0) == 410 and not life.waiting
    assert life.next_deadline() == 510 and life.end(509) is None


def test_a_client_that_is_away_has_so_long_to_come_back() -> None:
    life = Lifetime(0.0, TIMINGS, None)
    life.leave(40.0)
    assert life.away and life.next_deadline() == 70
    assert life.end(69.9) is None and life.end(70) == End("disconnected", silently=True)
    assert life.come_back(60.0) == 20 and life.next_deadline() == 120


def test_the_last_sign_is_the_last_packet_of_a_client_that_sends_always() -> None:
    life = Lifetime(0.0, TIMINGS, None)
    life.last_packet = 10.0
    assert life.last_sign(12.0, sends_always=True) == 10
    assert life.last_sign(12.0, sends_always=False) == 12
    assert life.last_sign(50.0, sends_always=True) == 50
