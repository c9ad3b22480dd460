"""Messages that are taken off a WebSocket while its bytes are parsed, before aiohttp queues them.

aiohttp queues each message and wakes the task that reads: a future, a turn of the loop and some fifteen
coroutines deep. Whoever may take a message is asked first, while nothing waits before it. This replaces
internals of aiohttp, so it is used only with releases it was tested with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http import WebSocketReader

from selam_agent.wire.releases import is_one_of

# Minor releases of aiohttp.
TESTED: Final = ("3.14",)

# As aiohttp has it: twice this much may wait before the transport is paused.
_LIMIT: Final = 1 << 16

_TEXT: Final = WSMsgType.TEXT

log = logging.getLogger(__name__)


def is_tested() -> bool:
    """Whether the installed release of aiohttp is one that this module knows."""
    return is_one_of("aiohttp", TESTED)


class EarlyQueue(WebSocketDataQueue):
    """aiohttp's queue of messages; ``take`` gets each text first, and says whether it has taken it.

    ``taken`` is called when all that was read at once has been parsed.
    """

    take: Callable[[str], bool] | None = None
    taken: Callable[[], None] | None = None

    def feed_data(self, data: Any, size: int) -> None:
        # Nothing may overtake what waits.
        if self.take is not None and not self._buffer and isinstance(text := data[1], str):
            # The compiled parser would only print what is raised here.
            try:
                if data[0] is _TEXT and self.take(text):
                    return
            except Exception:
                log.exception("a message could not be taken")
        super().feed_data(data, size)


class _Parser:
    """aiohttp's parser as its protocol uses it."""

    def __init__(self, parser: WebSocketReader, queue: EarlyQueue) -> None:
        self._parser = parser
        self._queue = queue

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        parsed = self._parser.feed_data(data)
        if self._queue.taken is not None:
            self._queue.taken()
        return parsed

    def feed_eof(self) -> None:
        self._parser.feed_eof()


class EarlyWebSocket(web.WebSocketResponse):
    """A WebSocket without compression, with an ``early`` queue where one is wanted: only if ``is_tested``."""

    early: EarlyQueue | None = None

    def __init__(self, *, max_msg_size: int, timeout: float, early: bool) -> None:
        super().__init__(max_msg_size=max_msg_size, timeout=timeout, compress=False)
        self._most = max_msg_size
        self._wants_early = early

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: Any) -> None:
        # Bytes that came with the request are in the parser by then.
        begun = bool(request.protocol._message_tail)
        super()._post_start(request, protocol, writer)
        if begun or not self._wants_early:
            return
        assert self._loop is not None
        self.early = EarlyQueue(request.protocol, _LIMIT, loop=self._loop)
        self._reader = self.early
        self._parser = WebSocketReader(self.early, self._most, compress=False, decode_text=True)
        request.protocol._payload_parser = _Parser(self._parser, self.early)
