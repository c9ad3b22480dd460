"""Records of sessions: one row each, written beside the conversation and never waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from selam_agent.store_database import SESSIONS, Database, Page

log = logging.getLogger(__name__)

# Rows that wait to be written; each is a few kilobytes.
_MAX_WAITING = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """``status``: created or completed. Times are epoch seconds; what was not kept is None."""

    id: str
    owner: str
    agent_id: str | None
    status: str
    close_reason: str | None
    created: float
    ended: float | None
    config: Mapping[str, Any] | None
    timeline: Mapping[str, Any] | None
    events: Sequence[Mapping[str, Any]] | None


class RecordStore:
    """Writes in the background: ``start`` it, ``put`` records, ``aclose`` it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: asyncio.Queue[SessionRecord] = asyncio.Queue(_MAX_WAITING)
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writer = asyncio.create_task(self._write(), name="session records")

    def put(self, record: SessionRecord) -> None:
        """Writes it soon, instead of an older one of the same session; returns at once."""
        try:
            self._waiting.put_nowait(record)
        except asyncio.QueueFull:
            log.error("the record of %s is lost: the database is too slow", record.id)

    async def flush(self) -> None:
        """Waits until everything is written."""
        await self._waiting.join()

    async def aclose(self, within_s: float = 2.0) -> None:
        """Writes what waits, if it does not take long."""
        if self._writer is None:
            return
        try:
            async with asyncio.timeout(within_s):
                await self.flush()
        except TimeoutError:
            log.error("%d session records were not written", self._waiting.qsize())
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._writer = None

    async def list(
        self, owner: str, *, limit: int, cursor: str = "", status: str = "", agent_id: str = ""
    ) -> Page[SessionRecord]:
        """Newest first. Raises ValidationError."""
        where = [SESSIONS.c.owner == owner]
        if status:
            where.append(SESSIONS.c.status == status)
        if agent_id:
            where.append(SESSIONS.c.agent_id == agent_id)
        page = await self._database.page(SESSIONS, *where, limit=limit, cursor=cursor)
        return Page([SessionRecord(**row) for row in page.items], page.next_cursor)

    async def get(self, owner: str, session_id: str) -> SessionRecord | None:
        query = sa.select(SESSIONS).where(SESSIONS.c.owner == owner, SESSIONS.c.id == session_id)
        async with self._database.engine.connect() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else SessionRecord(**row)

    async def delete(self, owner: str, session_id: str) -> bool:
        """Whether there was one."""
        mine = SESSIONS.delete().where(SESSIONS.c.owner == owner, SESSIONS.c.id == session_id)
        async with self._database.engine.begin() as connection:
            return (await connection.execute(mine)).rowcount > 0

    async def expire(self, before: float) -> Sequence[str]:
        """Deletes what was begun before this time (epoch seconds), whosever it is; returns the ids."""
        async with self._database.engine.begin() as connection:
            old = SESSIONS.c.created < before
            ids = (await connection.execute(sa.select(SESSIONS.c.id).where(old))).scalars().all()
            # By the same condition and not by the ids: SQLite takes no list of any length.
            await connection.execute(SESSIONS.delete().where(old))
        return ids

    async def _write(self) -> None:
        while True:
            record = await self._waiting.get()
            try:
                async with self._database.engine.begin() as connection:
                    await connection.execute(SESSIONS.delete().where(SESSIONS.c.id == record.id))
                    row = {name: getattr(record, name) for name in SESSIONS.c.keys()}  # noqa: SIM118
                    await connection.execute(SESSIONS.insert().values(**row))
            except SQLAlchemyError:
                log.exception("the record of %s could not be written", record.id)
            finally:
                self._waiting.task_done()
