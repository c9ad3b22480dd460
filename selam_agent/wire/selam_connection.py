"""One client of the SelamGPT protocol: what it may send, and what happens then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from selam_agent.errors import SelamError, SessionError, ValidationError
from selam_agent.events import Connected
from selam_agent.wire.audio_packets import AudioPackets
from selam_agent.wire.formats import (
    AudioIn,
    parse_audio,
    parse_control,
    parse_position,
    parse_text,
    parse_tool_result,
)
from selam_agent.wire.selam_outlet import ConnectionOutlet, SessionOutlet
from selam_agent.wire.tokens import Identity
from selam_agent.wire.transport import EVENT, MALFORMED
from selam_agent.wire.wishes import parse_update

if TYPE_CHECKING:
    from selam_agent.session.session import Session

log = logging.getLogger(__name__)


class Door(Protocol):
    """What a connection asks of the namespace."""

    def outlet_for(self, sid: str, eio_sid: str) -> ConnectionOutlet: ...

    def open_session(self, connection: Connection, data: object) -> tuple[Session, SessionOutlet]: ...


class Connection:
    """One client on the namespace: who it is, its way out and, between start and end, its session."""

    def __init__(self, door: Door, sid: str, eio_sid: str) -> None:
        self.sid = sid
        self.eio_sid = eio_sid
        self.identity: Identity | None = None
        self.voice = ""
        self.session: Session | None = None
        self._session_outlet: SessionOutlet | None = None
        self._session_over = False
        self._door = door
        self._packets = AudioPackets()
        # The audio of a packet like those before; None: ``hear`` must look at it.
        self.read = self._packets.read
        self.outlet = door.outlet_for(sid, eio_sid)

    def accept(self, identity: Identity, voice: str, next_token: str | None) -> None:
        self.identity = identity
        self.voice = voice
        message = "Connected to the voice agent. Send start_session."
        self.outlet.send(Connected(sid=self.sid, voice=voice, message=message, next_token=next_token))

    def receive(self, event: Any, args: tuple[Any, ...]) -> None:
        """An event of the client; whatever it is, the connection survives it."""
        if self.identity is None:
            return  # refused, and about to be closed
        try:
            self._dispatch(event, args)
        except Exception as error:
            self._refuse(error)

    def hear(self, packet: str, arrived: float) -> bool:
        """``receive`` for the text of an ``audio_chunk``; false when it is something else after all.

        ``arrived``: when (loop time, s).
        """
        packets = self._packets
        payload: Any = None
        if (audio := packets.read(packet)) is None:
            try:
                _, payload = orjson.loads(packet[len(EVENT) :])
            except ValueError:
                return False
        if self.identity is None:
            return True
        try:
            if audio is None:
                meant = self._audio_chunk(payload, arrived)
                packets.learn(packet, payload["audio"], meant)
            else:
                self._running().hear(
                    audio, format=packets.format, sample_rate=packets.sample_rate, arrived=arrived
                )
        except Exception as error:
            self._refuse(error)
        return True

    def hear_all(self, audio: list[bytes], arrived: float) -> None:
        """``hear`` for packets that were ``read``."""
        packets = self._packets
        try:
            self._running().hear(
                *audio, format=packets.format, sample_rate=packets.sample_rate, arrived=arrived
            )
        except Exception as error:
            self._refuse(error)

    def lost(self, *, left: bool) -> None:
        """The socket is gone. A client that ``left`` ends its session; else it may come back to it."""
        session, self.session = self.session, None
        if session is not None and self._session_outlet is not None and session.uses(self._session_outlet):
            if left or self._session_over:
                session.abandon()
            else:
                session.detach(self._session_outlet)
        self.outlet.close()

    def _refuse(self, error: Exception) -> None:
        if not isinstance(error, SelamError):
            log.error("handling an event of %s failed", self.sid, exc_info=error)
            error = SessionError("The server could not handle this event.", code="internal_error")
        self.outlet.refuse(error)

    def _dispatch(self, event: Any, args: tuple[Any, ...]) -> None:
        if event is MALFORMED:
            raise ValidationError(f"Malformed packet: {args[0]}.", code="malformed_packet")
        entry = _EVENTS.get(event) if isinstance(event, str) else None
        if entry is None:
            names = list(_EVENTS)
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
        handler(self, *args)

    def _start_session(self, data: object) -> None:
        self.session, self._session_outlet = self._door.open_session(self, data)
        self._session_over = False

    def _audio_chunk(self, data: object, arrived: float | None = None) -> AudioIn:
        session = self._running()
        audio = parse_audio(data)
        session.hear(audio.data, format=audio.format, sample_rate=audio.sample_rate, arrived=arrived)
        return audio

    def _control(self, data: object) -> None:
        action = parse_control(data)
        self._running().control(action)

    def _text_input(self, data: object) -> None:
        text = parse_text(data)
        self._running().text_input(text)

    def _tool_result(self, data: object) -> None:
        given = parse_tool_result(data)
        self._running().tool_result(given.call_id, given.result, is_error=given.is_error)

    def _playback_position(self, data: object) -> None:
        position = parse_position(data)
        self._running().playback_position(position.reply_id, position.played_ms)

    def _update_session(self, data: object) -> None:
        changes = parse_update(data)
        self._running().update(changes)

    def _end_session(self) -> None:
        session = self._running()
        # Kept until it has ended, so that a next session does not start before.
        self._session_over = True
        session.end("client")

    def _running(self) -> Session:
        if self.session is None or self._session_over or self.session.ended.is_set():
            raise SessionError("There is no session; send start_session first.", code="no_session")
        if self._session_outlet is not None and not self.session.uses(self._session_outlet):
            raise SessionError("The session goes on at another connection.", code="no_session")
        return self.session


# name → (number of arguments, handler)
_EVENTS: dict[str, tuple[int, Callable[..., object]]] = {
    "start_session": (1, Connection._start_session),
    "audio_chunk": (1, Connection._audio_chunk),
    "control": (1, Connection._control),
    "text_input": (1, Connection._text_input),
    "tool_result": (1, Connection._tool_result),
    "playback_position": (1, Connection._playback_position),
    "update_session": (1, Connection._update_session),
    "end_session": (0, Connection._end_session),
}
