"""A voice with two engines, of which the first is remote and fails; on the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from selam_agent import events
from selam_agent.ports import SpeechChunk, SynthesisRequest
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber, talk
from tests.session.calls import TURN, Call, call
from tests.virtual_clock import run

SENTENCE = "One two three four five six seven."
TWO = f"{SENTENCE} Eight nine ten eleven twelve thirteen fourteen."


def remote(**how: object) -> FakeSynthesizer:
    return FakeSynthesizer(**({"name": "edge", "remote": True, "delay": 0.1} | how))


def heard_in_full(it: Call, text: str) -> None:
    (end,) = it.outlet.all(events.AudioEnd)
    assert (end.spoken_text, end.interrupted) == (text, False)
    chunks = it.outlet.all(events.AudioChunk)
    assert "".join(chunk.text for chunk in chunks).split() == text.split()
    assert [word.text for chunk in chunks for word in chunk.words] == text.split()
    assert not it.outlet.all(events.ErrorEvent)


def asked(synthesizer: FakeSynthesizer) -> list[str]:
    return [request.text.strip() for request in synthesizer.requests]


def greeted(
    edge: FakeSynthesizer, text: str = SENTENCE, other: FakeSynthesizer | None = None
) -> tuple[Call, FakeSynthesizer]:
    """A session that greets and is heard to the end. A greeting is let out at once."""
    local = FakeSynthesizer(name="espeak", delay=0.01)
    voices = {"edge": edge, "espeak": local} | ({"openai": other} if other is not None else {})

    async def story() -> Call:
        async with call(only=voices, greeting=text) as it:
            await it.until(events.AudioEnd)
            return it

    return run(story()), local


def first_sound(it: Call) -> float:
    return it.outlet.times(events.AudioChunk)[0] - it.outlet.times(events.SessionStarted)[0]


def test_the_first_engine_speaks_while_it_is_well() -> None:
    edge = remote()
    it, local = greeted(edge)
    heard_in_full(it, SENTENCE)
    assert asked(edge) == [SENTENCE] and not local.requests
    assert not it.outlet.all(events.Notice)


def test_a_voice_says_which_engines_it_has() -> None:
    it, _ = greeted(remote())
    (started,) = it.outlet.all(events.SessionStarted)
    assert started.engines["tts"] == {"name": "edge", "leaves_machine": False, "fallbacks": ["espeak"]}


@pytest.mark.parametrize(
    ("how", "after"),
    [
        ({"hangs": True}, 0.4),
        ({"delay": 0.6}, 0.4),
        ({"fails": True}, 0.1),
        ({"hangs": True, "breaker_state": "open"}, 0.05),
        ({"hangs": True, "breaker_state": "half_open"}, 0.05),
    ],
)
def test_nothing_in_time_and_the_next_engine_speaks(how: dict[str, object], after: float) -> None:
    edge = remote(**how)
    it, local = greeted(edge)
    heard_in_full(it, SENTENCE)
    assert after <= first_sound(it) < after + 0.05
    assert asked(local) == [SENTENCE]
    (notice,) = it.outlet.all(events.Notice)
    assert notice.code == "voice_engine_failed"
    assert (notice.details["engine"], notice.details["instead"]) == ("edge", "espeak")


def test_an_engine_that_ends_without_a_sound_has_not_spoken() -> None:
    class Mute(FakeSynthesizer):
        async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
            for _ in ():
                yield SpeechChunk(pcm=b"", sample_rate=16_000)

    it, local = greeted(Mute(name="edge", remote=True))
    heard_in_full(it, SENTENCE)
    assert asked(local) == [SENTENCE]


@pytest.mark.parametrize("second", [{"hangs": True}, {"fails": True, "delay": 0.0}])
def test_two_remote_engines_share_the_time(second: dict[str, object]) -> None:
    edge, other = remote(hangs=True), remote(name="openai", **second)
    it, local = greeted(edge, other=other)
    heard_in_full(it, SENTENCE)
    assert first_sound(it) < 0.4 + 0.05 + 0.05
    assert asked(other) == asked(local) == [SENTENCE]
    assert [each.details["engine"] for each in it.outlet.all(events.Notice)] == ["edge", "openai"]


def test_the_answer_comes_within_a_second_though_nothing_is_ever_heard_of_the_first_engine() -> None:
    async def story() -> None:
        stt, llm = FakeTranscriber(["What day is it?"], delay=0.02), FakeChatModel("Friday.", delay=0.02)
        async with call(stt=stt, llm=llm, edge=remote(hangs=True)) as it:
            await talk(it.session, TURN)
            await it.until(events.TurnMetrics)
            assert it.outlet.all(events.TurnMetrics)[0].v2v_ms < 1000

    run(story())


def test_a_reply_stays_with_the_engine_it_fell_to() -> None:
    edge = remote(hangs=True)
    it, local = greeted(edge, TWO)
    heard_in_full(it, TWO)
    assert len(edge.requests) == 1 and asked(local) == [SENTENCE, TWO.removeprefix(SENTENCE).strip()]


def test_the_next_reply_tries_the_better_engine_again_and_tells_nothing_new() -> None:
    edge, local = remote(hangs=True), FakeSynthesizer(name="espeak")

    async def story() -> None:
        async with call("Hello.", "Hello.", edge=edge, tts=local) as it:
            for count in (1, 2):
                await talk(it.session, TURN)
                await it.until(events.AudioEnd, count)
            assert len(edge.requests) >= 2
            assert len(it.outlet.all(events.Notice)) == 1

    run(story())


@pytest.mark.parametrize("word", range(7))
@pytest.mark.parametrize("how", ["dies_at", "stalls_at"])
def test_in_mid_sentence_the_next_engine_says_exactly_the_words_left(how: str, word: int) -> None:
    edge = remote(**{how: word})
    it, local = greeted(edge, TWO)
    heard_in_full(it, TWO)
    assert asked(local)[0] == " ".join(SENTENCE.split()[word:])
    chunks = it.outlet.all(events.AudioChunk)
    # Half words are not heard: 14 words and a pause of a sentence at most.
    assert 14 * 200 - 10 <= sum(chunk.duration_ms for chunk in chunks) <= 14 * 200 + 250


def test_what_is_shown_in_one_word_and_said_in_many_goes_on_in_its_middle() -> None:
    edge = remote(dies_at=2)
    it, local = greeted(edge, "Call 1250 now please.")
    assert asked(edge) == ["Call one thousand two hundred fifty now please."]
    assert asked(local) == ["thousand two hundred fifty now please."]
    heard_in_full(it, "Call 1250 now please.")


def test_an_engine_that_dies_after_its_last_word_leaves_nothing_to_say() -> None:
    it, local = greeted(remote(dies_at=7))
    heard_in_full(it, SENTENCE)
    assert not local.requests and it.outlet.all(events.Notice)


def test_without_word_times_it_goes_on_about_where_it_was() -> None:
    edge = remote(dies_at=5, knows_words=False)
    it, local = greeted(edge, TWO)
    (left,) = asked(local)[:1]
    assert SENTENCE.endswith(left) and 2 <= len(left.split()) <= 5
    (end,) = it.outlet.all(events.AudioEnd)
    assert end.spoken_text == TWO


def test_when_the_last_engine_fails_the_client_is_told() -> None:
    async def story() -> None:
        local = FakeSynthesizer(name="espeak", fails=True)
        async with call(edge=remote(hangs=True), tts=local, greeting=SENTENCE) as it:
            await it.until(events.ErrorEvent)
            (error,) = it.outlet.all(events.ErrorEvent)
            assert error.code == "tts_failed"

    run(story())


def test_nobody_waits_while_the_answer_is_still_behind_its_gate() -> None:
    """A prepared answer gives a slow network the time until the turn is over."""
    edge = remote(delay=0.5)

    async def story() -> None:
        llm = FakeChatModel("Good day.", delay=0)
        settings = {"turns__complete_ms": 1500, "turns__unknown_ms": 1500}
        async with call(edge=edge, llm=llm, settings=settings) as it:
            await talk(it.session, TURN)
            await talk(it.session, bytes(32 * 1500))
            await it.until(events.AudioEnd)
            assert not it.tts.requests and not it.outlet.all(events.Notice)

    run(story())


def test_an_interrupted_reply_is_no_failure() -> None:
    edge = remote(hangs=True)

    async def story() -> None:
        async with call(edge=edge, greeting=SENTENCE) as it:
            await it.until(events.SessionStarted)
            it.session.control("interrupt")
            await it.until(events.ControlAck)
            assert not it.outlet.all(events.Notice) and not it.tts.requests

    run(story())
