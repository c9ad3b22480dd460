"""One telephone call: what Twilio sends, and what it is sent.

Every piece of audio is followed by a mark with the place up to which it plays. Twilio returns a mark
when all before it has been played: that is the playhead, so what was heard of an interrupted reply
is known to a piece.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from selam_agent import events
from selam_agent.errors import SelamError
from selam_agent.session.session import Session
from selam_agent.wire import base64_audio
from selam_agent.wire.json_socket import JsonSocket

log = logging.getLogger(__name__)

# Digits that follow each other faster than this belong together; # ends them at once.
_DIGITS_S = 1.5
_MAX_DIGITS = 64
_KEYS = frozenset("0123456789*#")

# Opens the session of a call, given its custom parameters and its outlet. Raises SelamError.
Open = Callable[[Mapping[str, str], "Call"], Awaitable[Session]]


class Call:
    """A connection from Twilio, and the outlet of its session."""

    def __init__(self, socket: JsonSocket, open_session: Open) -> None:
        self._socket = socket
        self._open = open_session
        self._session: Session | None = None
        self._stream = ""
        self._digits = ""
        self._digits_timer: asyncio.TimerHandle | None = None
        # The reply being sent: its id and how much of its audio was (ms).
        self._reply, self._sent_ms = "", 0.0
        # Marks of this reply come back unplayed.
        self._cleared = ""
        self._complained = False

    @property
    def started(self) -> bool:
        """Whether the call has had a session."""
        return self._session is not None

    # ------------------------------------------------------------ from Twilio

    async def receive(self, text: str | bytes) -> None:
        """A message; one that is not as documented is passed over, since nobody could be told."""
        try:
            message = orjson.loads(text)
            event = message["event"]
            if event == "media":
                self._media(message["media"])
            elif event == "start":
                await self._start(message["start"])
            elif event == "mark":
                self._mark(message["mark"]["name"])
            elif event == "dtmf":
                self._dtmf(message["dtmf"]["digit"])
            elif event == "stop":
                self.over()
        except SelamError as error:
            self._complain(error.message)
        except (orjson.JSONDecodeError, LookupError, TypeError, ValueError) as error:
            self._complain(f"not a Media Streams message: {error!r}")

    def over(self) -> None:
        """The caller has hung up."""
        if self._digits_timer is not None:
            self._digits_timer.cancel()
        if self._session is not None and not self._session.ended.is_set():
            self._session.end("client")

    async def _start(self, start: Mapping[str, Any]) -> None:
        if self._session is not None:
            return
        self._stream = str(start["streamSid"])
        parameters = {str(name): str(value) for name, value in (start.get("customParameters") or {}).items()}
        try:
            self._session = await self._open(parameters, self)
        except SelamError as error:
            log.warning("a call was refused: %s", error.message)
            self._socket.close(1008, error.code)

    def _media(self, media: Mapping[str, Any]) -> None:
        if self._session is None or media.get("track", "inbound") != "inbound":
            return
        audio = base64_audio.decoded(media["payload"])
        self._session.hear(audio, format="pcmu", sample_rate=8_000)

    def _mark(self, name: str) -> None:
        reply_id, _, played = name.partition(":")
        if self._session is not None and reply_id != self._cleared:
            self._session.playback_position(reply_id, float(played))

    # ------------------------------------------------------------ keys

    def _dtmf(self, digit: str) -> None:
        if self._session is None or digit not in _KEYS:
            return
        if self._digits_timer is not None:
            self._digits_timer.cancel()
        if digit == "#" or len(self._digits) >= _MAX_DIGITS:
            self._digits_over()
            return
        if not self._digits:
            # Who types has heard enough.
            self._session.control("interrupt")
        self._digits += digit
        self._digits_timer = asyncio.get_running_loop().call_later(_DIGITS_S, self._digits_over)

    def _digits_over(self) -> None:
        digits, self._digits = self._digits, ""
        if digits and self._session is not None and not self._session.ended.is_set():
            self._session.text_input(digits)

    # ------------------------------------------------------------ to Twilio

    def send(self, event: events.Event) -> None:
        """The session's events, as far as a telephone has something for them."""
        if isinstance(event, events.AudioChunk):
            if event.reply_id != self._reply:
                self._reply, self._sent_ms = event.reply_id, 0.0
            self._sent_ms += event.duration_ms
            self._put("media", {"payload": event.audio}, len(event.audio), event.duration_ms)
            self._put("mark", {"name": f"{event.reply_id}:{self._sent_ms:.0f}"})
        elif isinstance(event, events.Clear):
            self._cleared = event.reply_id
            self._put("clear")
        elif isinstance(event, events.SessionEnded):
            self._socket.close(1000, event.reason)

    def _put(self, event: str, about: Any = None, size: int = 0, audio_ms: float = 0.0) -> None:
        frame = {"event": event, "streamSid": self._stream}
        if about is not None:
            frame[event] = about
        self._socket.put(frame, size=size, audio_ms=audio_ms)

    def _complain(self, problem: str) -> None:
        if not self._complained:
            self._complained = True
            log.warning("call %s: %s", self._stream, problem)
