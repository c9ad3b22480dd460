"""The web page: its files, and what it must know of this server before anybody has a key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from importlib.abc import Traversable
from importlib.resources import files
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

PREFIX: Final = "/page/"

_TYPES: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "woff2": "font/woff2",
}
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")
_TEXT: Final = ("css", "html", "js", "json", "txt")
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # A page and its scripts are of one version, or they do not fit together.
    "Cache-Control": "no-cache",
}


class Page:
    """Serves ``web/`` from memory, with entity tags.

    Args:
        facts: what ``page/facts.json`` says: the languages with their voices, phrases and texts.
        texts: English, for the ``{{name}}`` in ``index.html``: the page reads well before a script runs.
    """

    def __init__(self, facts: Callable[[], Mapping[str, Any]], texts: Mapping[str, str]) -> None:
        self._facts = facts
        self._files = dict(_read(files("selam_agent.wire").joinpath("web"), ""))
        index = self._files["index.html"].decode()
        self._files["index.html"] = _PLACE.sub(lambda match: escape(texts.get(match[1], "")), index).encode()

    def attach(self, app: web.Application) -> None:
        app.router.add_get("/", self._index)
        app.router.add_get("/favicon.ico", self._favicon)
        app.router.add_get("/favicon.svg", self._favicon)
        app.router.add_get(f"{PREFIX}facts.json", self._told)
        app.router.add_get(f"{PREFIX}{{name:.+}}", self._file)

    async def _index(self, request: web.Request) -> web.Response:
        return self._send(request, "index.html")

    async def _favicon(self, request: web.Request) -> web.Response:
        return self._send(request, "favicon.svg")

    async def _told(self, request: web.Request) -> web.Response:
        return _answer(request, orjson.dumps(self._facts()), "json")

    async def _file(self, request: web.Request) -> web.Response:
        return self._send(request, request.match_info["name"])

    def _send(self, request: web.Request, name: str) -> web.Response:
        if (body := self._files.get(name)) is None:
            raise web.HTTPNotFound
        return _answer(request, body, name.rpartition(".")[2])


def _answer(request: web.Request, body: bytes, kind: str) -> web.Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {**_HEADERS, hdrs.ETAG: tag}
    if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
        return web.Response(status=304, headers=headers)
    charset = "utf-8" if kind in _TEXT else None
    return web.Response(body=body, content_type=_TYPES[kind], charset=charset, headers=headers)


def _read(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _read(each, f"{path}{each.name}/")
        elif each.name.rpartition(".")[2] in _TYPES:
            yield path + each.name, each.read_bytes()
