"""Doors of other people: protocols that ``server.doors`` names and this package does not know."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from aiohttp import web

from selam_agent.errors import SettingsError
from selam_agent.session.registry import Registry
from selam_agent.store import KeyStore


@runtime_checkable
class Door(Protocol):
    """Made as ``factory(registry=…, keys=…)``; its routes ask for a key like all others of this server."""

    def attach(self, app: web.Application) -> None:
        """Adds its routes."""
        ...


def load(names: Sequence[str], *, registry: Registry, keys: KeyStore) -> list[Door]:
    """Makes the doors, each named ``import:package.module:factory``.

    Raises:
        SettingsError: it cannot be imported or made, or is no door.
    """
    return [_made(name, registry, keys) for name in names]


def _made(name: str, registry: Registry, keys: KeyStore) -> Door:
    module, _, attribute = name.removeprefix("import:").partition(":")
    try:
        door = getattr(importlib.import_module(module), attribute)(registry=registry, keys=keys)
    except SettingsError:
        raise
    except Exception as error:  # somebody else's code
        raise SettingsError(f"server.doors: {name!r}: {type(error).__name__}: {error}") from error
    if not isinstance(door, Door):
        raise SettingsError(f"server.doors: what {name!r} makes has no attach(app)")
    return door
