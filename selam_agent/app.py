"""The composition root: the only module that knows every part of the server."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from selam_agent import app_doors, app_engines, app_page, app_tls, events, metrics
from selam_agent.app_doors import Doors
from selam_agent.app_metering import MeteredTranscriber, watch_breakers, watch_loop
from selam_agent.errors import SettingsError
from selam_agent.languages import packs as language_packs
from selam_agent.languages.packs import Packs
from selam_agent.metrics import Metrics
from selam_agent.session.config import Engines
from selam_agent.session.registry import Registry
from selam_agent.session.speaker import first_engine
from selam_agent.settings import Settings
from selam_agent.store import KeyStore, Tier
from selam_agent.watch import SessionWatch
from selam_agent.wire import redact
from selam_agent.wire.limits import Limits
from selam_agent.wire.origins import Origins, origin_check
from selam_agent.wire.rest import Rest
from selam_agent.wire.selam import SelamNamespace
from selam_agent.wire.tokens import TemporaryTokens
from selam_agent.wire.transport import build_socketio

_SOCKET_PATH = "/socket.io/"

# What the kernel may hold for a client that does not read; more would hide it for many seconds.
_SEND_BUFFER = 128 * 1024
_SHUTDOWN_S = 2.0
_WARMING = "engines are warming up"


class App:
    """One server. ``await App.build(settings)``, ``await start()``, ``await stop()``.

    ``new_key`` is the secret of the key made at the very first start, to be shown once.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engines: Engines,
        packs: Packs,
        keys: KeyStore,
        limits: Limits | None = None,
        new_key: str | None = None,
    ) -> None:
        self.settings = settings
        self.engines = engines
        self.packs = packs
        self.keys = keys
        self.new_key = new_key
        self.port = 0
        self._tls = app_tls.context(settings.server)
        self._numbers = Metrics()
        self._doors = Doors(settings)
        self.registry = Registry(
            engines=replace(engines, transcriber=MeteredTranscriber(engines.transcriber, self._numbers)),
            packs=packs,
            settings=settings,
            accounts=keys,
            watch=self._watch,
        )
        limits = limits or Limits(unauthenticated_sockets=settings.server.unauthenticated_sockets)
        self._sio = build_socketio(limits)
        self.tokens = TemporaryTokens(lambda key: keys.find(key.id) is not None)
        self._door = SelamNamespace(
            self._sio,
            self.registry,
            keys,
            self.tokens,
            limits,
            self._numbers,
            fast_path=settings.server.fast_path,
        )
        self._doors.build(
            self.registry, packs=packs, keys=keys, tokens=self.tokens, limits=limits, metrics=self._numbers
        )
        self._not_ready = [_WARMING]
        self._warming: asyncio.Task[None] | None = None
        self._lag: asyncio.Task[None] | None = None
        watch_breakers(engines, self._numbers)
        self._numbers.measure(metrics.SESSIONS, lambda: len(self.registry.sessions))
        doors = (self._door, self._doors)
        self._numbers.measure(metrics.OPEN_CONNECTIONS, lambda: sum(each.connections for each in doors))
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._stopped = False

    @classmethod
    async def build(
        cls,
        settings: Settings,
        *,
        api_key: str | None = None,
        engines: Engines | None = None,
        limits: Limits | None = None,
    ) -> App:
        """Reads packs and keys and makes the engines.

        Args:
            settings: the whole tree.
            api_key: an OWNER key from outside (``SELAM_API_KEY``); nothing is stored for it.
            engines: ready engines instead of those that the settings name.
            limits: bounds of the sockets, for tests.

        Raises:
            SettingsError: a setting, a pack, the data directory, an engine or a certificate cannot be used.
        """
        if settings.server.offline:
            app_engines.go_offline()
        keys = KeyStore.open(settings.server.data_dir, api_key=api_key)
        packs = language_packs.load(more=settings.server.voices_dir).preferring("openai", settings.tts.voices)
        if engines is None:
            # Loading models takes seconds and holds no lock the loop needs.
            engines = await asyncio.to_thread(app_engines.build, settings, packs)
        new_key = keys.create(Tier.OWNER, "first start")[1] if keys.empty else None
        return cls(settings, engines=engines, packs=packs, keys=keys, limits=limits, new_key=new_key)

    @property
    def url(self) -> str:
        """Where this machine reaches the server; any address is reached through loopback."""
        host = self.settings.server.host
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    async def start(self) -> int:
        """Binds and serves; ``/readyz`` answers 200 once the engines are warm.

        Returns:
            The port, also when the settings ask for any (0).

        Raises:
            SettingsError: the address cannot be used.
        """
        redact.install()
        await self._doors.open()
        rest = Rest(
            keys=self.keys,
            voices=self.voices,
            not_ready=lambda: self._not_ready,
            exposition=self._numbers.exposition,
            doors=(_SOCKET_PATH, *app_doors.PATHS),
            page=app_page.page(self.engines, self.packs, self.voices),
            say=app_page.say(self.engines, self.packs),
            owner_of=self.registry.owner_of,
        )
        origins = origin_check(Origins(self.settings.server.cors_origins), socket_path=_SOCKET_PATH)
        web_app = web.Application(middlewares=[origins, self._doors.api.guard, rest.guard])
        rest.attach(web_app)
        self._sio.attach(web_app)
        self._doors.attach(web_app)
        listener = _bind(self.settings.server.host, self.settings.server.port)
        self.port = listener.getsockname()[1]
        self._runner = web.AppRunner(
            web_app,
            access_log=logging.getLogger("selam_agent.access"),
            shutdown_timeout=_SHUTDOWN_S,
        )
        await self._runner.setup()
        self._site = web.SockSite(self._runner, listener, ssl_context=self._tls)
        await self._site.start()
        self._warming = asyncio.create_task(self._warm(), name="warm engines")
        self._lag = asyncio.create_task(watch_loop(self._numbers), name="event loop lag")
        return self.port

    async def warm(self) -> None:
        """Waits until the engines are warm."""
        if self._warming is not None:
            await asyncio.shield(self._warming)

    async def drain(self) -> None:
        """Is ready no more, opens no sessions, and lets the present turns end, ``server.drain_s`` at most.

        New connections still get an answer, so that their clients learn why. ``stop`` must follow.
        """
        self._not_ready = ["shutting down"]
        await self.registry.drain(self.settings.server.drain_s)

    async def stop(self) -> None:
        """Takes no new connections, ends the sessions, lets the goodbyes leave, closes everything.

        Safe to call again.
        """
        if self._stopped:
            return
        self._stopped = True
        self._not_ready = ["shutting down"]
        if self._site is not None:
            await self._site.stop()
            self._site = None
        for task in (self._warming, self._lag):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.registry.aclose("shutdown")
        await asyncio.gather(self._door.aclose(), self._doors.aclose())
        await self._sio.shutdown()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._sio.eio.end_tasks()
        await app_engines.close(self.engines)

    @property
    def lan_url(self) -> str | None:
        """Where other machines of the network reach the server, if they do."""
        if self.settings.server.host not in ("0.0.0.0", "::", "") or (lan := app_tls.lan_address()) is None:
            return None
        return f"{self.url.partition(':')[0]}://{lan}:{self.port}"

    def _watch(self, session_id: str, owner: str) -> Callable[[events.Event], None]:
        numbers = SessionWatch(session_id, owner, self._numbers)
        notes = self._doors.watch(session_id, owner)
        if notes is None:
            return numbers

        def both(event: events.Event) -> None:
            numbers(event)
            notes(event)

        return both

    def page_link(self, base: str | None = None) -> str | None:
        """The page's address with a token that opens it once, within ten minutes; None: no key would.

        The token stands behind ``#``, which browsers keep to themselves. ``base``: another address
        under which the server is reached.
        """
        key = self.keys.an_owner()
        if key is None:
            return None
        return f"{base or self.url}/#token={self.tokens.create(key, expires_in_seconds=600, renewable=True)}"

    def voices(self) -> list[dict[str, Any]]:
        """Every voice, and which of its engines would speak here (None: none is configured)."""
        rows = []
        for pack, voice in self.packs.voices():
            names = [str(each["engine"]) for each in voice.engines]
            rows.append(
                {
                    "name": voice.name,
                    "language": pack.code,
                    "language_name": pack.name,
                    "gender": voice.gender,
                    "engines": names,
                    "engine": first_engine(voice, self.engines),
                }
            )
        return rows

    async def _warm(self) -> None:
        await app_engines.warm(self.engines, self.packs)
        if self._not_ready == [_WARMING]:
            self._not_ready = []


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family[0], socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            listener.bind(family[4])
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"server.host, server.port: cannot listen on {host}:{port}: {reason}") from error
    return listener
