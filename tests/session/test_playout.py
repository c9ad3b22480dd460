"""The sender of a reply by itself, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from selam_agent.audio.encode import EncodedChunk
from selam_agent.session.playout import Playout
from tests.virtual_clock import VirtualClockLoop, run

RATE = 24_000


class Sent:
    """A playout for a client with 200 ms of lead, and what has left: (s since the first, position ms)."""

    def __init__(self, mode: str = "buffered") -> None:
        self.playout = Playout(mode, 200)  # type: ignore[arg-type]
        self.send = self._send
        self.chunks: list[tuple[float, float]] = []
        self._clock = asyncio.get_running_loop().time

    def _send(self, chunk: EncodedChunk, index: int, plays_at: float) -> None:
        assert index == len(self.chunks) and plays_at >= self._clock() * 1000
        self.chunks.append((self._clock(), chunk.start_sample * 1000 / RATE))

    def early_ms(self, since: int = 0) -> list[float]:
        """How long before its turn to be heard each chunk left, from this one on."""
        at, position = self.chunks[since]
        return [p - position - (t - at) * 1000 for t, p in self.chunks[since:]]


def speech(ms: int, chunk_ms: int = 40) -> Iterator[EncodedChunk]:
    samples = RATE * chunk_ms // 1000
    return (EncodedChunk(b"", samples, n * samples, "pcm16", RATE) for n in range(ms // chunk_ms))


async def play(sent: Sent, ms: int, chunk_ms: int = 40) -> None:
    async def put() -> None:
        for chunk in speech(ms, chunk_ms):
            await sent.playout.put(chunk)
        await sent.playout.put(None)

    async with asyncio.TaskGroup() as group:
        group.create_task(put())
        group.create_task(sent.playout.run(sent.send))


@pytest.mark.parametrize(("mode", "chunk_ms", "most"), [("buffered", 40, 201), ("immediate", 600, 1)])
def test_an_hour_without_drift_and_with_few_timers(mode: str, chunk_ms: int, most: int) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualClockLoop)
        timers = 0

        def call_at(*about: object, **context: object) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return asyncio.SelectorEventLoop.call_at(loop, *about, **context)  # type: ignore[arg-type]

        loop.call_at = call_at  # type: ignore[method-assign,assignment]
        sent, begun = Sent(mode), loop.time()
        await play(sent, 3_600_000, chunk_ms)
        assert loop.time() - begun == pytest.approx(3_600, abs=0.001)
        early = sent.early_ms()
        assert len(early) == 3_600_000 // chunk_ms
        assert max(early) <= most and min(early[6:]) >= (159 if mode == "buffered" else -1)
        assert timers <= (len(early) // 2 if mode == "buffered" else len(early)) + 10

    run(story())


def test_after_a_stall_the_client_gets_its_lead_again_and_no_burst() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualClockLoop)
        sent = Sent()

        def stall() -> None:
            loop.now += 3.0

        loop.call_later(1.0, stall)
        await play(sent, 6_000)
        (first,) = [n for n in range(1, 150) if sent.chunks[n][0] - sent.chunks[n - 1][0] > 1]
        early = sent.early_ms(since=first)
        assert early[:6] == pytest.approx([0, 40, 80, 120, 160, 200])
        assert max(early) <= 201 and min(early[6:]) >= 159

    run(story())


def test_a_pause_leaves_the_client_its_whole_lead() -> None:
    async def story() -> None:
        for pause_ms in range(1_000, 1_080, 10):
            sent = Sent()
            playing = asyncio.create_task(play(sent, 3_000))
            await asyncio.sleep(pause_ms / 1000)
            sent.playout.pause()
            count = len(sent.chunks)
            ahead = sent.chunks[-1][1] + 40 - pause_ms
            assert 200 <= ahead <= 241, pause_ms
            await asyncio.sleep(10)
            assert len(sent.chunks) == count
            sent.playout.resume()
            await playing
            assert [position for _, position in sent.chunks] == [40.0 * n for n in range(75)]

    run(story())


def test_a_mark_comes_when_everything_before_it_was_played_however_often() -> None:
    async def story() -> None:
        sent, marks = Sent(), []
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for chunk in speech(1_000):
            await sent.playout.put(chunk)
        await sent.playout.put(lambda at_ms: marks.append((at_ms, loop.time() - begun)))
        playing = asyncio.create_task(play(sent, 0))
        await asyncio.sleep(0.9)
        assert len(sent.chunks) == 25 and not marks
        sent.playout.pause()
        await asyncio.sleep(1.1)
        assert not marks
        sent.playout.resume(repeat_from=600.0)
        await playing
        assert marks == [(1000.0, pytest.approx(2.4, abs=0.001))]
        assert [position for _, position in sent.chunks[25:]] == [600.0 + 40 * n for n in range(10)]

    run(story())


def test_what_is_ahead_is_bounded() -> None:
    async def story() -> None:
        sent = Sent()
        playing = asyncio.create_task(play(sent, 120_000))
        await asyncio.sleep(30.01)
        assert len(sent.playout._items) == 1_024
        await playing
        assert len(sent.chunks) == 3_000

    run(story())


def test_nothing_leaves_after_close() -> None:
    async def story() -> None:
        sent = Sent()
        playing = asyncio.create_task(play(sent, 3_000))
        await asyncio.sleep(1)
        sent.playout.close()
        count = len(sent.chunks)
        sent.playout.pause()
        sent.playout.resume()
        await asyncio.sleep(5)
        assert len(sent.chunks) == count and not playing.done()
        playing.cancel()

    run(story())


@pytest.mark.parametrize("when", ["sent", "paused", "reached"])
def test_an_error_is_the_replys_own(when: str) -> None:
    async def story() -> None:
        def fail(*_: object) -> None:
            if when == "reached" or sent.playout.sent > 20:
                raise LookupError(when)

        sent = Sent()
        if when == "reached":
            for chunk in speech(100):
                await sent.playout.put(chunk)
            await sent.playout.put(fail)
        else:
            sent.send = fail
        playing = asyncio.create_task(play(sent, 2_000))
        if when == "paused":
            await asyncio.sleep(0.6001)  # the 21st has been due for a moment
            assert sent.playout.sent == 20
            sent.playout.pause()
        with pytest.raises(ExceptionGroup) as failed:
            await playing
        assert isinstance(failed.value.exceptions[0], LookupError)

    run(story())


def test_what_a_client_has_heard_that_is_there_is_not_kept() -> None:
    """A long reply is not in memory twice; what may be said again after a cough or a break still is."""

    async def story() -> None:
        sent = Sent()

        async def listen() -> None:
            for second in range(1, 20):
                await asyncio.sleep(1)
                sent.playout.forget_before(second * 1000 - 500)
                assert len(sent.playout._kept) * 40 < 1_000
            sent.playout.pause()
            sent.playout.resume(repeat_from=18_500)

        async with asyncio.TaskGroup() as group:
            group.create_task(play(sent, 24_000))
            group.create_task(listen())
        positions = [position for _, position in sent.chunks]
        assert positions.count(18_480) == 2 and positions.count(18_440) == 1 and positions[-1] == 23_960

    run(story())
