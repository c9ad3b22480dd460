"""What waits for the actor, and how long audio may."""

from __future__ import annotations

import asyncio

import pytest

from selam_agent.session.inbox import Inbox
from selam_agent.session.messages import Control, Heard

FRAME = Heard(bytes(640), "pcm16", 16_000, 0.0)
HALF = Heard(bytes(80), "pcmu", 8_000, 0.0)
FILE = Heard(b"RIFF", "wav", 16_000, 0.0)


async def is_asleep(inbox: Inbox) -> bool:
    task = asyncio.ensure_future(inbox.next())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asleep = not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return asleep


async def test_audio_waits_until_there_is_as_much_as_may_decide_something() -> None:
    inbox = Inbox()
    inbox.expect(60, in_one_piece=False)
    for packet in (FRAME, FRAME, HALF):
        inbox.post_audio(packet)
        assert await is_asleep(inbox)
    inbox.post_audio(HALF)
    assert await inbox.next() == [FRAME, FRAME, HALF, HALF]


async def test_audio_that_waits_goes_before_what_came_after_it() -> None:
    inbox = Inbox()
    inbox.expect(60, in_one_piece=False)
    inbox.post_audio(FRAME)
    inbox.post(Control("interrupt"))
    inbox.post_audio(FRAME)
    assert await inbox.next() == [FRAME]
    assert await inbox.next() == Control("interrupt")
    assert await is_asleep(inbox)


@pytest.mark.parametrize("backlog", [7, 2000])
async def test_a_backlog_comes_in_the_same_portions(backlog: int) -> None:
    inbox = Inbox()
    inbox.expect(60, in_one_piece=False)
    for _ in range(backlog):
        inbox.post_audio(FRAME)
    portions = [await inbox.next() for _ in range(backlog // 3)]
    assert all(portion == [FRAME] * 3 for portion in portions)
    assert await is_asleep(inbox)


async def test_a_file_does_not_wait_nor_change_what_waits_after_it() -> None:
    inbox = Inbox()
    inbox.expect(60, in_one_piece=False)
    inbox.post_audio(FILE)
    inbox.post_audio(FRAME)
    assert await inbox.next() == [FILE]
    assert await is_asleep(inbox)
    inbox.post_audio(FRAME)
    inbox.post_audio(FRAME)
    assert await inbox.next() == [FRAME] * 3


def told(inbox: Inbox) -> list[tuple[int, float]]:
    """What the reader of the client's audio hears."""
    seen: list[tuple[int, float]] = []
    inbox.on_expect = lambda packets, each_s: seen.append((packets, each_s))
    return seen


async def test_who_reads_is_told_how_many_packets_may_come_in_one_piece() -> None:
    inbox = Inbox()
    seen = told(inbox)
    inbox.expect(300, in_one_piece=True)
    assert not seen  # nothing has come: nobody knows how long a packet is
    inbox.post_audio(FRAME)
    inbox.expect(300, in_one_piece=True)
    inbox.expect(45, in_one_piece=True)
    inbox.expect(300, in_one_piece=False)
    assert seen == [(14, 0.02), (1, 0.02), (1, 0.02)]
    assert inbox.fetch() and seen[-1] == (1, 0.02)
    inbox.close()
    assert seen[-1] == (1, 0.0) and not Inbox().fetch()


async def test_what_came_before_all_of_it_could_is_heard_before_the_rest_would_be_late() -> None:
    inbox = Inbox()
    told(inbox)
    inbox.post_audio(FRAME)
    assert await inbox.next() == [FRAME]
    inbox.expect(100, in_one_piece=True)
    # The kernel was told to wait for five; a control, say, made it give out two.
    inbox.post_audio(FRAME, FRAME)
    async with asyncio.timeout(5):
        assert await inbox.next() == [FRAME, FRAME]


async def test_packets_of_one_piece_have_come_one_after_the_other() -> None:
    def packets(*arrivals: float) -> list[Heard]:
        return [Heard(bytes(640), "pcm16", 16_000, at) for at in arrivals]

    async def dated(*arrivals: float) -> list[float]:
        inbox.post_audio(*packets(*arrivals))
        heard = await inbox.next()
        assert isinstance(heard, list)
        return [round(each.arrived, 3) for each in heard]  # type: ignore[union-attr]

    inbox = Inbox()
    told(inbox)
    inbox.expect(60, in_one_piece=True)
    assert await dated(1.0, 1.02, 1.04) == [1.0, 1.02, 1.04]
    assert await dated(1.14, 1.14, 1.14) == [1.1, 1.12, 1.14]
    # None before the last of the piece before: a burst after a stall.
    assert await dated(1.15, 1.15, 1.15) == [1.14, 1.14, 1.15]
    inbox.on_expect = None
    assert await dated(1.3, 1.3, 1.3) == [1.3, 1.3, 1.3]
