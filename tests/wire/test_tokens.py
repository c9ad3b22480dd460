"""Temporary tokens: one use, soon, bounded; and what they open at the Socket.IO door."""

from __future__ import annotations

from pathlib import Path

import pytest

from selam_agent.app import App
from selam_agent.errors import AuthenticationError, SessionError, ValidationError
from selam_agent.store import KeyStore, Tier
from selam_agent.wire.tokens import TemporaryTokens
from tests.wire.doors import KEY, Client, running


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def refused(tokens: TemporaryTokens, token: str) -> str:
    with pytest.raises(AuthenticationError) as caught:
        tokens.redeem(token)
    return caught.value.code


def test_a_token_serves_once_and_in_time(tmp_path: Path) -> None:
    keys = KeyStore.open(tmp_path, api_key=KEY)
    key, clock = keys.check(KEY), Clock()
    tokens = TemporaryTokens(lambda each: keys.find(each.id) is not None, clock=clock)
    first = tokens.create(key, expires_in_seconds=30, max_session_seconds=120)
    identity = tokens.redeem(first)
    assert (identity.key.id, identity.max_session_s, identity.renewable) == (key.id, 120, False)
    assert refused(tokens, first) == "token_used"
    late = tokens.create(key, expires_in_seconds=30)
    clock.now += 30
    assert refused(tokens, late) == "token_expired"
    assert refused(tokens, "") == refused(tokens, first[:-1]) == "invalid_token"


def test_a_revoked_key_takes_its_tokens_along(tmp_path: Path) -> None:
    keys = KeyStore.open(tmp_path)
    key_id, secret = keys.create(Tier.OWNER)
    tokens = TemporaryTokens(lambda each: keys.find(each.id) is not None)
    token = tokens.create(keys.check(secret))
    keys.revoke(key_id)
    assert keys.find(key_id) is None
    assert refused(tokens, token) == "invalid_token"


def test_numbers_out_of_range_and_too_many_tokens(tmp_path: Path) -> None:
    keys, clock = KeyStore.open(tmp_path, api_key=KEY), Clock()
    key = keys.check(KEY)
    tokens = TemporaryTokens(lambda each: True, limit=8, clock=clock)
    for wrong in ({"expires_in_seconds": 0}, {"expires_in_seconds": 601}, {"max_session_seconds": 59}):
        with pytest.raises(ValidationError):
            tokens.create(key, **wrong)
    for _ in range(2):
        tokens.create(key)
    with pytest.raises(SessionError) as caught:
        tokens.create(key)
    assert (caught.value.code, caught.value.retryable) == ("too_many_tokens", True)
    clock.now += 200  # expired ones, and used ones, make room
    assert tokens.redeem(tokens.create(key)).key is key


async def test_a_token_opens_the_socket_once(app: App) -> None:
    token = app.tokens.create(app.keys.check(KEY))
    async with Client(app) as client, Client(app) as second:
        await client.connect({"temporary_token": token, "voice": "aria"})
        assert "next_token" not in await client.wait("connected")
        await client.start()
        await second.connect({"temporary_token": token, "voice": "aria"})
        error = await second.wait("error")
        assert (error["type"], error["code"]) == ("authentication_error", "token_used")


async def test_a_renewable_token_opens_the_door_again_and_again(app: App) -> None:
    token = app.tokens.create(app.keys.check(KEY), renewable=True)
    for _ in range(3):
        async with Client(app) as client:
            await client.connect({"temporary_token": token, "voice": "aria"})
            connected = await client.wait("connected")
            assert connected["next_token"] != token
            token = connected["next_token"]


async def test_the_session_ends_when_the_token_says(tmp_path: Path) -> None:
    async with running(tmp_path) as app:
        identity = app.tokens.redeem(app.tokens.create(app.keys.check(KEY), max_session_seconds=60))
        async with Client(app) as client:
            await client.connect({"temporary_token": app.tokens.create(identity.key, max_session_seconds=60)})
            assert (await client.wait("error"))["code"] == "missing_voice"
        async with Client(app) as client:
            token = app.tokens.create(identity.key, max_session_seconds=60)
            await client.connect({"temporary_token": token, "voice": "aria"})
            started = await client.start()
            assert app.registry.sessions[started["session_id"]].config.max_session_s == 60


async def test_a_resume_token_opens_its_own_session_and_no_other(app: App) -> None:
    async with Client(app) as client:
        await client.connect(
            {"temporary_token": app.tokens.create(app.keys.check(KEY)), "voice": "aria"},
        )
        started = await client.start()
        async with Client(app) as again:
            await again.connect({"resume_token": started["resume_token"], "voice": "aria"})
            await again.emit("start_session", {"voice": "aria"})
            assert (await again.wait("error"))["code"] == "resume_only"
            await again.emit("start_session", {"resume": started["resume_token"]})
            assert (await again.wait("session_started"))["session_id"] == started["session_id"]
        async with Client(app) as wrong:
            await wrong.connect({"resume_token": started["resume_token"], "voice": "aria"})
            assert (await wrong.wait("error"))["code"] == "invalid_token"
