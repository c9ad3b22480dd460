"""A connection breaks, and the client comes back to its session; on the virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from selam_agent import events
from selam_agent.errors import SessionError
from tests.fakes import FakeChatModel, Recorder, silence, speech, talk
from tests.session.calls import LONG, TURN, Call, call
from tests.virtual_clock import run


async def drop(it: Call, away_s: float, owner: str = "key") -> Recorder:
    """The connection breaks, and after ``away_s`` the client is back with its token."""
    it.session.detach(it.outlet)
    await asyncio.sleep(away_s)
    return come_back(it, owner=owner)


def come_back(it: Call, token: str | None = None, owner: str = "key") -> Recorder:
    again = Recorder()
    it.registry.resume(token or it.session.resume_token, again, owner=owner)
    return again


def told(recorder: Recorder, kind: type[events.Event]) -> list[events.Event]:
    return list(recorder.all(kind))


def test_the_rest_of_the_reply_is_heard_after_the_break() -> None:
    async def story() -> None:
        async with call(llm=FakeChatModel(LONG)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk)
            await talk(it.session, silence(500))
            heard_at = asyncio.get_running_loop().time()
            token = it.session.resume_token
            again = await drop(it, 10)
            it.outlet, first = again, it.outlet
            await it.until(events.AudioEnd)
            started, *_ = again.all(events.SessionStarted)
            assert (started.session_id, started.resumed) == (it.session.id, True)
            assert started.resume_token not in (None, token)
            (end,) = again.all(events.AudioEnd)
            assert not end.interrupted and end.spoken_text == LONG
            assert end.total_chunks == len(first.all(events.AudioChunk)) + len(again.all(events.AudioChunk))
            played_ms = (heard_at - first.times(events.AudioChunk)[0]) * 1000
            rest_ms = sum(each.duration_ms for each in again.all(events.AudioChunk))
            assert rest_ms == pytest.approx(2400 - played_ms, abs=90), "neither a gap nor a repetition"

    run(story())


def test_what_a_dying_connection_swallowed_is_said_again() -> None:
    """The microphone fell silent 3 s before the server noticed; it sent audio meanwhile."""

    async def story() -> None:
        text = " ".join(["word"] * 40) + "."
        async with call(llm=FakeChatModel(text)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk)
            await talk(it.session, silence(1000))
            there_ms = (asyncio.get_running_loop().time() - it.outlet.times(events.AudioChunk)[0]) * 1000
            await asyncio.sleep(3)
            again = await drop(it, 5)
            it.outlet = again
            await it.until(events.AudioEnd)
            rest_ms = sum(each.duration_ms for each in again.all(events.AudioChunk))
            assert rest_ms == pytest.approx(8000 - there_ms, abs=90)

    run(story())


def test_history_and_the_open_turn_survive() -> None:
    async def story() -> None:
        async with call("One.", "Two and three.", llm=FakeChatModel("Fine.")) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            await talk(it.session, speech(400))
            it.outlet = await drop(it, 4)
            await talk(it.session, speech(400) + silence(1000))
            await it.until(events.AudioEnd)
            assert [m.content for m in it.llm.requests[-1].messages] == ["One.", "Fine.", "Two and three."]
            assert len(it.stt.requests[-1].audio) >= 16 * 800

    run(story())


def test_what_happened_meanwhile_is_told_on_return() -> None:
    async def story() -> None:
        async with call("One.", llm=FakeChatModel("Fine, thanks.", delay=2.0)) as it:
            await talk(it.session, speech(600) + silence(300))
            it.session.control("stop_listening")
            await it.until(events.ControlAck)
            it.outlet = await drop(it, 10)
            await it.until(events.AudioEnd)
            names = it.outlet.names()
            assert names[0] == "session_started" and names.count("transcription") == 1
            assert it.outlet.all(events.AudioEnd)[0].spoken_text == "Fine, thanks."

    run(story())


def test_nobody_comes_back_within_30_s() -> None:
    async def story() -> None:
        async with call() as it:
            begun = asyncio.get_running_loop().time()
            token = it.session.resume_token
            it.session.detach(it.outlet)
            await it.session.ended.wait()
            assert asyncio.get_running_loop().time() - begun == pytest.approx(30, abs=0.1)
            assert "session_ended" not in it.outlet.names()
            with pytest.raises(SessionError) as caught:
                it.registry.resume(token, Recorder(), owner="key")
            assert caught.value.code == "resume_failed"

    run(story())


def test_a_token_serves_once_and_its_owner_only() -> None:
    async def story() -> None:
        async with call() as it:
            token = it.session.resume_token
            it.session.detach(it.outlet)
            for wrong, owner in (("nonsense", "key"), (token, "another"), ("", "key")):
                with pytest.raises(SessionError) as caught:
                    it.registry.resume(wrong, Recorder(), owner=owner)
                assert caught.value.code == "resume_failed"
            come_back(it, token)
            with pytest.raises(SessionError):
                come_back(it, token)

    run(story())


def test_a_client_may_come_back_before_anybody_noticed_and_the_old_connection_is_out() -> None:
    async def story() -> None:
        async with call(llm=FakeChatModel(LONG)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 5)
            first, it.outlet = it.outlet, come_back(it)
            await asyncio.sleep(0.01)
            count = len(first.seen)
            it.session.detach(first)
            assert not it.session.uses(first) and it.session.uses(it.outlet)
            await it.until(events.AudioEnd)
            assert len(first.seen) == count
            assert it.outlet.all(events.AudioEnd)[0].spoken_text == LONG

    run(story())


def test_a_return_that_breaks_at_once_leaves_the_session_waiting() -> None:
    async def story() -> None:
        async with call() as it:
            it.session.detach(it.outlet)
            it.session.detach(come_back(it))
            await asyncio.sleep(0.1)
            assert it.session.away
            await it.session.ended.wait()

    run(story())


def test_a_paused_session_comes_back_paused() -> None:
    async def story() -> None:
        async with call(llm=FakeChatModel(LONG)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 5)
            it.session.control("pause")
            await it.until(events.ControlAck)
            it.outlet = await drop(it, 5)
            await asyncio.sleep(5)
            assert not it.outlet.all(events.AudioChunk)
            it.session.control("resume")
            await it.until(events.AudioEnd)

    run(story())


def test_a_waiting_session_makes_room_for_a_caller() -> None:
    async def story() -> None:
        async with call(settings={"server__max_sessions": 1}) as it:
            it.session.detach(it.outlet)
            it.registry.open(it.session.config, Recorder(), owner="key")
            await it.session.ended.wait()
            assert len(it.registry.sessions) == 1

    run(story())


def test_without_a_time_to_come_back_a_break_is_the_end() -> None:
    async def story() -> None:
        async with call(settings={"turns__resume_s": 0.0}) as it:
            await it.until(events.SessionStarted)
            assert it.outlet.all(events.SessionStarted)[0].resume_token is None
            it.session.detach(it.outlet)
            await it.session.ended.wait()

    run(story())
