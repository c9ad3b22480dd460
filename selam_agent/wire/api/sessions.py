"""``/v1/sessions``: what is remembered of a key's own sessions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from selam_agent.errors import ValidationError
from selam_agent.store_records import RecordStore, SessionRecord
from selam_agent.wire.api import models
from selam_agent.wire.api.agents import rfc3339
from selam_agent.wire.api.envelope import ApiError, answer, invalid, not_found, query_of

_LINK_S = 3_600
_ARTIFACTS = ("timeline", "metadata")


class SessionRoutes:
    """The handlers; ``owner_of`` gives the id of the request's key.

    Links to artifacts carry a signature instead of a key, as that service's do; a restart voids them.
    """

    def __init__(
        self, store: RecordStore, *, owner_of: Callable[[web.Request], str], public_url: str
    ) -> None:
        self._store = store
        self._owner_of = owner_of
        self._public_url = public_url.rstrip("/")
        self._secret = secrets.token_bytes(32)

    async def list(self, request: web.Request) -> web.Response:
        query = query_of(request, models.SessionQuery)
        try:
            page = await self._store.list(
                self._owner_of(request),
                limit=query.limit,
                cursor=query.cursor,
                status=query.status,
                agent_id=query.agent_id,
            )
        except ValidationError as error:
            raise invalid(error.message, "cursor") from None
        return answer(
            {
                "sessions": [_summary(each) for each in page.items],
                "has_more": bool(page.next_cursor),
                "response_metadata": {"next_cursor": page.next_cursor},
            }
        )

    async def get(self, request: web.Request) -> web.Response:
        record = await self._find(self._owner_of(request), request)
        artifacts = []
        if record.timeline is not None:
            artifacts = [
                {"type": kind, "url": self._link(request, record, kind), "content_type": "application/json"}
                for kind in _ARTIFACTS
            ]
        return answer({**_summary(record), "config": record.config, "artifacts": artifacts})

    async def delete(self, request: web.Request) -> web.Response:
        if not await self._store.delete(self._owner_of(request), request.match_info["id"]):
            raise not_found("session_not_found", "session")
        return web.Response(status=204)

    async def artifact(self, request: web.Request) -> web.Response:
        """A timeline or its metadata, by a signed link."""
        kind, session_id = request.match_info["kind"], request.match_info["id"]
        owner, expires = request.query.get("owner", ""), request.query.get("expires", "")
        signature = request.query.get("signature", "")
        right = hmac.compare_digest(signature.encode(), self._sign(owner, session_id, kind, expires).encode())
        if not right or int(expires) < time.time():
            raise ApiError(401, "unauthorized", "The link has expired or was changed.")
        record = await self._find(owner, request)
        if record.timeline is None or kind not in _ARTIFACTS:
            raise not_found("session_not_found", "session")
        if kind == "timeline":
            return answer(record.timeline)
        return answer(
            {
                "session_id": record.id,
                "started_at": rfc3339(record.created),
                "ended_at": None if record.ended is None else rfc3339(record.ended),
            }
        )

    async def _find(self, owner: str, request: web.Request) -> SessionRecord:
        record = await self._store.get(owner, request.match_info["id"])
        if record is None:
            raise not_found("session_not_found", "session")
        return record

    def _link(self, request: web.Request, record: SessionRecord, kind: str) -> str:
        base = self._public_url or f"{request.scheme}://{request.host}"
        expires = str(int(time.time()) + _LINK_S)
        signature = self._sign(record.owner, record.id, kind, expires)
        query = f"owner={record.owner}&expires={expires}&signature={signature}"
        return f"{base}/v1/sessions/{record.id}/artifacts/{kind}?{query}"

    def _sign(self, *parts: str) -> str:
        return hmac.new(self._secret, "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def _summary(record: SessionRecord) -> dict[str, Any]:
    ended = record.ended
    return {
        "id": record.id,
        "agent_id": record.agent_id,
        "status": record.status,
        "public_close_reason": record.close_reason,
        "duration_seconds": None if ended is None else round(ended - record.created, 3),
        "created_at": rfc3339(record.created),
        "ended_at": None if ended is None else rfc3339(ended),
    }
