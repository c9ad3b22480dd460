"""Who gets a session when there is little room, and how sessions end when their time is up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from selam_agent import events
from selam_agent.errors import SessionError
from selam_agent.session.allowance import Meters
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.registry import Registry
from selam_agent.settings import Server, Settings
from selam_agent.store_limits import KeyLimits
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber, Recorder, silence, talk
from tests.session.calls import LONG, PACKS, TURN, call
from tests.virtual_clock import run

CONFIG = SessionConfig(voice="aria", output_format="pcm16", playback="buffered")


class Accounts:
    """One key's limits, and what was written down for each."""

    def __init__(self, **limits: Any) -> None:
        self.limits = KeyLimits(**limits)
        self.used: dict[str, float] = {}

    def allowance(self, owner: str) -> KeyLimits:
        return self.limits

    def used_s(self, owner: str, day: date) -> float:
        return self.used.get(owner, 0.0)

    async def add_used(self, owner: str, day: date, seconds: float) -> None:
        self.used[owner] = self.used.get(owner, 0.0) + seconds


def registry(accounts: Accounts, **server: Any) -> Registry:
    engines = Engines(
        transcriber=FakeTranscriber(["Hello."] * 9),
        chat_model=FakeChatModel(LONG),
        synthesizers={"espeak": FakeSynthesizer()},
    )
    return Registry(
        engines=engines, packs=PACKS, settings=Settings(server=Server(**server)), accounts=accounts
    )


def refused(made: Registry, owner: str, **changes: Any) -> SessionError:
    with pytest.raises(SessionError) as caught:
        made.open(replace(CONFIG, **changes), Recorder(), owner=owner)
    return caught.value


def test_a_full_server_says_when_to_come_back() -> None:
    async def story() -> None:
        made = registry(Accounts(), max_sessions=2, retry_after_s=7)
        for owner in ("one", "two"):
            made.open(CONFIG, Recorder(), owner=owner)
        error = refused(made, "three")
        assert (error.type, error.code, error.retryable, error.retry_after) == (
            "session_error", "at_capacity", True, 7,
        )  # fmt: skip
        assert events.ErrorEvent.of(error).retry_after == 7
        await made.aclose()

    run(story())


def test_a_key_has_its_own_number_of_sessions() -> None:
    async def story() -> None:
        made = registry(Accounts(max_sessions=1))
        first = made.open(CONFIG, Recorder(), owner="one")
        error = refused(made, "one")
        assert error.code == "concurrency_exceeded" and error.retry_after
        made.open(CONFIG, Recorder(), owner="two")
        # Its place is free for the session that replaces it, and after its end.
        second = made.open(CONFIG, Recorder(), owner="one", replaces=first)
        await first.ended.wait()
        second.end()
        await second.ended.wait()
        made.open(CONFIG, Recorder(), owner="one")
        await made.aclose()

    run(story())


def test_a_session_that_nobody_is_connected_to_makes_room_for_its_own_key_only() -> None:
    async def story() -> None:
        made = registry(Accounts(max_sessions=1))
        outlet = Recorder()
        lost = made.open(CONFIG, outlet, owner="one")
        await asyncio.sleep(0.1)
        lost.detach(outlet)
        made.open(CONFIG, Recorder(), owner="two")
        assert not lost.ending
        made.open(CONFIG, Recorder(), owner="one")
        await lost.ended.wait()
        await made.aclose()

    run(story())


def test_a_keys_sessions_are_as_long_as_it_says() -> None:
    async def story() -> None:
        made = registry(Accounts(max_session_s=60))
        outlet = Recorder()
        for wished, lasts in ((None, 60), (20, 20), (600, 60)):
            begun = asyncio.get_running_loop().time()
            outlet = Recorder()
            session = made.open(replace(CONFIG, max_session_s=wished), outlet, owner="one")
            await session.ended.wait()
            assert asyncio.get_running_loop().time() - begun == pytest.approx(lasts, abs=0.1)
            assert outlet.all(events.SessionEnded)[0].reason == "max_duration"
        await made.aclose()

    run(story())


def test_the_days_audio_is_shared_by_a_keys_sessions_and_then_used_up() -> None:
    async def story() -> None:
        accounts = Accounts(audio_s_per_day=10)
        accounts.used["one"] = 4.0
        made = registry(accounts)
        outlets = [Recorder(), Recorder()]
        sessions = [made.open(CONFIG, outlet, owner="one") for outlet in outlets]
        await talk(sessions[0], silence(3_000))
        assert not sessions[0].ending
        await talk(sessions[1], silence(3_200))
        await sessions[1].ended.wait()
        error = outlets[1].all(events.ErrorEvent)[0]
        assert (error.type, error.code) == ("session_error", "audio_quota_exceeded")
        assert 0 < error.retry_after <= 86_400
        assert outlets[1].all(events.SessionEnded)[0].reason == "quota"
        assert refused(made, "one").code == "audio_quota_exceeded"
        made.open(CONFIG, Recorder(), owner="two")
        await made.aclose()
        assert accounts.used["one"] == pytest.approx(10.2, abs=0.2) and accounts.used["two"] == 0

    run(story())


def test_a_new_day_has_a_new_meter() -> None:
    now = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    meters = Meters(Accounts(), lambda: now)
    meter = meters.of("one", 60.0)
    meter.add(61)
    with pytest.raises(SessionError) as caught:
        meter.check()
    assert caught.value.retry_after == 3600
    assert meters.of("one", 60.0) is meter
    now = datetime(2026, 11, 21, 0, 1, tzinfo=UTC)
    meters.of("one", 60.0).check()


# ---------------------------------------------------------------- shutting down


def test_a_draining_server_lets_the_turn_end_and_opens_nothing() -> None:
    async def story() -> None:
        async with call(llm=FakeChatModel(LONG)) as it:
            idle = Recorder()
            it.registry.open(CONFIG, idle, owner="key")
            await talk(it.session, TURN)
            await it.until(events.AudioChunk)
            drained = asyncio.create_task(it.registry.drain(10))
            await asyncio.sleep(0.1)
            assert idle.all(events.SessionEnded)[0].reason == "shutdown"
            error = refused(it.registry, "key")
            assert (error.code, error.retry_after) == ("shutting_down", 10)
            assert not it.outlet.all(events.SessionEnded)
            await drained
            kinds = [type(each) for _, each in it.outlet.seen]
            assert kinds[-2:] == [events.AudioEnd, events.SessionEnded]
            assert it.outlet.all(events.AudioEnd)[0].interrupted is False
            assert it.outlet.all(events.SessionEnded)[0].reason == "shutdown"

    run(story())


def test_draining_waits_for_words_that_are_being_said_but_not_for_ever() -> None:
    async def story() -> None:
        slow = FakeChatModel("Hello.", delay=30)
        async with call(llm=slow) as it:
            await talk(it.session, TURN[: len(TURN) // 2])
            begun = asyncio.get_running_loop().time()
            await it.registry.drain(10)
            assert asyncio.get_running_loop().time() - begun == pytest.approx(10, abs=0.01)
            assert not it.outlet.all(events.SessionEnded)
            await it.registry.aclose()
            assert it.outlet.all(events.SessionEnded)[0].reason == "shutdown"

    run(story())


def test_a_paused_session_is_not_waited_for() -> None:
    async def story() -> None:
        async with call(llm=FakeChatModel(LONG)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk)
            it.session.control("pause")
            await it.registry.drain(10)
            assert it.outlet.all(events.SessionEnded)[0].reason == "shutdown"

    run(story())


def test_a_turn_too_many_may_be_tried_again() -> None:
    async def story() -> None:
        async with call(stt=FakeTranscriber(["Hello."], delay=30)) as it:
            await talk(it.session, TURN)
            for number in range(20):
                it.session.text_input(f"Number {number}.")
            await it.until(events.ErrorEvent)
            error = it.outlet.all(events.ErrorEvent)[0]
            assert (error.code, error.retryable) == ("too_many_turns", True)

    run(story())
