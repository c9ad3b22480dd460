from selam_agent.engines.breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_two_failures_in_a_row_open_it_and_a_rest_half_opens_it() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.admit() and breaker.state == "closed"
    breaker.failed()
    assert not breaker.admit() and breaker.state == "open"
    clock.now += 30
    assert breaker.admit() and breaker.state == "half_open"
    # One trial at a time.
    assert not breaker.admit()
    breaker.succeeded()
    assert breaker.admit() and breaker.state == "closed"


def test_vain_trials_double_the_rest_up_to_five_minutes() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed()
    breaker.failed()
    for rest in (30, 60, 120, 240, 300, 300):
        clock.now += rest - 0.1
        assert not breaker.admit()
        clock.now += 0.1
        assert breaker.admit()
        breaker.failed()
        assert breaker.state == "open"


def test_a_trial_without_outcome_is_made_again() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed()
    breaker.failed()
    clock.now += 30
    assert breaker.admit()
    breaker.withdrawn()
    assert breaker.state == "open" and breaker.admit()
