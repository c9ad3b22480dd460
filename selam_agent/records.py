"""What is remembered of a session, made from its events: as much as ``records.keep`` allows.

``metadata``: when who spoke, what was decided and why, how long each stage took, which tools were called,
how it ended. ``text``: also the words, the tools' arguments and results, and the configuration. ``audio``:
also both sides of the call.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from selam_agent import events, events_signals
from selam_agent.records_rows import Rows, plain
from selam_agent.settings import Keep
from selam_agent.store_files import RecordFiles
from selam_agent.store_records import RecordStore, SessionRecord

log = logging.getLogger(__name__)

# A session of three hours with a turn every five seconds.
_MAX_TURNS = 2_048
_MAX_CHANGES = 256
_MAX_EVENTS = 8_192
_STORE_S = 10.0
# The recogniser is asked every few frames while somebody speaks over the agent: the tape has that.
_QUIET = frozenset({"listen"})
_PUBLIC = {
    "client": "client_end",
    "agent": "agent_end",
    "disconnected": "client_disconnect",
    "idle": "idle_timeout",
    "shutdown": "server_shutdown",
    "error": "server_error",
}


class Records:
    """The records of all sessions; ``watch`` is what the registry asks for each."""

    def __init__(self, store: RecordStore, files: RecordFiles, keep: Keep, ttl_days: float = 0) -> None:
        self._store = store
        self._files = files
        self._keep = keep
        self._ttl_s = ttl_days * 86_400
        self._open: dict[str, SessionNotes] = {}

    def watch(self, session_id: str, owner: str) -> Callable[[events.Event], None] | None:
        """What sees the events of a session (see ``Line``); None when nothing is kept."""
        if self._keep == "none":
            return None
        words = self._keep in ("text", "audio")
        notes = SessionNotes(session_id, owner, self._write, self._files, words=words)
        self._open[session_id] = notes
        return notes

    def describe(self, session_id: str, *, agent_id: str | None, config: Mapping[str, Any]) -> None:
        """What a door knows of a session that its events do not tell; right after it was opened."""
        if (notes := self._open.get(session_id)) is not None:
            notes.describe(agent_id, config)

    def events_so_far(self, owner: str, session_id: str) -> list[dict[str, Any]] | None:
        """The decisions of a session that goes on; None when there is none of this key's."""
        notes = self._open.get(session_id)
        return notes.decisions.all() if notes is not None and notes.owner == owner else None

    async def expire(self) -> None:
        """Erases what is older than it may become."""
        if self._ttl_s:
            await self._files.delete(await self._store.expire(time.time() - self._ttl_s))

    async def keep_expiring(self) -> None:
        """Does so now and every hour; to be cancelled."""
        while True:
            try:
                await self.expire()
            except (SQLAlchemyError, OSError):  # TimeoutError is one
                log.exception("old session records could not be erased")
            await asyncio.sleep(3_600)

    async def delete(self, owner: str, session_id: str) -> bool:
        """Erases all that is stored of an ended session; whether there was one. Raises TimeoutError."""
        async with asyncio.timeout(_STORE_S):
            await self._store.flush()
        if not await self._store.delete(owner, session_id):
            return False
        await self._files.delete([session_id])
        return True

    def _write(self, record: SessionRecord) -> None:
        if record.ended is not None:
            self._open.pop(record.id, None)
        self._store.put(record)


class SessionNotes:
    """Takes notes of one session. ``words``: of what was said, too."""

    def __init__(
        self,
        session_id: str,
        owner: str,
        write: Callable[[SessionRecord], None],
        files: RecordFiles,
        *,
        words: bool,
    ) -> None:
        self._id = session_id
        self.owner = owner
        self._write = write
        self._files = files
        self._words = words
        self._clock = asyncio.get_running_loop().time
        self._began, self._created = self._clock(), time.time()
        self._agent_id: str | None = None
        self._config: Mapping[str, Any] | None = None
        # The caller's side of the turns that have no answer yet, by number.
        self._said: dict[int, dict[str, Any]] = {}
        # Those whose reply is over; the reply that goes on.
        self._turns = Rows()
        self._reply: dict[str, Any] | None = None
        self._changes: list[dict[str, Any]] = []
        self._calls: dict[str, dict[str, Any]] = {}
        self.decisions = Rows()

    def __call__(self, event: events.Event) -> None:
        if (teller := _TELLERS.get(type(event))) is not None:
            teller(self, event)

    def describe(self, agent_id: str | None, config: Mapping[str, Any]) -> None:
        self._agent_id = agent_id
        self._config = dict(config) if self._words else None

    # ------------------------------------------------------------ events

    def _started(self, event: events.SessionStarted) -> None:
        if not event.resumed:
            self._put()

    def _updated(self, event: events.SessionUpdated) -> None:
        if len(self._changes) < _MAX_CHANGES:
            changed = dict(event.changes) if self._words else sorted(event.changes)
            self._changes.append({"at_ms": self._now(), "changes": plain(changed)})

    def _speech_started(self, event: events_signals.SpeechStarted) -> None:
        self._side(event.turn_id).setdefault("user_speech_started_at_ms", self._now())

    def _speech_stopped(self, event: events_signals.SpeechStopped) -> None:
        self._side(event.turn_id)["user_speech_ended_at_ms"] = self._now()

    def _transcription(self, event: events.Transcription) -> None:
        if event.is_final and self._words:
            self._side(event.turn_id)["user_transcript"] = event.text

    def _reply_started(self, event: events_signals.ReplyStarted) -> None:
        self._keep_reply()
        if len(self._turns) >= _MAX_TURNS:
            return
        self._reply = {
            "turn_id": f"turn_{len(self._turns) + 1}",
            "item_id": event.reply_id,
            "status": "created",
            "trigger": event.trigger,
            **self._said.pop(event.turn_id, {}),
        }

    def _audio(self, _: events.AudioChunk) -> None:
        reply = self._reply
        if reply is None or "agent_reply_started_at_ms" in reply:
            return
        now = reply["agent_reply_started_at_ms"] = self._now()
        if (ended := reply.get("user_speech_ended_at_ms")) is not None:
            reply["time_to_first_audio_ms"] = now - ended

    def _tool_call(self, event: events.ToolCall) -> None:
        if self._reply is None or event.call_id in self._calls:
            return
        call: dict[str, Any] = {"call_id": event.call_id, "name": event.tool, "dispatched_at_ms": self._now()}
        if self._words:
            call["arguments"] = plain(event.arguments)
        self._calls[event.call_id] = call
        self._reply.setdefault("tool_calls", []).append(call)

    def _tool_ended(self, event: events_signals.ToolEnded) -> None:
        if (call := self._calls.pop(event.call_id, None)) is None:
            return
        now = self._now()
        call |= {"result_received_at_ms": now, "duration_ms": now - call["dispatched_at_ms"]}
        call |= {"timed_out": event.timed_out, "is_error": event.timed_out}
        if self._words:
            call["result"] = event.result

    def _reply_ended(self, event: events_signals.ReplyEnded) -> None:
        reply = self._reply
        if reply is None:
            return
        now = self._now()
        reply |= {"status": "completed", "agent_reply_ended_at_ms": now}
        if event.interrupted:
            reply["interrupted_at_ms"] = now
        if self._words:
            reply["agent_text"] = event.spoken_text
        self._keep_reply()

    def _decided(self, event: events.Decision) -> None:
        if event.decision in _QUIET or len(self.decisions) >= _MAX_EVENTS:
            return
        about = {"decision": event.decision, "reason": event.reason, "turn_id": event.turn_id}
        self.decisions.append({"type": "decision", "at_ms": self._now(), **about})

    def _measured(self, event: events.TurnMetrics) -> None:
        if len(self.decisions) < _MAX_EVENTS:
            self.decisions.append({"type": "turn_metrics", "at_ms": self._now(), **asdict(event)})

    def _taped(self, event: events_signals.Taped) -> None:
        self._files.add_tape(self._id, event.tape)

    def _recorded(self, event: events_signals.Recorded) -> None:
        self._files.add_audio(self._id, event.pcm)

    def _ended(self, event: events.SessionEnded) -> None:
        self._put(event)

    # ------------------------------------------------------------ inside

    def _side(self, number: int) -> dict[str, Any]:
        while len(self._said) >= 32:
            del self._said[next(iter(self._said))]
        return self._said.setdefault(number, {})

    def _keep_reply(self) -> None:
        if self._reply is not None:
            self._turns.append(self._reply)
        self._reply = None
        self._calls.clear()

    def _now(self) -> int:
        return round((self._clock() - self._began) * 1000)

    def _put(self, end: events.SessionEnded | None = None) -> None:
        self._keep_reply()
        timeline: dict[str, Any] = {
            "session_id": self._id,
            "started_at_unix_ms": round(self._created * 1000),
        }
        # Turns that nobody answered are part of the story.
        unanswered = [{"status": "created", "trigger": "user_speech", **each} for each in self._said.values()]
        if turns := [*self._turns.all(), *unanswered]:
            timeline["turns"] = turns
        if self._changes:
            timeline["config_changes"] = self._changes
        reason = None
        if end is not None:
            reason = _PUBLIC.get(end.reason, end.reason)
            timeline["ended"] = {
                "reason": end.reason,
                "public_reason": reason,
                "duration_seconds": end.duration_s,
            }
        self._write(
            SessionRecord(
                id=self._id,
                owner=self.owner,
                agent_id=self._agent_id,
                status="created" if end is None else "completed",
                close_reason=reason,
                created=self._created,
                ended=None if end is None else self._created + end.duration_s,
                config=self._config,
                timeline=None if end is None else timeline,
                events=None if end is None else self.decisions.all(),
            )
        )


_TELLERS: dict[type[events.Event], Callable[[SessionNotes, Any], None]] = {
    events.SessionStarted: SessionNotes._started,
    events.SessionUpdated: SessionNotes._updated,
    events_signals.SpeechStarted: SessionNotes._speech_started,
    events_signals.SpeechStopped: SessionNotes._speech_stopped,
    events.Transcription: SessionNotes._transcription,
    events_signals.ReplyStarted: SessionNotes._reply_started,
    events.AudioChunk: SessionNotes._audio,
    events.ToolCall: SessionNotes._tool_call,
    events_signals.ToolEnded: SessionNotes._tool_ended,
    events_signals.ReplyEnded: SessionNotes._reply_ended,
    events.Decision: SessionNotes._decided,
    events.TurnMetrics: SessionNotes._measured,
    events_signals.Taped: SessionNotes._taped,
    events_signals.Recorded: SessionNotes._recorded,
    events.SessionEnded: SessionNotes._ended,
}
