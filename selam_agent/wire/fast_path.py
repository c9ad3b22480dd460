"""A leaner way through Engine.IO for WebSockets: no task, timer or packet object per message.

python-engineio makes a task and a timer for each message that it reads, and python-socketio a packet
and a task for each that it sends. For twenty-five to fifty messages a second in each direction that
is half of what a session costs. ``Lane`` is one connection's own loop instead: audio goes from its
frame straight to the session, events go straight into the transport, and everything else takes the
library's own way. Kept: the checks of size and connection, the deadline for a silent peer, the order
of what is sent, and the queue's bounds (``write`` refuses while anything waits).

It replaces an internal of the library, so it is used only with releases it was tested with.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from engineio import exceptions, packet

from selam_agent.wire.low_water import LowWater, Tide
from selam_agent.wire.releases import is_one_of

if TYPE_CHECKING:
    from engineio.async_socket import AsyncSocket

    from selam_agent.wire.transport import AgentWebSocket

# Major and minor releases of python-engineio.
TESTED: Final = ("4.13", "4.14", "4.15")

# A client that sends faster than real time must not keep the others waiting.
_MESSAGES_IN_A_ROW: Final = 32
# Between two messages that did not wait for the network no time passes.
_APART_S: Final = 0.001
# Beyond this the peer does not read, and what follows waits where it is counted.
_MOST_BUFFERED: Final = 64 * 1024
_TEXT_FRAME: Final = 0x81
# A client's frame of 126 to 65535 bytes: two, two of its length, four of its mask (RFC 6455, 5.2).
_HEADER: Final = 8
# What a client sent has reached the lane after so many turns of the loop. Timers come first in a turn: a
# server that was held up (a busy or suspended machine) would take every client for gone.
_TURNS_TO_READ: Final = 8

log = logging.getLogger(__name__)


def is_tested(installed: str | None = None) -> bool:
    """Whether the fast path knows this release of python-engineio; by default the installed one."""
    return is_one_of("python-engineio", TESTED, installed)


class Ear(Protocol):
    """Who hears the audio of a connection."""

    def hear(self, packet: str, arrived: float) -> bool:
        """Takes a message that came at this time (loop time, s); false when it is not what it seemed."""
        ...

    def read(self, packet: str) -> bytes | None:
        """The audio of a message like those that were heard before; None: it must be heard itself."""
        ...

    def hear_all(self, audio: list[bytes], arrived: float) -> None:
        """Takes what was read, in order."""
        ...


class Lane:
    """One WebSocket's loops.

    Args:
        websocket: the connection.
        socket: Engine.IO's side of it.
        prefix: what a message begins with that may be heard.
        ear_of: who hears the audio of this socket id now.
        tide: looks after what waits while audio comes in larger pieces.
    """

    def __init__(
        self,
        websocket: AgentWebSocket,
        socket: AsyncSocket,
        *,
        prefix: str,
        ear_of: Callable[[str], Ear | None],
        tide: Tide,
    ) -> None:
        self._websocket = websocket
        self._socket: Any = socket
        self._sid: str = socket.sid
        self._prefix = prefix
        self._ear_of = ear_of
        # Who has heard audio since anything else came, and what is read for them.
        self._ear: Ear | None = None
        self._audio: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._open = False
        # A packet was taken from Engine.IO's queue and has not left yet.
        self._sending = False
        server = self._socket.server
        self._pong_s: float = server.ping_timeout
        self._patience_s: float = server.ping_interval + server.ping_timeout
        self._most: int = server.max_http_buffer_size
        self._heard = self._loop.time()
        # Bytes of the last audio message, with its frame.
        self._size = 0
        self._low_water = LowWater(websocket.transport, tide)
        self._timer: asyncio.Handle | None = None
        # ``_read`` has nothing else to do than to wait for a message.
        self._waiting = False
        self._in_a_row = 0
        # What is written at the end of this turn of the loop.
        self._corked: list[bytes] = []
        self._corked_bytes = 0

    async def run(self) -> None:
        """Serves the connection to its end; what upstream's ``_websocket_handler`` does."""
        if self._socket.connected:
            if not await self._upgrade():
                return
        else:
            self._socket.connected = self._socket.upgraded = True
        self._open = True
        self._socket.check_ping_timeout = self._check_ping_timeout
        writer = asyncio.create_task(self._write_packets(), name="selam-engineio-writer")
        self._watch()
        early = self._websocket.early
        if early is not None:
            early.take, early.taken = self._take, self._taken
        try:
            await self._read()
        finally:
            self._open = False
            if early is not None:
                early.take = early.taken = None
            self._low_water.close()
            del self._socket.check_ping_timeout
            if self._timer is not None:
                self._timer.cancel()
            await self._socket.queue.put(None)
            await writer
            await self._socket.close(
                wait=False, abort=True, reason=self._socket.server.reason.TRANSPORT_CLOSE
            )

    @property
    def is_clear(self) -> bool:
        """Whether a message may be written at once: nothing waits before it, and the peer reads."""
        socket, transport = self._socket, self._websocket.transport
        return (
            self._open
            and not self._sending
            and socket.queue.empty()
            and not socket.closing
            and not self._websocket.closed
            and not transport.is_closing()
            and transport.get_write_buffer_size() + self._corked_bytes <= _MOST_BUFFERED
        )

    def write(self, message: bytes) -> None:
        """Sends a text message; only while ``is_clear``."""
        size = len(message)
        if size < 126:
            head = bytes((_TEXT_FRAME, size))
        elif size < 1 << 16:
            head = bytes((_TEXT_FRAME, 126, size >> 8, size & 0xFF))
        else:
            head = bytes((_TEXT_FRAME, 127)) + size.to_bytes(8, "big")
        self._corked += (head, message)
        self._corked_bytes += size
        if len(self._corked) == 2:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hands over what was written in this turn of the loop: two chunks and their like are one packet."""
        if self._corked:
            written = b"".join(self._corked)
            self._corked, self._corked_bytes = [], 0
            if not self._websocket.transport.is_closing():
                self._websocket.transport.write(written)

    def expect(self, packets: int, packet_s: float) -> None:
        """So many messages of audio, each so long (s), may come in one piece."""
        if self._size:
            self._low_water.hold(packets, packet_s, self._size, self._heard)

    # ------------------------------------------------------------ in

    def _take(self, message: str) -> bool:
        """Takes audio from the parser's hands; all else, and what comes in a flood, is for ``_read``."""
        if not self._waiting or self._in_a_row + len(self._audio) >= _MESSAGES_IN_A_ROW:
            return False
        if self._ear is not None and (audio := self._ear.read(message)) is not None:
            self._size = len(message) + _HEADER
            self._audio.append(audio)
            return True
        if not message.startswith(self._prefix):
            return False
        self._taken()
        self._note()
        return self._hear(message)

    def _taken(self) -> None:
        """Hands over what has been read."""
        if self._audio and self._ear is not None:
            audio, self._audio = self._audio, []
            self._note(len(audio))
            self._ear.hear_all(audio, self._heard)

    async def _read(self) -> None:
        prefix = self._prefix
        while True:
            try:
                self._waiting = True
                message = await self._websocket.wait()
                self._waiting = False
            except (OSError, RuntimeError):
                return
            self._note()
            if len(message) > self._most:
                return
            taken = isinstance(message, str) and message.startswith(prefix) and self._hear(message)
            if not taken and not await self._receive(message):
                return
            if self._in_a_row >= _MESSAGES_IN_A_ROW:
                self._in_a_row = 0
                await asyncio.sleep(0)

    def _hear(self, message: str) -> bool:
        self._size = len(message) + _HEADER
        ear = self._ear_of(self._sid)
        heard = ear is not None and ear.hear(message, self._heard)
        self._ear = ear if heard else None
        return heard

    def _note(self, messages: int = 1) -> None:
        """Messages are there."""
        now = self._loop.time()
        self._in_a_row = self._in_a_row + messages if now - self._heard < _APART_S else messages - 1
        self._heard = now

    async def _receive(self, message: str | bytes) -> bool:
        """The library's own way; false when the socket is closed."""
        # Whatever it is, it may change what audio means.
        self._ear = None
        try:
            await self._socket.receive(packet.Packet(encoded_packet=message))
        except exceptions.UnknownPacketError:
            pass
        except exceptions.SocketIsClosedError:
            return False
        except Exception:
            log.exception("a message of %s could not be handled", self._socket.sid)
        return True

    def _watch(self, turns: int = _TURNS_TO_READ) -> None:
        """A peer that says nothing, pongs included, is gone."""
        due = self._heard + self._patience_s
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._watch)
        elif turns:
            self._timer = self._loop.call_soon(self._watch, turns - 1)
        else:
            self._websocket.cut()

    async def _check_ping_timeout(self) -> bool:
        """The library's, but its pong may wait behind seconds of audio: who is heard is there."""
        socket = self._socket
        turns = 0
        while not socket.closed and socket.last_ping and time.time() - socket.last_ping > self._pong_s:
            if self._loop.time() - self._heard <= self._pong_s:
                return True
            if turns == _TURNS_TO_READ:
                break
            turns += 1
            await asyncio.sleep(0)
        return bool(await type(socket).check_ping_timeout(socket))

    async def _upgrade(self) -> bool:
        """A client that began with polling changes over: probe, answer, confirmation."""
        socket = self._socket
        socket.upgrading = True
        try:
            if await self._websocket.wait() != "2probe":
                return False
            await self._websocket.send("3probe")
            await socket.queue.put(packet.Packet(packet.NOOP))  # ends the poll that waits
            socket.upgraded = await self._websocket.wait() == "5"
            return bool(socket.upgraded)
        except OSError:
            return False
        finally:
            socket.upgrading = False

    # ------------------------------------------------------------ out

    async def _write_packets(self) -> None:
        """Sends what the library puts into its queue, until None."""
        queue = self._socket.queue
        with contextlib.suppress(OSError, RuntimeError):
            while True:
                waiting = await queue.get()
                self._sending = True
                queue.task_done()
                if waiting is None:
                    break
                self.flush()
                await self._websocket.send(waiting.encode())
                self._sending = False
        self.flush()
        await self._websocket.close()
