"""Audio that comes in one piece: the kernel wakes the server when a decision is due, not for each packet.

Most packets can decide nothing (``TurnTaker.frames_to_decision``), and a wake costs more than what is in
one. A socket's low-water mark (``SO_RCVLOWAT``, socket(7)) has the kernel keep them until there are enough.
Nothing is decided later for it. ``Tide`` looks how much waits every 60 ms: that is how what else the client
says is found, and a stream that ends. What will be enough before it looks again is read with the others'.

Only for TCP on Linux, where a goodbye passes the mark, and lowering it tells of what is there already.
Elsewhere, and with TLS, each packet wakes the server.
"""

from __future__ import annotations

import asyncio
import math
import socket
import sys
from typing import Final

if sys.platform != "win32":
    import fcntl
    import termios

# Packets may be a little longer than the last one.
_SLACK: Final = 16
_LOOK_EVERY_S: Final = 0.06
# So many packets or fewer are soon there by themselves: they are not read for the others' sake.
_FEW: Final = 9
# A packet that is later than this may not come at all.
_LATE_S: Final = 0.06


class Tide:
    """Looks at what waits below the marks. One timer for all; none while no mark is raised."""

    def __init__(self) -> None:
        self._raised: set[LowWater] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, mark: LowWater) -> None:
        """Something may wait below this mark."""
        self._raised.add(mark)
        if self._timer is None:
            self._look_later()

    def discard(self, mark: LowWater) -> None:
        """Nothing waits below this one."""
        self._raised.discard(mark)

    def close(self) -> None:
        self._raised.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        # At multiples of that, when replies leave as well: a process that is awake is the cheaper one.
        self._timer = loop.call_at((loop.time() // _LOOK_EVERY_S + 1) * _LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for mark in list(self._raised):
            mark.look(now)
        if self._raised:
            self._look_later()


class LowWater:
    """One connection's mark; it is for its reader to ``close`` it."""

    def __init__(self, transport: asyncio.BaseTransport, tide: Tide) -> None:
        self._transport = transport
        self._socket = _suitable(transport)
        self._tide = tide
        # Bytes, as set.
        self._mark = 1
        self._frame = 1
        self._packet_s = 0.0
        # With so many bytes there will be enough before ``Tide`` looks again.
        self._nearly: float = math.inf
        # How much waited when something had come, and when that was seen.
        self._waiting = 0
        self._came = 0.0

    def hold(self, packets: int, packet_s: float, frame: int, now: float) -> None:
        """So many packets (each so long, s, in a frame of so many bytes) come in one piece from now on."""
        self._frame, self._packet_s = frame, packet_s
        self._waiting, self._came = 0, now
        self._nearly = (packets - 1 - _LOOK_EVERY_S / packet_s) * frame if packets > _FEW else math.inf
        self._set((packets - 1) * frame + _SLACK if packets > 1 else 1)

    def look(self, now: float) -> None:
        """Has what waits read if something besides audio does, or it is nearly enough, or no more comes."""
        try:
            waiting = _readable(self._socket) if self._socket is not None else 0
        except OSError:
            self.close()
            return
        if waiting != self._waiting:
            self._waiting, self._came = waiting, now
        late = now - self._came > self._packet_s + _LATE_S
        if waiting % self._frame or late or waiting > self._nearly:
            self._set(1)

    def close(self) -> None:
        """The connection is over."""
        self._tide.discard(self)
        self._socket = None

    def _set(self, mark: int) -> None:
        if mark == self._mark or self._socket is None:
            return
        if self._transport.is_closing():
            # Its descriptor may be another's soon.
            self.close()
            return
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, mark)
        except OSError:
            self.close()
            return
        self._mark = mark
        (self._tide.add if mark > 1 else self._tide.discard)(self)


def _suitable(transport: asyncio.BaseTransport) -> socket.socket | None:
    if sys.platform != "linux" or transport.get_extra_info("sslcontext") is not None:
        return None
    found: socket.socket | None = transport.get_extra_info("socket")
    return found if found is not None and found.family in (socket.AF_INET, socket.AF_INET6) else None


def _readable(connection: socket.socket) -> int:
    """How many bytes wait (``FIONREAD``, tcp(7))."""
    answer = bytearray(4)
    if sys.platform != "win32":
        fcntl.ioctl(connection.fileno(), termios.FIONREAD, answer)
    return int.from_bytes(answer, sys.byteorder)
