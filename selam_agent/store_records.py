"""Records of sessions: one row each, written beside the conversation and never waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from selam_agent.store_database import SESSIONS, Database, Page
from selam_agent.store_writer import WriteBehind

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


class RecordStore(WriteBehind[SessionRecord]):
    """Writes in the background; a record takes the place of an older one of the same session."""

    def __init__(self, database: Database) -> None:
        super().__init__(what="session records", most=_MAX_WAITING)
        self._database = database

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

    async def _write(self, item: SessionRecord) -> None:
        async with self._database.engine.begin() as connection:
            await connection.execute(SESSIONS.delete().where(SESSIONS.c.id == item.id))
            row = {name: getattr(item, name) for name in SESSIONS.c.keys()}  # noqa: SIM118
            await connection.execute(SESSIONS.insert().values(**row))
