"""The tasks of one session: whatever is begun is ended with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)

# A cancellation goes down a chain of awaits, one turn of the loop for each, and back up. When a busy loop
# comes round once in a second the budget alone would be over before it arrives.
_TURNS = 16


class Tasks:
    """Owns tasks; ``budget_s`` is how long a cancelled one may take."""

    def __init__(self, owner: str, budget_s: float) -> None:
        self._owner = owner
        self._budget_s = budget_s
        self._tasks: set[asyncio.Task[None]] = set()

    def own(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Starts it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self, task: asyncio.Task[None]) -> None:
        """Cancels one of them; it is abandoned and logged if it is not done within the budget."""
        if not task.done():
            task.cancel()
            asyncio.get_running_loop().call_later(self._budget_s, self._abandon, task)

    def _abandon(self, task: asyncio.Task[None], turns: int = _TURNS) -> None:
        if task not in self._tasks or task.done():
            return
        if turns:
            asyncio.get_running_loop().call_soon(self._abandon, task, turns - 1)
        else:
            self._tasks.discard(task)
            log.error("%s: %s ignores cancellation; abandoned", self._owner, task.get_name())

    async def aclose(self) -> None:
        """Cancels all; abandons and logs what swallows its cancellation."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=self._budget_s)
            for _ in range(_TURNS if hanging else 0):
                await asyncio.sleep(0)
            for task in hanging:
                self._abandon(task, turns=0)
