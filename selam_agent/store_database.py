"""The database behind stored agents and session records: SQLite in ``data_dir``, or another by its URL."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from selam_agent.errors import SettingsError, ValidationError

_T = TypeVar("_T")
_METADATA = sa.MetaData()

# Times are epoch seconds: every database stores them the same way, to the microsecond.
AGENTS = sa.Table(
    "agents",
    _METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created", sa.Float(53), nullable=False),
    sa.Column("updated", sa.Float(53), nullable=False),
)
AGENT_VERSIONS = sa.Table(
    "agent_versions",
    _METADATA,
    sa.Column("agent_id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("created", sa.Float(53), nullable=False),
)
SESSIONS = sa.Table(
    "sessions",
    _METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("agent_id", sa.String(64)),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("close_reason", sa.String(32)),
    sa.Column("created", sa.Float(53), nullable=False),
    sa.Column("ended", sa.Float(53)),
    sa.Column("config", sa.JSON),
    sa.Column("timeline", sa.JSON),
    sa.Column("events", sa.JSON),
)


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """Some items, newest first; ``next_cursor`` is empty at the end."""

    items: list[_T]
    next_cursor: str


class Database:
    """One engine for all stores. ``open`` it before use, ``aclose`` it at the end."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @classmethod
    def of(cls, data_dir: Path, url: str = "") -> Database:
        """At ``url`` (an asynchronous SQLAlchemy one), or in ``data_dir``.

        Raises:
            SettingsError: the URL cannot be used, or its driver is not installed.
        """
        try:
            return cls(create_async_engine(url or f"sqlite+aiosqlite:///{data_dir / 'selam.sqlite3'}"))
        except (SQLAlchemyError, ImportError) as error:
            raise SettingsError(f"server.database_url: {error}") from error

    async def open(self) -> None:
        """Makes what is missing. Raises SettingsError."""
        try:
            if self.engine.url.get_backend_name() == "sqlite" and (name := self.engine.url.database):
                # Created here: SQLite would apply the umask.
                os.close(os.open(name, os.O_RDWR | os.O_CREAT, 0o600))
            async with self.engine.begin() as connection:
                await connection.run_sync(_METADATA.create_all)
        except (OSError, SQLAlchemyError) as error:
            raise SettingsError(f"server.database_url: {error}") from error

    async def aclose(self) -> None:
        await self.engine.dispose()

    async def page(self, table: sa.Table, *where: Any, limit: int, cursor: str) -> Page[dict[str, Any]]:
        """Rows of a table, newest first. Raises ValidationError when the cursor is none of ours."""
        query = sa.select(table).where(*where).order_by(table.c.created.desc(), table.c.id.desc())
        if cursor:
            created, id_ = _position(cursor)
            query = query.where(sa.tuple_(table.c.created, table.c.id) < sa.tuple_(sa.literal(created), id_))
        async with self.engine.connect() as connection:
            rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
        more = len(rows) > limit
        items = [dict(row) for row in rows[:limit]]
        return Page(items, _cursor(items[-1]["created"], items[-1]["id"]) if more else "")


def _cursor(created: float, id_: str) -> str:
    return base64.urlsafe_b64encode(f"{created!r} {id_}".encode()).decode()


def _position(cursor: str) -> tuple[float, str]:
    try:
        created, _, id_ = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return float(created), id_
    except ValueError:
        raise ValidationError("This cursor is not one that a list gave.", code="invalid_cursor") from None
