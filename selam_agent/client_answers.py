"""Which request waits for which event."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from selam_agent.client_errors import ClientTimeout, ConnectionLost, RequestRefused
from selam_agent.client_events import ClientEvent, ErrorEvent

E = TypeVar("E", bound=ClientEvent)


class Answers:
    """The requests of one connection; ``timeout``: seconds to wait for an answer."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._waiting: list[tuple[type[ClientEvent], str, asyncio.Future[ClientEvent]]] = []

    def expect(self, kind: type[E], action: str = "") -> asyncio.Future[E]:
        """The next event of this kind, asked for before the request is sent."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # The exception may come before anybody waits; it is read in ``wait``.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting.append((kind, action, future))
        return future

    async def wait(self, future: asyncio.Future[E], what: str) -> E:
        """Raises RequestRefused, ClientTimeout, ConnectionLost."""
        try:
            return await asyncio.wait_for(future, self._timeout)
        except TimeoutError:
            raise ClientTimeout(f"{what}: no answer within {self._timeout:g} s") from None
        finally:
            self._waiting = [each for each in self._waiting if each[2] is not future]

    def arrived(self, event: ClientEvent) -> None:
        """An event may be an answer; an error is one to everybody who waits."""
        for kind, action, future in list(self._waiting):
            if future.done():
                continue
            if isinstance(event, kind) and action in ("", getattr(event, "action", "")):
                future.set_result(event)
            elif isinstance(event, ErrorEvent) and event.type != "audio_error":
                future.set_exception(RequestRefused(event))

    def lost(self) -> None:
        """The connection is gone."""
        for _, _, future in self._waiting:
            if not future.done():
                future.set_exception(ConnectionLost("the connection was closed by the server"))
