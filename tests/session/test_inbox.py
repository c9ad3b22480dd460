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
    inbox.patience_ms = 60
    for packet in (FRAME, FRAME, HALF):
        inbox.post_audio(packet)
        assert await is_asleep(inbox)
    inbox.post_audio(HALF)
    assert await inbox.next() == [FRAME, FRAME, HALF, HALF]


async def test_audio_that_waits_goes_before_what_came_after_it() -> None:
    inbox = Inbox()
    inbox.patience_ms = 60
    inbox.post_audio(FRAME)
    inbox.post(Control("interrupt"))
    inbox.post_audio(FRAME)
    assert await inbox.next() == [FRAME]
    assert await inbox.next() == Control("interrupt")
    assert await is_asleep(inbox)


@pytest.mark.parametrize("backlog", [7, 2000])
async def test_a_backlog_comes_in_the_same_portions(backlog: int) -> None:
    inbox = Inbox()
    inbox.patience_ms = 60
    for _ in range(backlog):
        inbox.post_audio(FRAME)
    portions = [await inbox.next() for _ in range(backlog // 3)]
    assert all(portion == [FRAME] * 3 for portion in portions)
    assert await is_asleep(inbox)


async def test_a_file_does_not_wait_nor_change_what_waits_after_it() -> None:
    inbox = Inbox()
    inbox.patience_ms = 60
    inbox.post_audio(FILE)
    inbox.post_audio(FRAME)
    assert await inbox.next() == [FILE]
    assert await is_asleep(inbox)
    inbox.post_audio(FRAME)
    inbox.post_audio(FRAME)
    assert await inbox.next() == [FRAME] * 3
