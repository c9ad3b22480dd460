"""Memory goes back to the system while the server runs."""

from __future__ import annotations

import asyncio

from selam_agent import event_loop
from tests.virtual_clock import run


def test_free_memory_is_given_back_again_and_again() -> None:
    asked: list[float] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()

        def trim(pad: int) -> int:
            asked.append(loop.time() - begun)
            return 1

        event_loop.keep_trimming(loop, trim)
        await asyncio.sleep(35)

    run(story())
    assert asked == [10, 20, 30]
