"""The sessions of the server. A session belongs here, not to the socket that opened it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hmac import compare_digest
from types import MappingProxyType
from zoneinfo import ZoneInfo

from selam_agent.audio import echo_aec3
from selam_agent.errors import SessionError, ValidationError
from selam_agent.languages.packs import Packs
from selam_agent.ports import Outlet
from selam_agent.session.actor import resume_failed
from selam_agent.session.allowance import UNLIMITED, Accounts, Meter, Meters
from selam_agent.session.config import MAX_GREETING, MAX_INSTRUCTIONS, Engines, SessionConfig
from selam_agent.session.parts import House, Watch
from selam_agent.session.phrases import Phrases
from selam_agent.session.session import Session
from selam_agent.session.speaker import check_language, check_voice, choose
from selam_agent.session.translation import settle_translation
from selam_agent.settings import Settings

# Sessions that ended, to tell a client that comes back too late from one that guesses.
_ENDED_KEPT = 1_024


def new_session_id() -> str:
    """An id that no other session has."""
    return f"sess_{secrets.token_hex(16)}"


class Registry:
    """Opens sessions, owns their tasks and ends them."""

    def __init__(
        self,
        *,
        engines: Engines,
        packs: Packs,
        settings: Settings,
        now: Callable[[ZoneInfo], datetime] = datetime.now,
        accounts: Accounts = UNLIMITED,
        watch: Watch | None = None,
    ) -> None:
        self._engines = engines
        self._packs = packs
        self._settings = settings
        with_aec3 = settings.audio.echo_guard and settings.audio.echo_canceller == "aec3"
        self._house = House(
            engines=engines,
            packs=packs,
            settings=settings,
            phrases=Phrases(),
            now=now,
            watch=watch,
            make_aec3=echo_aec3.load() if with_aec3 else None,
        )
        self._sessions: dict[str, Session] = {}
        # Owners of the sessions that ended last, by session, oldest first.
        self._ended: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._accounts = accounts
        self._meters = Meters(accounts)
        self._draining = False

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The live sessions by id; read-only."""
        return MappingProxyType(self._sessions)

    def check(self, voice: str, language: str | None) -> None:
        """Whether a session could speak like this. Raises ValidationError or SessionError."""
        check_voice(self._packs, voice)
        check_language(self._packs, voice, language)
        choose(self._packs, self._engines, voice)

    def check_voice(self, voice: str) -> None:
        """Raises ValidationError, which lists the voices."""
        check_voice(self._packs, voice)

    def open(
        self,
        config: SessionConfig,
        outlet: Outlet,
        *,
        owner: str,
        replaces: Session | None = None,
        session_id: str | None = None,
        resume_token: str = "",
    ) -> Session:
        """Makes a session that starts at once; audio may be posted to it immediately.

        Args:
            config: the client's wishes.
            outlet: where its events go, beginning with ``session_started``.
            owner: id of the key that opened it.
            replaces: a session that ends first, without a ``session_ended``.
            session_id: of ``new_session_id``, where the client knows it already.
            resume_token: of ``new_resume_token``, likewise.

        Raises:
            ValidationError: unknown voice, a language the voice does not speak, a text too long,
                a translation that the server cannot give.
            SessionError: the server is full or shutting down, a limit of the key is reached, or the
                voice's engine is missing.
        """
        check_voice(self._packs, config.voice)
        check_language(self._packs, config.voice, config.language)
        config = settle_translation(config, self._packs, self._engines, self._settings.translation)
        _check_length("instructions", config.instructions, MAX_INSTRUCTIONS)
        _check_length("greeting", config.greeting, MAX_GREETING)
        speaker = choose(self._packs, self._engines, config.voice, config.locale)
        allowance = self._accounts.allowance(owner)
        meter = self._meters.of(owner, allowance.audio_s_per_day)
        self._admit(owner, allowance.max_sessions, meter, replaces)
        if allowance.max_session_s is not None:
            shorter = min(allowance.max_session_s, config.max_session_s or allowance.max_session_s)
            config = replace(config, max_session_s=shorter)
        session = Session(
            session_id=session_id or new_session_id(),
            owner=owner,
            config=config,
            speaker=speaker,
            outlet=outlet,
            house=self._house,
            meter=meter,
            resume_token=resume_token,
        )
        if replaces is not None:
            replaces.replace()
        self._sessions[session.id] = session
        after = replaces.ended if replaces is not None else None
        task = asyncio.create_task(self._run(session, after), name=f"session {session.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return session

    def resume(self, token: str, outlet: Outlet, *, owner: str, replaces: Session | None = None) -> Session:
        """Gives a session whose connection broke its client back; ``session_started`` follows.

        Args:
            token: ``session_started.resume_token``; it serves once.
            outlet: where the session's events go from now on.
            owner: id of the key; it must be the one that opened the session.
            replaces: the connection's present session, which ends without a ``session_ended``.

        Raises:
            SessionError: (``resume_failed``) the token is unknown, used, expired or another key's.
        """
        for session in self._sessions.values():
            given = session.resume_token
            if given and session.owner == owner and compare_digest(given.encode(), token.encode()):
                if session.ended.is_set() or session.ending or self._draining:
                    break
                if replaces is not None and replaces is not session:
                    replaces.replace()
                session.attach(outlet)
                return session
        raise resume_failed()

    def resumable(self, session_id: str, *, owner: str) -> Session:
        """The session that a client names who proves to be its owner; ``attach`` takes it up again.

        Raises:
            SessionError: ``session_not_found``, ``session_forbidden`` (another key's) or
                ``session_expired`` (it has ended meanwhile).
        """
        session = self._sessions.get(session_id)
        whose = session.owner if session is not None else self._ended.get(session_id)
        if whose is None:
            raise SessionError("There is no such session.", code="session_not_found")
        if whose != owner:
            raise SessionError("The session belongs to another key.", code="session_forbidden")
        if session is None or session.ending or not session.resume_token or self._draining:
            raise SessionError("The session has ended.", code="session_expired")
        return session

    def owner_of(self, token: str) -> str | None:
        """Id of the key whose session this resume token belongs to, if a client may come back with it."""
        for session in self._sessions.values():
            given = session.resume_token
            if given and compare_digest(given.encode(), token.encode()) and not session.ended.is_set():
                return session.owner
        return None

    def _admit(self, owner: str, at_once: int | None, meter: Meter, replaces: Session | None) -> None:
        """Raises SessionError when there is no room for one more session, or none for this key."""
        retry_after = self._settings.server.retry_after_s
        if self._draining:
            raise SessionError(
                "The server is shutting down.", code="shutting_down", retryable=True, retry_after=retry_after
            )
        others = [each for each in self._sessions.values() if each is not replaces]
        own = [each for each in others if each.owner == owner and not each.ending]
        if at_once is not None and len(own) >= at_once and not self._make_room(own):
            raise SessionError(
                f"This key may have {at_once} sessions at once, and it has them.",
                code="concurrency_exceeded",
                retryable=True,
                retry_after=retry_after,
            )
        if len(others) >= self._settings.server.max_sessions and not self._make_room(others):
            raise SessionError(
                "The server is full.", code="at_capacity", retryable=True, retry_after=retry_after
            )
        meter.check()

    @staticmethod
    def _make_room(sessions: Iterable[Session]) -> bool:
        """Ends a session that nobody is connected to; a caller at the door goes first."""
        waiting = next((each for each in sessions if each.away and not each.ending), None)
        if waiting is not None:
            waiting.abandon()
        return waiting is not None

    async def _run(self, session: Session, after: asyncio.Event | None) -> None:
        try:
            await session.run(after)
        finally:
            self._sessions.pop(session.id, None)
            self._ended[session.id] = session.owner
            while len(self._ended) > _ENDED_KEPT:
                del self._ended[next(iter(self._ended))]
            session.ended.set()
            # Written at the end: a server that is killed forgets what its live sessions have sent.
            await self._accounts.add_used(session.owner, session.meter.day, session.received_s)

    async def drain(self, within_s: float) -> None:
        """Opens no session any more; each ends with ``shutdown`` when its present turn is over.

        Returns when all have ended, or after ``within_s``; the rest is for ``aclose``.
        """
        self._draining = True
        for session in list(self._sessions.values()):
            session.finish("shutdown")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    async def aclose(self, reason: str = "shutdown") -> None:
        """Ends every session; none can be opened any more."""
        self._draining = True
        for session in list(self._sessions.values()):
            session.end(reason)
        tasks = list(self._tasks)
        if not tasks:
            return
        _, hanging = await asyncio.wait(tasks, timeout=2 * self._settings.turns.cancel_budget_s)
        for task in hanging:
            task.cancel()


def _check_length(name: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise ValidationError(
            f"{name} has {len(text)} characters; at most {limit} are allowed.",
            code="too_long",
            details={"field": name, "max_characters": limit, "provided_characters": len(text)},
        )
