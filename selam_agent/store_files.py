"""Files that belong to session records, beside the database: tapes of decisions, recorded calls."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from selam_agent.store_writer import WriteBehind

# Pieces that wait to be written; one of audio is 640 kB.
_MAX_WAITING: Final = 256
_FLUSH_S: Final = 10.0
_SUFFIXES: Final = {"tape": ".tape", "audio": ".wav"}
_WAV_HEADER: Final = 44
_RATE, _CHANNELS = 16_000, 2


class RecordFiles(WriteBehind[Callable[[], None]]):
    """One folder, written in the background."""

    def __init__(self, folder: Path) -> None:
        super().__init__(what="pieces of session records", most=_MAX_WAITING)
        self._folder = folder

    def add_tape(self, session_id: str, tape: bytes) -> None:
        """Appends whole lines."""
        self.put(lambda: self._append("tape", session_id, tape))

    def add_audio(self, session_id: str, pcm: bytes) -> None:
        """Appends s16le stereo at 16 kHz; the file is a whole WAV after every piece."""
        self.put(lambda: self._append_audio(session_id, pcm))

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

    # ------------------------------------------------------------ inside

    async def _write(self, item: Callable[[], None]) -> None:
        await asyncio.to_thread(item)

    def _path(self, kind: str, session_id: str) -> Path:
        # Ids are ours, but they also come back in addresses.
        if not session_id.replace("_", "").isalnum():
            return self._folder / "none"
        return self._folder / f"{session_id}{_SUFFIXES[kind]}"

    def _append(self, kind: str, session_id: str, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(kind, session_id)
        path.touch(mode=0o600)
        with path.open("ab") as file:
            file.write(data)

    def _append_audio(self, session_id: str, pcm: bytes) -> None:
        path = self._path("audio", session_id)
        if not path.is_file():
            self._append("audio", session_id, _wav_header(0))
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
