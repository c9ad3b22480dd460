"""The keys that open the server, in one small SQLite file.

Only SHA-256 hashes are stored: a key is 256 random bits, so no slow hash is needed, and a stolen file
opens nothing. SQLite makes every change atomic and lets ``selam-agent keys`` work beside a running
server, which sees a new or revoked key at the next connection. The server asks on its event loop and
so never waits for another process: while the file is locked, what was read last stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from selam_agent import store_limits
from selam_agent.errors import AuthenticationError, SettingsError, ValidationError
from selam_agent.store_limits import NO_LIMITS, KeyLimits

log = logging.getLogger(__name__)

KEY_PREFIX = "sk-selam-"
# How long a command, or a thread of the server, waits for another process that writes.
_PATIENCE_S = 5.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    tier TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL,
    revoked TEXT
)
"""


class Tier(IntEnum):
    """What a key may do; a higher tier includes the lower ones. The voice agent needs OWNER."""

    FREE = 0
    BETA = 1
    PRO = 2
    OWNER = 3

    @classmethod
    def parse(cls, name: str) -> Tier:
        """Raises ValidationError that lists the tiers."""
        try:
            return cls[name.strip().upper()]
        except KeyError:
            names = [each.name for each in cls]
            raise ValidationError(
                f"There is no tier {name!r}; there are {', '.join(names)}.", details={"tiers": names}
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key without its secret. ``created`` and ``revoked`` are UTC."""

    id: str
    name: str
    tier: Tier
    created: datetime
    revoked: datetime | None = None
    limits: KeyLimits = NO_LIMITS


class KeyStore:
    """Creates, lists, revokes and checks keys. Get one with ``open``.

    Args:
        path: the database, or None to accept ``api_key`` only.
        api_key: a key from outside (``SELAM_API_KEY``) that counts as OWNER and is not stored.
    """

    def __init__(self, path: Path | None, api_key: str | None = None) -> None:
        self._path = path
        self._outside = _digest(api_key) if api_key else None
        self._outside_key = Key(id="key_environment", name="SELAM_API_KEY", tier=Tier.OWNER, created=_now())
        # What was read last: keys with their hashes, and each key's newest day of use.
        self._rows: list[tuple[Any, ...]] = []
        self._known: tuple[tuple[Key, bytes], ...] = ()
        self._used: dict[str, tuple[date, float]] = {}
        self._complaints: set[str] = set()

    @classmethod
    def open(cls, data_dir: Path, *, api_key: str | None = None) -> KeyStore:
        """Makes ``data_dir`` (0700) and the database in it (0600) if they are missing.

        Raises:
            SettingsError: the directory or file cannot be used, and there is no ``api_key``.
        """
        path = data_dir / "keys.sqlite3"
        store = cls(path, api_key)
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Created here, because sqlite3 would apply the umask and be readable for a moment.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
            with store._database() as database:
                database.execute(_SCHEMA)
                store_limits.prepare(database)
                store._read(database)
                store._used = store_limits.last_used(database)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if api_key:
                log.warning("%s: %s: no keys are stored; SELAM_API_KEY is the only one", data_dir, reason)
                return cls(None, api_key)
            raise SettingsError(
                f"server.data_dir: keys cannot be stored in {data_dir}: {reason}. "
                "Name a writable directory (SELAM_SERVER__DATA_DIR) or set SELAM_API_KEY."
            ) from error
        return store

    def create(self, tier: Tier | str, name: str = "", limits: KeyLimits = NO_LIMITS) -> tuple[str, str]:
        """Makes a key.

        Returns:
            Its id, and the secret, which cannot be read again.

        Raises:
            ValidationError: no such tier.
            SettingsError: nothing can be stored.
        """
        tier = tier if isinstance(tier, Tier) else Tier.parse(tier)
        key_id = f"key_{secrets.token_hex(4)}"
        secret = KEY_PREFIX + secrets.token_urlsafe(32)
        row = (key_id, name, tier.name, _digest(secret).hex(), _now().isoformat())
        columns = ("id", "name", "tier", "sha256", "created", *store_limits.COLUMNS)
        with self._writing() as database:
            database.execute(
                f"INSERT INTO keys ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                (*row, *store_limits.row_of(limits)),
            )
        return key_id, secret

    def list(self) -> list[Key]:
        """All keys, oldest first, revoked ones too.

        Raises:
            SettingsError: the database cannot be read.
        """
        if self._path is not None:
            with self._named(), self._database() as database:
                self._read(database)
        return [key for key, _ in self._known]

    def revoke(self, key_id: str) -> Key:
        """Closes the server to a key, from its next connection on.

        Raises:
            ValidationError: there is no such key.
        """
        with self._writing() as database:
            database.execute(
                "UPDATE keys SET revoked = COALESCE(revoked, ?) WHERE id = ?", (_now().isoformat(), key_id)
            )
        for key in self.list():
            if key.id == key_id:
                return key
        raise ValidationError(f"There is no key {key_id!r}; see `selam-agent keys list`.", code="unknown_key")

    def check(self, secret: str) -> Key:
        """The key that ``secret`` belongs to.

        Every stored hash is compared in constant time, so the answer's delay says nothing.

        Raises:
            AuthenticationError: empty, unknown or revoked.
        """
        if not secret:
            raise AuthenticationError("An API key is needed.", code="missing_api_key")
        digest = _digest(secret)
        found: Key | None = None
        if self._outside is not None and hmac.compare_digest(digest, self._outside):
            found = self._outside_key
        for key, stored in self._current():
            if hmac.compare_digest(digest, stored) and key.revoked is None:
                found = key
        if found is None:
            raise AuthenticationError("This API key is not valid.")
        return found

    def find(self, key_id: str) -> Key | None:
        """The key of that id, if it opens the server now."""
        if self._outside is not None and key_id == self._outside_key.id:
            return self._outside_key
        return next((key for key, _ in self._current() if key.id == key_id and key.revoked is None), None)

    def allowance(self, key_id: str) -> KeyLimits:
        """What this key may use; a key that is not stored is not limited."""
        key = self.find(key_id)
        return NO_LIMITS if key is None else key.limits

    def used_s(self, key_id: str, day: date) -> float:
        """Caller audio (s) of the key's ended sessions on that day (UTC)."""
        if self._path is None:
            return 0.0
        try:
            with self._database(patience_s=0.0) as database:
                self._used[key_id] = (day, store_limits.used_s(database, key_id, day))
        except sqlite3.Error as error:
            self._complain(error)
        known, seconds = self._used.get(key_id, (day, 0.0))
        return seconds if known == day else 0.0

    async def add_used(self, key_id: str, day: date, seconds: float) -> None:
        """Adds to it; what cannot be written is logged and forgotten."""
        if self._path is not None and seconds:
            # SQLite waits for the disk.
            await asyncio.to_thread(self._add_used, key_id, day, seconds)

    def _add_used(self, key_id: str, day: date, seconds: float) -> None:
        try:
            with self._writing() as database:
                store_limits.add_used(database, key_id, day, seconds)
                self._used[key_id] = (day, store_limits.used_s(database, key_id, day))
        except SettingsError as error:
            log.warning("%.0f s of audio of %s are not counted: %s", seconds, key_id, error)

    def an_owner(self) -> Key | None:
        """A key that opens the voice agent, the oldest, if there is one."""
        if self._outside is not None:
            return self._outside_key
        return next(
            (key for key, _ in self._current() if key.tier is Tier.OWNER and key.revoked is None), None
        )

    @property
    def empty(self) -> bool:
        """Whether no key at all would be accepted."""
        return self._outside is None and all(key.revoked for key, _ in self._current())

    def _current(self) -> tuple[tuple[Key, bytes], ...]:
        """Keys and their hashes, without waiting: as they are, or as last read if that fails."""
        if self._path is not None:
            try:
                with self._database(patience_s=0.0) as database:
                    self._read(database)
            except sqlite3.Error as error:
                self._complain(error)
        return self._known

    def _read(self, database: sqlite3.Connection) -> None:
        columns = ", ".join(("id", "name", "tier", "sha256", "created", "revoked", *store_limits.COLUMNS))
        rows = database.execute(f"SELECT {columns} FROM keys ORDER BY created, id").fetchall()
        if rows != self._rows:
            self._known = tuple(_parsed(row) for row in rows)
            self._rows = rows

    def _complain(self, error: sqlite3.Error) -> None:
        """Once for each reason: a busy file is nothing new the second time."""
        if str(error) not in self._complaints:
            self._complaints.add(str(error))
            log.warning("%s: %s; what was read last stands until it can be read", self._path, error)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._named(), self._database() as database, database:
            database.execute("BEGIN IMMEDIATE")
            # Others of this process cannot read while this is written; what they fall back on is current.
            self._read(database)
            yield database

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SettingsError(f"server.data_dir: {self._path}: {error}") from error

    @contextlib.contextmanager
    def _database(self, patience_s: float = _PATIENCE_S) -> Iterator[sqlite3.Connection]:
        if self._path is None:
            raise SettingsError("server.data_dir cannot be written; keys cannot be stored")
        with contextlib.closing(sqlite3.connect(self._path, timeout=patience_s)) as database:
            yield database


def _parsed(row: tuple[Any, ...]) -> tuple[Key, bytes]:
    key_id, name, tier, sha256, created, revoked, *limits = row
    key = Key(
        id=key_id,
        name=name,
        tier=Tier[tier],
        created=datetime.fromisoformat(created),
        revoked=datetime.fromisoformat(revoked) if revoked else None,
        limits=store_limits.limits_of(tuple(limits)),
    )
    return key, bytes.fromhex(sha256)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _now() -> datetime:
    return datetime.now(UTC)
