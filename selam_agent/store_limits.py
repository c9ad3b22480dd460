"""What a stored key may use, and what it has used: two more tables' worth of the key file."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass, fields
from datetime import date

from selam_agent.errors import ValidationError

_USAGE = """
CREATE TABLE IF NOT EXISTS usage (
    key_id TEXT NOT NULL,
    day TEXT NOT NULL,
    audio_s REAL NOT NULL,
    PRIMARY KEY (key_id, day)
)
"""
# Older days answer no question that anybody asks.
_KEPT_DAYS = "-62 days"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """Sessions at once, seconds per session, seconds of caller audio per day (UTC); None: no limit.

    Raises:
        ValidationError: a limit below what can be used at all.
    """

    max_sessions: int | None = None
    max_session_s: float | None = None
    audio_s_per_day: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                raise ValidationError(f"{field.name} must be above 0, not {value:g}.")

    def __str__(self) -> str:
        parts = []
        if self.max_sessions is not None:
            parts.append(f"{self.max_sessions} sessions")
        if self.max_session_s is not None:
            parts.append(f"{self.max_session_s / 60:g} min each")
        if self.audio_s_per_day is not None:
            parts.append(f"{self.audio_s_per_day / 60:g} min of audio a day")
        return ", ".join(parts) or "none"


NO_LIMITS = KeyLimits()
COLUMNS = tuple(field.name for field in fields(KeyLimits))


def prepare(database: sqlite3.Connection) -> None:
    """Adds what a key file of an earlier release lacks."""
    present = {row[1] for row in database.execute("PRAGMA table_info(keys)")}
    for name in COLUMNS:
        if name not in present:
            database.execute(f"ALTER TABLE keys ADD COLUMN {name} REAL")
    database.execute(_USAGE)


def row_of(limits: KeyLimits) -> tuple[float | None, ...]:
    return astuple(limits)


def limits_of(row: tuple[float | None, ...]) -> KeyLimits:
    """The inverse of ``row_of``."""
    sessions, seconds, audio = row
    return KeyLimits(
        max_sessions=None if sessions is None else int(sessions), max_session_s=seconds, audio_s_per_day=audio
    )


def used_s(database: sqlite3.Connection, key_id: str, day: date) -> float:
    """Audio (s) that a key has sent on that day."""
    found = database.execute(
        "SELECT audio_s FROM usage WHERE key_id = ? AND day = ?", (key_id, day.isoformat())
    ).fetchone()
    return float(found[0]) if found else 0.0


def last_used(database: sqlite3.Connection) -> dict[str, tuple[date, float]]:
    """By key: the last day on which it sent audio, and how much (s)."""
    # SQLite takes the other columns from the row that has the maximum.
    rows = database.execute("SELECT key_id, MAX(day), audio_s FROM usage GROUP BY key_id")
    return {key_id: (date.fromisoformat(day), audio_s) for key_id, day, audio_s in rows}


def add_used(database: sqlite3.Connection, key_id: str, day: date, seconds: float) -> None:
    database.execute(
        "INSERT INTO usage (key_id, day, audio_s) VALUES (?, ?, ?) "
        "ON CONFLICT (key_id, day) DO UPDATE SET audio_s = audio_s + excluded.audio_s",
        (key_id, day.isoformat(), seconds),
    )
    database.execute("DELETE FROM usage WHERE day < date(?, ?)", (day.isoformat(), _KEPT_DAYS))
