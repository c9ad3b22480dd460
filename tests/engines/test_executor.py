from __future__ import annotations

import asyncio
import threading

import pytest

from selam_agent.engines.executor import PriorityExecutor
from selam_agent.errors import EngineError


class Gate:
    """A call that holds the only worker until it is opened."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.Event()
        self._open = threading.Event()

    def __call__(self) -> str:
        self._loop.call_soon_threadsafe(self._running.set)
        assert self._open.wait(5)
        return "gate"

    def open(self) -> None:
        self._open.set()

    async def is_running(self) -> None:
        await self._running.wait()


@pytest.fixture
async def gated():
    executor, gate = PriorityExecutor(1, 3), Gate()
    held = asyncio.create_task(executor.run(gate, priority=0, deadline=5))
    await gate.is_running()
    yield executor, gate
    gate.open()
    await asyncio.gather(held, return_exceptions=True)
    await executor.aclose()


def code(result: object) -> str:
    assert isinstance(result, EngineError)
    return result.code


async def submit(executor: PriorityExecutor, call, **options) -> asyncio.Task:
    task = asyncio.create_task(executor.run(call, **{"priority": 0, "deadline": 5, **options}))
    await asyncio.sleep(0)
    return task


async def test_urgent_calls_go_first_and_equals_in_order(gated) -> None:
    executor, gate = gated
    order: list[str] = []
    tasks = [
        await submit(executor, lambda: order.append("interim"), priority=2),
        await submit(executor, lambda: order.append("final 1"), priority=0),
        await submit(executor, lambda: order.append("final 2"), priority=0),
    ]
    gate.open()
    await asyncio.gather(*tasks)
    assert order == ["final 1", "final 2", "interim"]


async def test_a_newer_interim_replaces_the_one_of_its_stream_only(gated) -> None:
    executor, gate = gated
    old = await submit(executor, lambda: "old", priority=2, key="a")
    other = await submit(executor, lambda: "other", priority=2, key="b")
    final = await submit(executor, lambda: "final", priority=0, key="a")
    # Three wait, three may: the newer one fits because it replaces.
    new = await submit(executor, lambda: "new", priority=2, key="a")
    gate.open()
    replaced, *rest = await asyncio.gather(old, other, final, new, return_exceptions=True)
    assert code(replaced) == "stt_superseded"
    assert rest == ["other", "final", "new"]


async def test_a_full_queue_refuses_and_a_final_pushes_an_interim_out(gated) -> None:
    executor, gate = gated
    waiting = [await submit(executor, lambda: "ok", priority=p) for p in (0, 2, 2)]
    refused = await submit(executor, lambda: "no", priority=2)
    final = await submit(executor, lambda: "final", priority=0)
    gate.open()
    results = await asyncio.gather(*waiting, refused, final, return_exceptions=True)
    assert results[:2] == ["ok", "ok"] and results[4] == "final"
    assert code(results[2]) == code(results[3]) == "stt_busy"
    assert results[3].retryable


async def test_cancelled_and_late_calls_leave_the_queue(gated) -> None:
    executor, gate = gated
    ran: list[int] = []
    cancelled = await submit(executor, lambda: ran.append(1))
    late = await submit(executor, lambda: ran.append(2), deadline=0.01)
    assert executor.waiting == 2
    cancelled.cancel()
    results = await asyncio.gather(cancelled, late, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError) and code(results[1]) == "stt_timeout"
    assert executor.waiting == 0
    gate.open()
    assert await executor.run(lambda: "next", priority=0, deadline=5) == "next"
    assert ran == []


async def test_the_result_of_an_abandoned_call_is_dropped(gated) -> None:
    executor, gate = gated
    gate.open()
    slow = Gate()
    task = await submit(executor, slow)
    await slow.is_running()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    slow.open()
    assert await executor.run(lambda: 1, priority=0, deadline=5) == 1


async def test_errors_of_the_call_arrive_as_they_are() -> None:
    executor = PriorityExecutor(1, 1)

    def fail() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await executor.run(fail, priority=0, deadline=5)
    await executor.aclose()


async def test_close_refuses_what_waits_and_joins_the_threads() -> None:
    before = threading.active_count()
    executor, gate = PriorityExecutor(2, 8), Gate()
    gate_task = await submit(executor, gate)
    await gate.is_running()
    second = Gate()
    second_task = await submit(executor, second)
    await second.is_running()
    waiting = await submit(executor, lambda: 1)
    closing = asyncio.create_task(executor.aclose())
    with pytest.raises(EngineError) as error:
        await waiting
    assert error.value.code == "stt_closed"
    gate.open()
    second.open()
    await closing
    assert await gate_task == await second_task == "gate"
    assert threading.active_count() == before
    with pytest.raises(EngineError):
        await executor.run(lambda: 1, priority=0, deadline=1)
