"""A network between a browser and the server: late by up to so much, or gone."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Network:
    """Forwards TCP. ``jitter_s``: each piece is late by 0 to so much, and none overtakes another."""

    def __init__(self, port: int, jitter_s: float) -> None:
        self._target = port
        self._jitter_s = jitter_s
        self._random = random.Random(7)
        self._writers: set[asyncio.StreamWriter] = set()
        self.broken = False
        self.url = ""

    def cut(self) -> None:
        """Breaks every connection without a word; new ones break too, until ``broken`` is false again."""
        self.broken = True
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        pair = {writer, back}
        self._writers |= pair
        with contextlib.suppress(OSError):
            await asyncio.gather(self._forward(reader, back), self._forward(there, writer))
        self._writers -= pair
        for each in pair:
            each.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while (piece := await pieces.get())[1]:
                await asyncio.sleep(piece[0] - loop.time())
                writer.write(piece[1])
            writer.close()

        delivery = asyncio.create_task(deliver())
        try:
            data = b" "
            while data:
                data = await reader.read(65_536)
                pieces.put_nowait((loop.time() + self._random.uniform(0, self._jitter_s), data))
            await delivery
        finally:
            delivery.cancel()


@asynccontextmanager
async def network(url: str, jitter_s: float = 0.0) -> AsyncIterator[Network]:
    """A network to the server at ``url``; its own ``url`` is the other end."""
    way = Network(int(url.rpartition(":")[2]), jitter_s)
    listener = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    way.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield way
    finally:
        way.cut()
        listener.close()
