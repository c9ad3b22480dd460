"""The key store."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from selam_agent.errors import AuthenticationError, SettingsError, ValidationError
from selam_agent.store import KeyStore, Tier


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
