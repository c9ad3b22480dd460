"""One client of the SelamGPT protocol: what it may send, and what happens then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from selam_agent.errors import SelamError, SessionError, ValidationError
from selam_agent.events import Connected
from selam_agent.store import Key
from selam_agent.wire.formats import parse_audio, parse_control
from selam_agent.wire.selam_outlet import ConnectionOutlet
from selam_agent.wire.transport import MALFORMED

if TYPE_CHECKING:
    from selam_agent.session.session import Session

log = logging.getLogger(__name__)


class Door(Protocol):
    """What a connection asks of the namespace."""

    def outlet_for(self, connection: Connection) -> ConnectionOutlet: ...

    def open_session(self, connection: Connection, data: object) -> Session: ...


class Connection:
    """One client on the namespace: its key, its way out and, between start and end, its session."""

    def __init__(self, door: Door, sid: str, eio_sid: str) -> None:
        self.sid = sid
        self.eio_sid = eio_sid
        self.key: Key | None = None
        self.voice = ""
        self.session: Session | None = None
        self._session_over = False
        self._door = door
        self.outlet = door.outlet_for(self)
        # name → (number of arguments, handler)
        self._events: dict[str, tuple[int, Callable[..., None]]] = {
            "start_session": (1, self._start_session),
            "audio_chunk": (1, self._audio_chunk),
            "control": (1, self._control),
            "end_session": (0, self._end_session),
        }

    def accept(self, key: Key, voice: str) -> None:
        self.key = key
        self.voice = voice
        self.outlet.send(
            Connected(sid=self.sid, voice=voice, message="Connected to the voice agent. Send start_session.")
        )

    def receive(self, event: Any, args: tuple[Any, ...]) -> None:
        """An event of the client; whatever it is, the connection survives it."""
        if self.key is None:
            return  # refused, and about to be closed
        try:
            self._dispatch(event, args)
        except SelamError as error:
            self.outlet.refuse(error)
        except Exception:
            log.exception("handling an event of %s failed", self.sid)
            self.outlet.refuse(SessionError("The server could not handle this event.", code="internal_error"))

    def lost(self) -> None:
        """The socket is gone; its session is the registry's to keep or to end."""
        session, self.session = self.session, None
        if session is not None:
            session.abandon()
        self.outlet.close()

    def _dispatch(self, event: Any, args: tuple[Any, ...]) -> None:
        if event is MALFORMED:
            raise ValidationError(f"Malformed packet: {args[0]}.", code="malformed_packet")
        entry = self._events.get(event) if isinstance(event, str) else None
        if entry is None:
            names = list(self._events)
            shown = f" {event[:64]!r}" if isinstance(event, str) else ""
            raise ValidationError(
                f"There is no client event{shown}; there are {', '.join(names)}.",
                code="unknown_event",
                details={"events": names},
            )
        arity, handler = entry
        if arity == 0 and args in ((None,), ({},)):
            args = ()  # what several clients send for "no payload"
        if len(args) != arity:
            raise ValidationError(
                f"{event} takes {'one argument' if arity else 'no argument'}, not {len(args)}.",
                code="wrong_arity",
            )
        handler(*args)

    def _start_session(self, data: object) -> None:
        self.session = self._door.open_session(self, data)
        self._session_over = False

    def _audio_chunk(self, data: object) -> None:
        session = self._running()
        audio = parse_audio(data)
        session.hear(audio.data, format=audio.format, sample_rate=audio.sample_rate)

    def _control(self, data: object) -> None:
        action = parse_control(data)
        self._running().control(action)

    def _end_session(self) -> None:
        session = self._running()
        # Kept until it has ended, so that a next session does not start before.
        self._session_over = True
        session.end("client")

    def _running(self) -> Session:
        if self.session is None or self._session_over or self.session.ended.is_set():
            raise SessionError("There is no session; send start_session first.", code="no_session")
        return self.session
