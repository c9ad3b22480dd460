"""``/v1/sessions``: what is remembered of a key's own sessions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from aiohttp import web

from selam_agent.errors import ValidationError
from selam_agent.store_files import RecordFiles
from selam_agent.store_records import RecordStore, SessionRecord
from selam_agent.wire.api import models
from selam_agent.wire.api.agents import rfc3339
from selam_agent.wire.api.envelope import ApiError, answer, invalid, not_found, query_of

_LINK_S = 3_600
_ARTIFACTS = ("timeline", "metadata")
_CONTENT_TYPES = {
    "timeline": "application/json",
    "metadata": "application/json",
    "tape": "application/jsonl",
    "audio": "audio/wav",
}


class Notes(Protocol):
    """What is known of sessions that may still go on."""

    def events_so_far(self, owner: str, session_id: str) -> list[dict[str, Any]] | None: ...

    async def delete(self, owner: str, session_id: str) -> bool: ...


class SessionRoutes:
    """The handlers; ``owner_of`` gives the id of the request's key.

    Links to artifacts carry a signature instead of a key, as that service's do; a restart voids them.
    """

    def __init__(
        self,
        store: RecordStore,
        files: RecordFiles,
        notes: Notes,
        *,
        owner_of: Callable[[web.Request], str],
        public_url: str,
    ) -> None:
        self._store = store
        self._files = files
        self._notes = notes
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
        kinds = [*_ARTIFACTS, *self._files.kinds(record.id)] if record.timeline is not None else []
        artifacts = [
            {"type": kind, "url": self._link(request, record, kind), "content_type": _CONTENT_TYPES[kind]}
            for kind in kinds
        ]
        return answer({**_summary(record), "config": record.config, "artifacts": artifacts})

    async def delete(self, request: web.Request) -> web.Response:
        """Erases everything that is stored of the session."""
        if not await self._notes.delete(self._owner_of(request), request.match_info["id"]):
            raise not_found("session_not_found", "session")
        return web.Response(status=204)

    async def events(self, request: web.Request) -> web.Response:
        """Why it waited, answered and stopped, and what each turn took; also while the session goes on."""
        owner, session_id = self._owner_of(request), request.match_info["id"]
        events: Sequence[Mapping[str, Any]] | None = self._notes.events_so_far(owner, session_id)
        if events is None:
            events = (await self._find(owner, request)).events or []
        return answer({"session_id": session_id, "events": list(events)})

    async def artifact(self, request: web.Request) -> web.StreamResponse:
        """A timeline, its metadata, the tape of the decisions or the audio, by a signed link."""
        kind, session_id = request.match_info["kind"], request.match_info["id"]
        owner, expires = request.query.get("owner", ""), request.query.get("expires", "")
        signature = request.query.get("signature", "")
        right = hmac.compare_digest(signature.encode(), self._sign(owner, session_id, kind, expires).encode())
        if not right or int(expires) < time.time():
            raise ApiError(401, "unauthorized", "The link has expired or was changed.")
        record = await self._find(owner, request)
        if kind in _CONTENT_TYPES and kind not in _ARTIFACTS:
            path = self._files.find(kind, record.id)
            if path is not None:
                return web.FileResponse(path, headers={"Content-Type": _CONTENT_TYPES[kind]})
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
