"""The key store."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from selam_agent.errors import AuthenticationError, SettingsError, ValidationError
from selam_agent.store import KeyStore, Tier
from selam_agent.store_limits import KeyLimits


def test_create_check_revoke(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path / "new" / "dir")
    assert store.empty and store.list() == []
    key_id, secret = store.create("pro", "laptop")
    assert secret.startswith("sk-selam-") and len(secret) > 50
    key = store.check(secret)
    assert (key.id, key.name, key.tier, key.revoked) == (key_id, "laptop", Tier.PRO, None)
    assert not store.empty
    assert store.revoke(key_id).revoked is not None
    with pytest.raises(AuthenticationError):
        store.check(secret)
    assert store.empty
    first = store.list()[0].revoked
    store.revoke(key_id)
    assert store.list()[0].revoked == first


@pytest.mark.parametrize("secret", ["", "x", "sk-selam-" + "A" * 43, "ሰላም", "\ud800"])
def test_other_secrets_are_refused(tmp_path: Path, secret: str) -> None:
    store = KeyStore.open(tmp_path)
    store.create(Tier.OWNER)
    with pytest.raises(AuthenticationError):
        store.check(secret)


def test_only_a_hash_is_stored_and_only_for_us(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = KeyStore.open(tmp_path / "data")
    finally:
        os.umask(old)
    _, secret = store.create(Tier.OWNER)
    for file in (tmp_path / "data").iterdir():
        assert secret.encode() not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_another_process_sees_and_makes_keys(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path)
    code = (
        "import sys; from pathlib import Path; from selam_agent.store import KeyStore;"
        "print(KeyStore.open(Path(sys.argv[1])).create('OWNER', 'cli')[1])"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert store.check(made.stdout.strip()).tier is Tier.OWNER


def test_the_key_from_outside_is_owner_and_not_stored(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path, api_key="outside")
    assert store.check("outside").tier is Tier.OWNER and not store.empty and not store.list()
    with pytest.raises(AuthenticationError):
        store.check("outsider")


def test_an_unwritable_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"server\.data_dir.*SELAM_API_KEY"):
        KeyStore.open(tmp_path / "file" / "data")
    store = KeyStore.open(tmp_path / "file" / "data", api_key="outside")
    assert store.check("outside").tier is Tier.OWNER
    with pytest.raises(SettingsError):
        store.create(Tier.OWNER)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "keys.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(SettingsError, match=r"server\.data_dir"):
        KeyStore.open(tmp_path)


def test_unknown_names(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path)
    with pytest.raises(ValidationError, match="FREE, BETA, PRO, OWNER"):
        store.create("gold")
    with pytest.raises(ValidationError, match="key_nope"):
        store.revoke("key_nope")


async def test_limits_and_use_are_kept(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path)
    limits = KeyLimits(max_sessions=2, max_session_s=600.0, audio_s_per_day=5400.0)
    key_id, secret = store.create("OWNER", limits=limits)
    other, _ = store.create("OWNER")
    store = KeyStore.open(tmp_path)
    assert store.check(secret).limits == store.allowance(key_id) == limits
    assert str(limits) == "2 sessions, 10 min each, 90 min of audio a day"
    assert store.allowance(other) == store.allowance("key_environment") == KeyLimits()
    today, later = date(2026, 11, 20), date(2027, 3, 1)
    await store.add_used(key_id, today, 60.0)
    await store.add_used(key_id, today, 1.5)
    assert (store.used_s(key_id, today), store.used_s(other, today)) == (61.5, 0.0)
    await store.add_used(key_id, later, 1.0)
    assert (store.used_s(key_id, later), store.used_s(key_id, today)) == (1.0, 0.0)


@pytest.mark.parametrize("limit", [{"max_sessions": 0}, {"max_session_s": -1.0}, {"audio_s_per_day": 0.0}])
def test_a_limit_that_lets_nothing_through_is_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(limit))):
        KeyLimits(**limit)


def test_a_key_file_of_the_first_release_is_taken_over(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "keys.sqlite3")) as database, database:
        database.execute(
            "CREATE TABLE keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, tier TEXT NOT NULL,"
            " sha256 TEXT NOT NULL UNIQUE, created TEXT NOT NULL, revoked TEXT)"
        )
        digest = hashlib.sha256(b"sk-selam-old").hexdigest()
        row = ("key_1", "old", "OWNER", digest, "2026-01-01T00:00:00+00:00", None)
        database.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)", row)
    key = KeyStore.open(tmp_path).check("sk-selam-old")
    assert (key.name, key.limits) == ("old", KeyLimits())


async def test_a_locked_file_delays_and_breaks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = date(2026, 11, 20)
    writer = KeyStore.open(tmp_path)
    key_id, secret = writer.create("OWNER", limits=KeyLimits(max_sessions=2))
    await writer.add_used(key_id, today, 60.0)
    store = KeyStore.open(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "keys.sqlite3")) as other:
        patience = _recorded_patience(monkeypatch)
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE keys SET revoked = '2026-11-20T00:00:00+00:00'")
        assert store.check(secret) == store.find(key_id) == store.an_owner()
        assert store.allowance(key_id).max_sessions == 2 and not store.empty
        assert (store.used_s(key_id, today), store.used_s(key_id, date(2026, 11, 21))) == (60.0, 0.0)
        with pytest.raises(AuthenticationError):
            store.check("sk-selam-other")
        other.commit()
    assert set(patience) == {0.0}
    assert [record.getMessage().count("database is locked") for record in caplog.records] == [1]
    with pytest.raises(AuthenticationError):
        store.check(secret)


def _recorded_patience(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each connection from now on would have waited for a lock (s)."""
    connect, waits = sqlite3.connect, list[float]()

    def recorded(*args: Any, timeout: float = 5.0, **options: Any) -> sqlite3.Connection:
        waits.append(timeout)
        return connect(*args, timeout=timeout, **options)

    monkeypatch.setattr(sqlite3, "connect", recorded)
    return waits
