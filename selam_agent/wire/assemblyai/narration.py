"""A session's events as this protocol tells them. One session's; it outlives a connection that breaks.

A reply of ours that asks for tools is several replies here: one up to the calls, the next from the
first word after their results.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from selam_agent import events, events_signals
from selam_agent.errors import SelamError
from selam_agent.wire.assemblyai.errors import error_frame

# A result for an older call is as good as lost.
_CALLS_KEPT = 512

Frames: TypeAlias = Iterator[dict[str, Any]]


def derived_id(prefix: str, *parts: object) -> str:
    """``prefix`` and 32 hexadecimal digits, the same for the same parts."""
    seed = "\0".join(map(str, parts)).encode()
    return f"{prefix}_{hashlib.blake2b(seed, digest_size=16).hexdigest()}"


def stamped(frame: dict[str, Any]) -> dict[str, Any]:
    """With the time (epoch seconds) that every frame carries."""
    return {**frame, "timestamp": time.time()}


@dataclass(slots=True)
class _Reply:
    """What this protocol calls a reply. ``base_ms``: where it begins in the audio of ours."""

    id: str
    item_id: str
    base_ms: float
    # What ours had said before.
    before: str
    audible: bool = False


class Narration:
    """See the module's docstring.

    Args:
        session_id: of the session.
        legacy: in the older dialect.
        config: the configuration to echo, asked for when it is told.
        expires_at: when the session ends at the latest, epoch seconds.
        text_only: the client wants no audio.
    """

    def __init__(
        self,
        session_id: str,
        *,
        legacy: bool,
        config: Callable[[], dict[str, Any]],
        expires_at: int,
        text_only: bool = False,
    ) -> None:
        self._session_id = session_id
        self._legacy = legacy
        self._config = config
        self._expires_at = expires_at
        self._text_only = text_only
        self._reply: _Reply | None = None
        # Of our present reply: its id, how many of theirs it was, and what those said.
        self._ours = ""
        self._parts = 0
        self._base_ms, self._said = 0.0, ""
        self._delta = ""
        self._calls: dict[str, str] = {}

    def frames(self, event: events.Event) -> Frames:
        """The frames that tell of an event; none for those that this protocol does not know."""
        teller = _TELLERS.get(type(event))
        return teller(self, event) if teller is not None else iter(())

    def ready(self, resume_token: str) -> dict[str, Any]:
        """``session.ready``."""
        return stamped(
            {
                "type": "session.ready",
                "session_id": self._session_id,
                "expires_at": self._expires_at,
                "resume_token": resume_token,
                "config": self._config(),
            }
        )

    def updated(self) -> dict[str, Any]:
        """``session.updated``."""
        return stamped({"type": "session.updated", "config": self._config()})

    def error(self, error: SelamError) -> dict[str, Any]:
        """``session.error``."""
        return stamped(error_frame(error, self._session_id))

    def ends_within(self, seconds: float) -> None:
        """The session may not last longer from now on."""
        self._expires_at = min(self._expires_at, int(time.time() + seconds))

    def tool_of(self, call_id: str) -> str | None:
        """Name of the tool that was called under this id."""
        return self._calls.get(call_id)

    def ours(self, reply_id: str) -> str | None:
        """Our id of the reply that is being told under theirs."""
        return self._ours if self._reply is not None and self._reply.id == reply_id else None

    # ------------------------------------------------------------ one event each

    def _session_started(self, event: events.SessionStarted) -> Frames:
        if event.resumed:
            yield self.ready(event.resume_token or "")
            return
        yield self.updated()
        if not self._legacy:
            yield self.ready(event.resume_token or "")

    def _session_updated(self, _: events.SessionUpdated) -> Frames:
        yield self.updated()

    def _speech_started(self, _: events_signals.SpeechStarted) -> Frames:
        self._delta = ""
        yield stamped({"type": "input.speech.started"})

    def _speech_stopped(self, _: events_signals.SpeechStopped) -> Frames:
        yield stamped({"type": "input.speech.stopped"})

    def _transcription(self, event: events.Transcription) -> Frames:
        if event.source != "speech" or (not event.is_final and event.text == self._delta):
            return
        self._delta = event.text
        kind = "transcript.user" if event.is_final else "transcript.user.delta"
        item_id = derived_id("msg", self._session_id, event.turn_id)
        yield stamped({"type": kind, "item_id": item_id, "text": event.text})

    def _reply_started(self, event: events_signals.ReplyStarted) -> Frames:
        self._ours, self._parts = event.reply_id, 0
        self._base_ms, self._said = 0.0, ""
        yield from self._begin()

    def _audio(self, event: events.AudioChunk) -> Frames:
        if self._reply is None:
            yield from self._begin()
        assert self._reply is not None
        about = {"reply_id": self._reply.id}
        self._reply.audible = True
        if not self._text_only:
            yield stamped({"type": "reply.audio", **about, "data": event.audio})
        about["item_id"] = self._reply.item_id
        for word in event.words:
            yield stamped(
                {
                    "type": "transcript.agent.delta",
                    **about,
                    "delta": f"{word.text} ",
                    "start_ms": max(0, round(word.start_ms - self._reply.base_ms)),
                    "end_ms": max(0, round(word.end_ms - self._reply.base_ms)),
                }
            )
        if not event.words:
            for token in event.text.split():
                delta = {"delta": f"{token} ", "start_ms": None, "end_ms": None}
                yield stamped({"type": "transcript.agent.delta", **about, **delta})

    def _tool_call(self, event: events.ToolCall) -> Frames:
        if self._reply is None:
            yield from self._begin()
        self._calls[event.call_id] = event.tool
        while len(self._calls) > _CALLS_KEPT:
            del self._calls[next(iter(self._calls))]
        arguments = dict(event.arguments)
        call = {"call_id": event.call_id, "name": event.tool, "arguments": arguments, "args": arguments}
        yield stamped({"type": "tool.call", **call})

    def _tools_awaited(self, event: events_signals.ToolsAwaited) -> Frames:
        yield from self._end(event.spoken_text, interrupted=False)
        self._base_ms, self._said = event.at_ms, event.spoken_text

    def _reply_ended(self, event: events_signals.ReplyEnded) -> Frames:
        yield from self._end(event.spoken_text, interrupted=event.interrupted)

    def _error(self, event: events.ErrorEvent) -> Frames:
        if event.reply_id is None:
            yield stamped(error_frame(event, self._session_id))
            return
        yield stamped(
            {
                "type": "reply.error",
                "reply_id": self._reply.id if self._reply is not None else event.reply_id,
                "code": event.code,
                "message": event.message,
                "retryable": event.retryable,
                "status_code": None,
                "provider_code": None,
                "provider_param": None,
            }
        )

    # ------------------------------------------------------------ replies

    def _begin(self) -> Frames:
        self._parts += 1
        reply_id = self._ours if self._parts == 1 else derived_id("resp", self._ours, self._parts)
        self._reply = _Reply(reply_id, derived_id("msg", reply_id), self._base_ms, self._said)
        yield stamped({"type": "reply.started", "reply_id": reply_id, "item_id": self._reply.item_id})

    def _end(self, spoken_text: str, *, interrupted: bool) -> Frames:
        reply, self._reply = self._reply, None
        if reply is None:
            return
        about = {"reply_id": reply.id}
        if reply.audible:
            text = spoken_text[len(reply.before) :].strip()
            about_item = {**about, "item_id": reply.item_id}
            yield stamped(
                {"type": "transcript.agent", **about_item, "text": text, "interrupted": interrupted}
            )
        if interrupted and self._legacy:
            yield stamped({"type": "reply.interrupted", **about})
        status = "interrupted" if interrupted else "completed"
        yield stamped({"type": "reply.done", **about, "status": status})


_TELLERS: dict[type[events.Event], Callable[[Narration, Any], Frames]] = {
    events.SessionStarted: Narration._session_started,
    events.SessionUpdated: Narration._session_updated,
    events_signals.SpeechStarted: Narration._speech_started,
    events_signals.SpeechStopped: Narration._speech_stopped,
    events.Transcription: Narration._transcription,
    events_signals.ReplyStarted: Narration._reply_started,
    events.AudioChunk: Narration._audio,
    events.ToolCall: Narration._tool_call,
    events_signals.ToolsAwaited: Narration._tools_awaited,
    events_signals.ReplyEnded: Narration._reply_ended,
    events.ErrorEvent: Narration._error,
}
