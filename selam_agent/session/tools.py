"""Tools that the client carries out: asked for by the model, answered by ``tool_result``."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any, Final

from selam_agent import events
from selam_agent.errors import ValidationError
from selam_agent.events_signals import ToolEnded
from selam_agent.ports import ToolCall

log = logging.getLogger(__name__)

END_CALL: Final = "end_call"
# What the model reads as the result of a call that an interruption cut off.
CANCELLED: Final = "cancelled"
MAX_RESULT: Final = 32_000  # characters

_END_CALL_TOOL: Final[Mapping[str, Any]] = {
    "type": "function",
    "function": {
        "name": END_CALL,
        "description": "Ends the call after what you have said was heard. Say goodbye in the same answer.",
        "parameters": {"type": "object", "properties": {}},
    },
}
_IDS_KEPT = 512


@dataclass(slots=True)
class _Pending:
    event: events.ToolCall
    results: dict[str, str]
    done: asyncio.Future[None]
    timeout_s: float


class Toolbox:
    """The tools of one session, and the calls that wait for the client."""

    def __init__(self, emit: Callable[[events.Event], None], timeout_s: float) -> None:
        self._emit = emit
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._tools: tuple[Mapping[str, Any], ...] = ()
        self._names: frozenset[str] = frozenset()
        self._timeouts: Mapping[str, float] = {}
        self.may_end_call = False
        self._pending: dict[str, _Pending] = {}
        self._ids: deque[str] = deque(maxlen=_IDS_KEPT)
        # While the client is away the clock of its calls stands still.
        self._present = asyncio.Event()
        self._present.set()
        self._away_since = 0.0
        self._away_s = 0.0

    def offer(
        self,
        tools: Sequence[Mapping[str, Any]],
        *,
        end_call: bool,
        timeouts: Mapping[str, float] | None = None,
    ) -> None:
        """``tools`` in the OpenAI function form, checked; the model may use these from now on.

        ``timeouts``: seconds by name, where not the usual.
        """
        self._timeouts = timeouts or {}
        self._tools = (*tools, _END_CALL_TOOL) if end_call else tuple(tools)
        self._names = frozenset(str(each["function"]["name"]) for each in tools)
        self.may_end_call = end_call

    @property
    def tools(self) -> tuple[Mapping[str, Any], ...]:
        return self._tools

    def name(self, call: ToolCall) -> ToolCall:
        """The call under an id that no other call of the session has."""
        if not call.id or call.id in self._ids:
            call = replace(call, id=f"call_{token_hex(8)}")
        self._ids.append(call.id)
        return call

    async def run(
        self, calls: Sequence[ToolCall], results: dict[str, str], *, turn_id: int, reply_id: str
    ) -> None:
        """Has the client carry these out; puts each result into ``results`` as it comes."""
        waiting: list[_Pending] = []
        for call in calls:
            if call.name not in self._names:
                results[call.id] = json.dumps({"error": f"there is no tool {call.name}"})
                continue
            event = events.ToolCall(
                call_id=call.id,
                tool=call.name,
                arguments=dict(call.arguments),
                turn_id=turn_id,
                reply_id=reply_id,
            )
            timeout_s = self._timeouts.get(call.name, self._timeout_s)
            pending = _Pending(event, results, self._loop.create_future(), timeout_s)
            self._pending[call.id] = pending
            waiting.append(pending)
            if self._present.is_set():
                self._emit(event)
        try:
            await self._wait(waiting)
        finally:
            late = [each for each in waiting if each.event.call_id in self._pending and not each.done.done()]
            for call in calls:
                self._pending.pop(call.id, None)
        for each in late:
            self._give_up(each)

    def check(self, call_id: str) -> None:
        """Raises ValidationError when no call of this id waits for a result."""
        pending = self._pending.get(call_id)
        if pending is None or pending.done.done():
            raise ValidationError(
                f"No call {call_id[:64]!r} waits for a result; it may be answered, timed out or cancelled.",
                code="unknown_call",
            )

    def finish(self, call_id: str, result: str) -> None:
        """The client's result; ignored when the call is gone meanwhile."""
        pending = self._pending.get(call_id)
        if pending is not None and not pending.done.done():
            pending.results[call_id] = result
            pending.done.set_result(None)
            self._emit(ToolEnded(call_id=call_id, result=result))

    def drop(self, call_ids: Iterable[str]) -> None:
        """Nobody waits for these any more."""
        for call_id in call_ids:
            self._pending.pop(call_id, None)

    def leave(self) -> None:
        """The client is gone for now: calls wait for it."""
        if self._present.is_set():
            self._away_since = self._loop.time()
            self._present.clear()

    def come_back(self) -> None:
        """The client is here again and is told once more what it was asked for."""
        if not self._present.is_set():
            self._away_s += self._loop.time() - self._away_since
            self._present.set()
            for pending in self._pending.values():
                if not pending.done.done():
                    self._emit(pending.event)

    def _give_up(self, late: _Pending) -> None:
        call_id, name = late.event.call_id, late.event.tool
        problem = f"no answer within {late.timeout_s:g} s"
        log.info("tool %s: %s", name, problem)
        late.results[call_id] = json.dumps({"error": problem})
        self._emit(ToolEnded(call_id=call_id, result=late.results[call_id], timed_out=True))
        self._emit(
            events.Notice(
                code="tool_timeout",
                message=f"The tool {name} did not answer within {late.timeout_s:g} s.",
                details={"call_id": call_id, "name": name},
            )
        )

    async def _wait(self, calls: Sequence[_Pending]) -> None:
        """Until each is answered or out of time, not counting the time in which the client is away."""
        begun = self._loop.time() - self._away_s
        while True:
            await self._present.wait()
            passed = self._loop.time() - self._away_s - begun
            waiting = [each for each in calls if not each.done.done() and each.timeout_s > passed]
            if not waiting:
                return
            left = min(each.timeout_s for each in waiting) - passed
            await asyncio.wait({each.done for each in waiting}, timeout=left)


def result_text(result: Any, *, is_error: bool) -> str:
    """A client's result as the model reads it: text as it is, anything else as JSON."""
    if is_error:
        result = {"error": result}
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
