"""Stored agents: a session's configuration under a name and an id, with all its versions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import sqlalchemy as sa

from selam_agent.errors import ValidationError
from selam_agent.store_database import AGENT_VERSIONS, AGENTS, Database, Page

MAX_PER_OWNER = 1_000
# Of an agent that is changed again and again.
_VERSIONS_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAgent:
    """``body`` is the agent as its owner describes it. Times are epoch seconds."""

    id: str
    owner: str
    name: str
    body: Mapping[str, Any]
    version: int
    created: float
    updated: float


class AgentStore:
    """The agents of all keys; each key sees its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, owner: str, name: str, body: Mapping[str, Any]) -> StoredAgent:
        """Raises ValidationError (``too_many_agents``)."""
        now = time.time()
        row: dict[str, Any] = {
            "id": f"agent_{token_hex(16)}",
            "owner": owner,
            "name": name,
            "body": dict(body),
            "version": 1,
            "created": now,
            "updated": now,
        }
        async with self._database.engine.begin() as connection:
            counted = sa.select(sa.func.count()).select_from(AGENTS).where(AGENTS.c.owner == owner)
            if (await connection.execute(counted)).scalar_one() >= MAX_PER_OWNER:
                raise ValidationError(f"A key may store {MAX_PER_OWNER} agents.", code="too_many_agents")
            await connection.execute(AGENTS.insert().values(**row))
            await self._remember(connection, row)
        return StoredAgent(**row)

    async def get(self, owner: str, agent_id: str) -> StoredAgent | None:
        async with self._database.engine.connect() as connection:
            row = (await connection.execute(_of(owner, agent_id))).mappings().first()
        return None if row is None else StoredAgent(**row)

    async def list(self, owner: str, *, limit: int, cursor: str = "") -> Page[StoredAgent]:
        """Newest first. Raises ValidationError."""
        page = await self._database.page(AGENTS, AGENTS.c.owner == owner, limit=limit, cursor=cursor)
        return Page([StoredAgent(**row) for row in page.items], page.next_cursor)

    async def update(
        self, owner: str, agent_id: str, name: str, body: Mapping[str, Any]
    ) -> StoredAgent | None:
        """A new version; None when there is no such agent."""
        async with self._database.engine.begin() as connection:
            row = (await connection.execute(_of(owner, agent_id))).mappings().first()
            if row is None:
                return None
            changed = {
                **row,
                "name": name,
                "body": dict(body),
                "version": row["version"] + 1,
                "updated": time.time(),
            }
            await connection.execute(AGENTS.update().where(AGENTS.c.id == agent_id).values(**changed))
            await self._remember(connection, changed)
        return StoredAgent(**changed)

    async def delete(self, owner: str, agent_id: str) -> bool:
        """Whether there was one."""
        async with self._database.engine.begin() as connection:
            mine = AGENTS.delete().where(AGENTS.c.owner == owner, AGENTS.c.id == agent_id)
            found = (await connection.execute(mine)).rowcount > 0
            if found:
                await connection.execute(AGENT_VERSIONS.delete().where(AGENT_VERSIONS.c.agent_id == agent_id))
        return found

    async def versions(self, agent_id: str) -> dict[int, Mapping[str, Any]]:
        """The bodies by version, as far as they are kept."""
        query = sa.select(AGENT_VERSIONS).where(AGENT_VERSIONS.c.agent_id == agent_id)
        async with self._database.engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return {row["version"]: row["body"] for row in rows}

    async def _remember(self, connection: Any, row: Mapping[str, Any]) -> None:
        version = row["version"]
        await connection.execute(
            AGENT_VERSIONS.insert().values(
                agent_id=row["id"], version=version, body=row["body"], created=row["updated"]
            )
        )
        old = AGENT_VERSIONS.c.version <= version - _VERSIONS_KEPT
        await connection.execute(AGENT_VERSIONS.delete().where(AGENT_VERSIONS.c.agent_id == row["id"], old))


def _of(owner: str, agent_id: str) -> sa.Select[Any]:
    return sa.select(AGENTS).where(AGENTS.c.owner == owner, AGENTS.c.id == agent_id)
