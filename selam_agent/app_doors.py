"""The doors besides Socket.IO, put together with what they store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from selam_agent import __version__, app_foreign_doors, events
from selam_agent.errors import SessionError, SettingsError
from selam_agent.languages.packs import Packs
from selam_agent.metrics import Metrics
from selam_agent.records import Records
from selam_agent.session.registry import Registry
from selam_agent.settings import Settings
from selam_agent.store import KeyStore
from selam_agent.store_agents import AgentStore
from selam_agent.store_database import Database
from selam_agent.store_files import RecordFiles
from selam_agent.store_records import RecordStore
from selam_agent.wire.api.agents import session_object
from selam_agent.wire.api.routes import DOCUMENT, PREFIXES, Api
from selam_agent.wire.assemblyai.door import AssemblyAIDoor
from selam_agent.wire.limits import Limits
from selam_agent.wire.tokens import TemporaryTokens
from selam_agent.wire.twilio.door import PATH, TwilioDoor

log = logging.getLogger(__name__)

# A caller waits for the answer; a database that takes longer is down.
_STORE_S = 5.0

# These ask for the key themselves.
PATHS = ("/v1/ws", "/v1/realtime", PATH, DOCUMENT, *PREFIXES)


class Doors:
    """Made with the app; ``open`` before serving, ``aclose`` after the registry."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._expiry: asyncio.Task[None] | None = None
        server = settings.server
        self._database = Database.of(server.data_dir, server.database_url)
        self._use(self._database)

    def _use(self, database: Database) -> None:
        self._database = database
        self._agents = AgentStore(database)
        self._stored = RecordStore(database)
        keep, ttl = self._settings.records.keep, self._settings.records.ttl
        self._files = RecordFiles(self._settings.server.data_dir / "records")
        self._records = Records(self._stored, self._files, keep, ttl)

    def watch(self, session_id: str, owner: str) -> Callable[[events.Event], None] | None:
        """What takes notes of a session."""
        return self._records.watch(session_id, owner)

    def build(
        self,
        registry: Registry,
        *,
        packs: Packs,
        keys: KeyStore,
        tokens: TemporaryTokens,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        """Makes the doors of this registry."""
        self.assemblyai = AssemblyAIDoor(
            registry=registry,
            packs=packs,
            keys=keys,
            tokens=tokens,
            turns=self._settings.turns,
            limits=limits,
            metrics=metrics,
            find_agent=self._find_agent,
            described=self._describe,
        )
        self.twilio = TwilioDoor(
            self._settings.twilio,
            registry=registry,
            packs=packs,
            keys=keys,
            tokens=tokens,
            limits=limits,
            metrics=metrics,
            public_url=self._settings.server.public_url,
            find_agent=self._find_agent,
            described=self._describe,
        )
        self._foreign = app_foreign_doors.load(self._settings.server.doors, registry=registry, keys=keys)
        self._keys, self._tokens = keys, tokens

    async def open(self) -> None:
        """Opens the database. Raises SettingsError."""
        try:
            await self._database.open()
        except SettingsError as error:
            if self._settings.server.database_url:
                raise
            # As with keys: a server whose key comes from outside needs no disk.
            log.warning("%s; agents and records are forgotten when the server stops", error.message)
            await self._database.aclose()
            self._use(Database.of(self._settings.server.data_dir, "sqlite+aiosqlite://"))
            await self._database.open()
        self._stored.start()
        self._files.start()
        self._expiry = asyncio.create_task(self._records.keep_expiring(), name="expiry of session records")
        self.api = Api(
            keys=self._keys,
            tokens=self._tokens,
            agents=self._agents,
            records=self._stored,
            files=self._files,
            notes=self._records,
            public_url=self._settings.server.public_url,
            version=__version__,
            fits=self.assemblyai.fits,
            changed=self.assemblyai.agent_changed,
        )

    def attach(self, app: web.Application) -> None:
        """After ``open``."""
        self.assemblyai.attach(app)
        self.api.attach(app)
        self.twilio.attach(app)
        for door in self._foreign:
            door.attach(app)

    @property
    def connections(self) -> int:
        return self.assemblyai.connections + self.twilio.connections

    async def aclose(self) -> None:
        """Says goodbye to the clients and writes what is to be remembered."""
        await asyncio.gather(self.assemblyai.aclose(), self.twilio.aclose())
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        await self._stored.aclose()
        await self._files.aclose()
        await self._database.aclose()

    def _describe(self, session_id: str, agent_id: str | None, config: Mapping[str, Any]) -> None:
        self._records.describe(session_id, agent_id=agent_id, config=config)

    async def _find_agent(self, owner: str, agent_id: str) -> Mapping[str, Any] | None:
        try:
            async with asyncio.timeout(_STORE_S):
                agent = await self._agents.get(owner, agent_id)
        except (TimeoutError, SQLAlchemyError) as error:
            log.error("the stored agents cannot be read: %r", error)
            raise SessionError(
                "The stored agents cannot be read now.", code="internal_error", retryable=True
            ) from None
        return None if agent is None else session_object(agent)
