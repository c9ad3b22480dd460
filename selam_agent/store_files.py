"""Files that belong to session records, beside the database: tapes of decisions, recorded calls."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

# Pieces that wait to be written; one of audio is 640 kB.
_MAX_WAITING: Final = 256
_FLUSH_S: Final = 10.0
_SUFFIXES: Final = {"tape": ".tape", "audio": ".wav"}
_WAV_HEADER: Final = 44
_RATE, _CHANNELS = 16_000, 2


class RecordFiles:
    """One folder; written in the background, in order. ``start`` it, ``aclose`` it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: asyncio.Queue[Callable[[], None]] = asyncio.Queue(_MAX_WAITING)
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writer = asyncio.create_task(self._write(), name="record files")

    def put_tape(self, session_id: str, tape: bytes) -> None:
        self._later(session_id, lambda: self._open("tape", session_id, tape))

    def add_audio(self, session_id: str, pcm: bytes) -> None:
        """Appends s16le stereo at 16 kHz; the file is a whole WAV after every piece."""
        self._later(session_id, lambda: self._append(session_id, pcm))

    def find(self, kind: str, session_id: str) -> Path | None:
        """The file of ``kind`` (tape, audio), if there is one. Blocking, but only a look."""
        path = self._path(kind, session_id)
        return path if path.is_file() else None

    def kinds(self, session_id: str) -> list[str]:
        """Which files the session has."""
        return [kind for kind in _SUFFIXES if self.find(kind, session_id)]

    async def delete(self, session_ids: Iterable[str]) -> None:
        """Erases every file of these sessions, also those that wait to be written.

        Raises TimeoutError when the disk is too slow for that.
        """
        ids = list(session_ids)
        async with asyncio.timeout(_FLUSH_S):
            await self.flush()
        await asyncio.to_thread(self._delete, ids)

    async def flush(self) -> None:
        """Waits until everything is written."""
        if self._writer is not None:
            await self._waiting.join()

    async def aclose(self, within_s: float = 2.0) -> None:
        """Writes what waits, if it does not take long."""
        if self._writer is None:
            return
        try:
            async with asyncio.timeout(within_s):
                await self.flush()
        except TimeoutError:
            log.error("%d pieces of session records were not written", self._waiting.qsize())
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._writer = None

    # ------------------------------------------------------------ inside

    def _later(self, session_id: str, write: Callable[[], None]) -> None:
        try:
            self._waiting.put_nowait(write)
        except asyncio.QueueFull:
            log.error("a piece of the record of %s is lost: the disk is too slow", session_id)

    async def _write(self) -> None:
        while True:
            write = await self._waiting.get()
            try:
                await asyncio.to_thread(write)
            except (
                Exception
            ):  # the next piece may go well, and who waits for the queue must not wait for ever
                log.exception("a piece of a session's record could not be written")
            finally:
                self._waiting.task_done()

    def _path(self, kind: str, session_id: str) -> Path:
        # Ids are ours, but they also come back in addresses.
        if not session_id.replace("_", "").isalnum():
            return self._folder / "none"
        return self._folder / f"{session_id}{_SUFFIXES[kind]}"

    def _open(self, kind: str, session_id: str, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(kind, session_id)
        path.touch(mode=0o600)
        path.write_bytes(data)

    def _append(self, session_id: str, pcm: bytes) -> None:
        path = self._path("audio", session_id)
        if not path.is_file():
            self._open("audio", session_id, _wav_header(0))
        with path.open("r+b") as file:
            size = file.seek(0, 2) - _WAV_HEADER
            file.write(pcm)
            file.seek(0)
            file.write(_wav_header(size + len(pcm)))

    def _delete(self, session_ids: list[str]) -> None:
        for session_id in session_ids:
            for kind in _SUFFIXES:
                self._path(kind, session_id).unlink(missing_ok=True)


def _wav_header(size: int) -> bytes:
    """44 bytes before ``size`` bytes of s16le stereo."""
    block = 2 * _CHANNELS
    form = struct.pack("<HHIIHH", 1, _CHANNELS, _RATE, _RATE * block, block, 16)
    riff = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16)
    return riff + form + b"data" + struct.pack("<I", size)
