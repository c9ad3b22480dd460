"""The JSON error envelope of the HTTP routes."""

from __future__ import annotations

import orjson
from aiohttp import web


def error_response(
    status: int, type_: str, code: str, message: str, *, headers: dict[str, str] | None = None
) -> web.Response:
    """``{"error": {"message", "type", "code"}}`` with ``status``."""
    body = orjson.dumps({"error": {"message": message, "type": type_, "code": code}})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
