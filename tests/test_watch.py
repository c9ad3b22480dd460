"""What the operator sees of the sessions: the numbers, and one line per turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from selam_agent import events, events_signals
from selam_agent import metrics as known
from selam_agent.app_metering import MeteredTranscriber, watch_breakers, watch_loop
from selam_agent.errors import EngineError
from selam_agent.metrics import Metrics
from selam_agent.ports import Priority, Transcript, TranscriptionRequest
from selam_agent.session.config import Engines
from selam_agent.watch import SessionWatch
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber, silence, speech, talk
from tests.session.calls import LONG, TURN, Call, call
from tests.virtual_clock import run


def values(numbers: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(numbers.exposition().decode())
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in families
        for each in family.samples
    }


def value(numbers: Metrics, name: str, **labels: str) -> float:
    return values(numbers).get((name, frozenset(labels.items())), 0.0)


@asynccontextmanager
async def watched(*said: Any, **wishes: Any) -> AsyncIterator[tuple[Call, Metrics]]:
    numbers = Metrics()

    def watch(session_id: str, owner: str) -> SessionWatch:
        return SessionWatch(session_id, owner, numbers)

    async with call(*said, watch=watch, **wishes) as it:
        yield it, numbers


def lines(caplog: pytest.LogCaptureFixture, name: str = "turn") -> list[dict[str, Any]]:
    return [vars(each) for each in caplog.records if each.getMessage() == name]


def test_every_metric_has_a_unit_or_is_a_count_and_says_what_it_means() -> None:
    assert len({each.name for each in known.ALL}) == len(known.ALL) > 20
    for each in known.ALL:
        assert each.help.endswith(".") and len(each.help) > 10
        assert each.name.endswith("_total") is (each.kind == "counter")
        assert each.name.endswith("_seconds") is (each.kind == "histogram")
    exposed = Metrics().exposition().decode()
    for each in known.ALL:
        assert f"# HELP {each.name} {each.help}" in exposed
    assert "_created" not in exposed


def test_an_answered_turn_is_measured_and_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "selam_agent.turns")

    async def story() -> None:
        async with watched("Good morning.", llm=FakeChatModel("Good day.", delay=0.05)) as (it, numbers):
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            await asyncio.sleep(0)
            told = it.outlet.all(events.TurnMetrics)[0]
            assert 0 <= told.first_token_ms <= told.llm_ms
            assert not it.outlet.all(events_signals.Signal)
            (line,) = lines(caplog)
            assert line["session"] == it.session.id and line["key"] == "key"
            assert (line["turn"], line["language"], line["source"]) == (1, "en", "speech")
            assert (line["outcome"], line["speculation"]) == ("answered", told.speculation)
            assert line["v2v_ms"] == told.v2v_ms and line["llm_ms"] == told.llm_ms
            for stage in ("endpoint", "stt", "llm_first_token", "llm", "tts", "send"):
                assert value(numbers, "selam_stage_seconds_count", stage=stage) == 1
            assert value(numbers, "selam_v2v_seconds_sum") == pytest.approx(told.v2v_ms / 1000)
            assert value(numbers, "selam_turns_total", outcome="answered") == 1
            assert value(numbers, "selam_speculations_total", outcome=told.speculation) == 1
            it.session.end()
            await it.session.ended.wait()
            assert value(numbers, "selam_sessions_started_total") == 1
            assert value(numbers, "selam_sessions_ended_total", reason="client") == 1
            assert value(numbers, "selam_audio_received_seconds_total") == pytest.approx(1.6, abs=0.01)
            (ended,) = lines(caplog, "session ended")
            assert ended["reason"] == "client" and ended["audio_s"] == pytest.approx(1.6, abs=0.01)

    run(story())


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_what_was_said_is_written_at_debug_only(caplog: pytest.LogCaptureFixture, level: int) -> None:
    caplog.set_level(level, "selam_agent.turns")

    async def story() -> None:
        async with watched("A secret.", llm=FakeChatModel("Kept well.")) as (it, _):
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            await asyncio.sleep(0)

    run(story())
    everything = repr([vars(each) for each in caplog.records if each.name == "selam_agent.turns"])
    shown = level == logging.DEBUG
    assert ("A secret." in everything, "Kept well." in everything) == (shown, shown)


def test_interruptions_are_counted_by_verdict(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "selam_agent.turns")

    async def story() -> None:
        said = ["Tell me.", "Wait, stop.", "Wait, stop.", "Wait, stop."]
        async with watched(*said, llm=FakeChatModel(LONG), interruption="energy") as (it, numbers):
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 3)
            await talk(it.session, speech(600) + silence(1200))
            await it.until(events.AudioEnd)
            await asyncio.sleep(0)
            assert value(numbers, "selam_interruptions_total", verdict="energy") == 1
            assert value(numbers, "selam_turns_total", outcome="interrupted") == 1
            assert lines(caplog)[0]["outcome"] == "interrupted"

    run(story())


def test_failures_are_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "selam_agent.turns")

    async def story() -> None:
        llm = FakeChatModel(fails_after=0)
        async with watched("Hello.", llm=llm) as (it, numbers):
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            await asyncio.sleep(0)
            assert lines(caplog)[0]["outcome"] == "failed"
            assert lines(caplog)[0]["error"] == "llm_failed"
            assert lines(caplog, "error")[0]["code"] == "llm_failed"
            code = {"type": "session_error", "code": "llm_failed"}
            assert value(numbers, "selam_errors_total", **code) == 1
            assert value(numbers, "selam_turns_total", outcome="failed") == 1
        stt = FakeTranscriber([EngineError("Too many.", code="stt_busy")] * 3)
        async with watched(stt=stt) as (it, numbers):
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            await asyncio.sleep(0)
            assert (lines(caplog)[1]["outcome"], lines(caplog)[1]["error"]) == ("failed", "stt_busy")

    run(story())


def test_a_turn_that_was_not_understood_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "selam_agent.turns")

    async def story() -> None:
        unclear = Transcript(text="mumble", rejected="low_confidence")
        async with watched(stt=FakeTranscriber([unclear] * 3)) as (it, numbers):
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            await asyncio.sleep(0)
            (line,) = lines(caplog)
            assert (line["outcome"], line["reason"]) == ("not_understood", "low_confidence")
            assert value(numbers, "selam_turns_total", outcome="not_understood") == 1
            assert value(numbers, "selam_warnings_total", code="not_understood") == 1

    run(story())


def test_a_session_whose_client_left_is_counted_too() -> None:
    async def story() -> None:
        async with watched() as (it, numbers):
            await asyncio.sleep(0)
            it.session.abandon()
            await it.session.ended.wait()
            assert value(numbers, "selam_sessions_ended_total", reason="disconnected") == 1
            assert not it.outlet.all(events.SessionEnded)

    run(story())


def test_a_dropped_guess_and_what_it_cost_are_counted() -> None:
    numbers = Metrics()
    watch = SessionWatch("s", "k", numbers)
    for outcome, dropped, wasted_ms in (("hit", 0, 0.0), ("miss", 2, 1500.0)):
        watch(
            events.TurnMetrics(
                turn_id=1, reply_id="r", endpoint_ms=1, stt_ms=1, llm_ms=1, tts_ms=1, send_ms=1, v2v_ms=5,
                reason="silence", speculation=outcome, dropped=dropped, wasted_ms=wasted_ms,
            )
        )  # fmt: skip
    assert value(numbers, "selam_speculations_total", outcome="miss") == 1
    assert value(numbers, "selam_speculations_dropped_total") == 2
    assert value(numbers, "selam_speculation_wasted_seconds_total") == 1.5


def test_answers_in_the_wrong_language_are_counted_by_remedy() -> None:
    numbers = Metrics()
    watch = SessionWatch("s", "k", numbers)
    for remedy in ("asked_again", "translated"):
        details = {"expected": "am", "found": "en", "remedy": remedy, "turn_id": 1}
        watch(events.Notice(code="wrong_language", message="No.", details=details))
    assert value(numbers, "selam_wrong_language_answers_total", remedy="translated") == 1
    assert value(numbers, "selam_warnings_total", code="wrong_language") == 2


def test_the_breaker_of_a_remote_voice_shows() -> None:
    numbers, remote = Metrics(), FakeSynthesizer(breaker_state="open")
    made = Engines(transcriber=FakeTranscriber([]), chat_model=FakeChatModel(), synthesizers={"edge": remote})
    watch_breakers(made, numbers)
    assert value(numbers, "selam_breaker_open", engine="edge") == 1
    remote.breaker_state = "half_open"
    assert value(numbers, "selam_breaker_open", engine="edge") == 0.5


def test_the_recognisers_queue_is_measured() -> None:
    async def story() -> None:
        numbers = Metrics()
        metered = MeteredTranscriber(FakeTranscriber(["one", EngineError("no")], delay=2), numbers)
        request = TranscriptionRequest(audio=np.zeros(1600, np.int16), priority=Priority.SPECULATIVE)
        first = asyncio.create_task(metered.transcribe(request))
        second = asyncio.create_task(metered.transcribe(request))
        third = asyncio.create_task(metered.transcribe(request))
        await asyncio.sleep(1)
        assert value(numbers, "selam_stt_queue") == 3
        third.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert value(numbers, "selam_stt_queue") == 0
        for outcome in ("ok", "failed", "cancelled"):
            about = {"priority": "speculative", "outcome": outcome}
            assert value(numbers, "selam_stt_seconds_count", **about) == 1
        assert metered.info.name == "fake"

    run(story())


def test_a_blocked_event_loop_shows() -> None:
    async def story() -> None:
        numbers = Metrics()
        task = asyncio.create_task(watch_loop(numbers))
        await asyncio.sleep(1.6)
        task.cancel()
        assert value(numbers, "selam_event_loop_lag_seconds_count") == 3
        assert value(numbers, "selam_event_loop_lag_seconds_bucket", le="0.001") == 3

    run(story())


def test_the_watch_forgets_turns_that_never_end() -> None:
    watch = SessionWatch("s", "k", Metrics())
    for number in range(100):
        watch(events.Transcription(text="x", is_final=True, language="en", turn_id=number))
    assert len(watch._turns) <= 32
