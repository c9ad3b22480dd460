"""A typed asyncio client of the voice agent, for your programs and for our own.

::

    import asyncio
    from selam_agent.client import AudioChunk, Response, SelamClient, Transcription

    async def ask(url: str, api_key: str, pcm: bytes) -> None:
        async with SelamClient(url, api_key=api_key, voice="aria") as client:
            session = await client.start_session(language="en", output_format="pcm16")
            print("listening with", session.engines["stt"]["name"])
            await client.send_audio(pcm)             # s16le mono, 16 kHz, any chunk size
            await client.send_audio(bytes(48_000))   # 1.5 s of silence: the turn has ended
            async for event in client.events():
                if isinstance(event, Transcription):
                    print("caller:", event.text)
                elif isinstance(event, Response):
                    print("agent:", event.text)
                elif isinstance(event, AudioChunk):
                    pass                             # play event.audio
                elif event.name == "audio_end":
                    await client.end_session()

    asyncio.run(ask("http://127.0.0.1:8080", "sk-…", open("question.pcm", "rb").read()))

When the connection breaks (``ConnectionLost``), the next client may go on where it stopped::

    async with SelamClient(url, api_key=api_key, voice="aria") as again:
        session = await again.resume(client.resume_token)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Literal, Unpack

import socketio

from selam_agent.client_answers import Answers
from selam_agent.client_errors import (
    ClientError,
    ClientTimeout,
    ConnectionLost,
    ConnectionRefused,
    EventsOverflow,
    RequestRefused,
)
from selam_agent.client_events import (
    AudioChunk,
    AudioEnd,
    Clear,
    ClientEvent,
    Connected,
    ControlAck,
    Decision,
    ErrorEvent,
    Response,
    ResponseDelta,
    Result,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    ToolCall,
    Transcription,
    TurnMetrics,
    Unknown,
    VoiceChanged,
    WarningEvent,
    parse_event,
)
from selam_agent.client_wishes import StartWishes, Wishes

__all__ = [
    "NAMESPACE", "AudioChunk", "AudioEnd", "Clear", "ClientError", "ClientEvent", "ClientTimeout",
    "Connected", "ConnectionLost", "ConnectionRefused", "ControlAck", "Decision", "ErrorEvent",
    "EventsOverflow", "RequestRefused", "Response", "ResponseDelta", "Result", "SelamClient",
    "SessionEnded", "SessionStarted", "SessionUpdated", "ToolCall", "Transcription", "TurnMetrics",
    "Unknown", "VoiceChanged", "WarningEvent",
]  # fmt: skip

NAMESPACE = "/v1/audio/agent"
Action = Literal["interrupt", "start_listening", "stop_listening", "pause", "resume"]


class SelamClient:
    """One connection to the voice agent, used from one event loop.

    Args:
        url: the server's address, such as ``http://127.0.0.1:8080``.
        api_key: sent in the Socket.IO ``auth`` object, never in the address.
        voice: the voice that answers unless ``start_session`` names another.
        timeout: seconds to wait for any answer.
        max_events: events kept for a slow reader; the oldest are dropped beyond it.
    """

    def __init__(
        self, url: str, *, api_key: str, voice: str, timeout: float = 15.0, max_events: int = 8192
    ) -> None:
        self._url = url.rstrip("/").removesuffix(NAMESPACE)
        self._auth = {"api_key": api_key, "voice": voice}
        self._voice = voice
        self._timeout = timeout
        self._events: deque[ClientEvent] = deque(maxlen=max_events)
        self._dropped = 0
        self._arrived = asyncio.Event()
        self._answers = Answers(timeout)
        # With it another client takes up this one's session when its connection breaks; see ``resume``.
        self.resume_token: str | None = None
        # Of the session that was started last.
        self.session_id: str | None = None
        self._closed = False
        # A session is bound to its connection: a silent reconnect would talk to nobody.
        self._sio = socketio.AsyncClient(reconnection=False)
        self._sio.on("*", self._on_event, namespace=NAMESPACE)
        self._sio.on("disconnect", self._on_disconnect, namespace=NAMESPACE)

    async def __aenter__(self) -> SelamClient:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> Connected:
        """Connects and authenticates.

        Raises:
            ConnectionRefused: the key or the voice is not accepted.
            ConnectionLost: nobody answers at the address.
            ClientTimeout: the server does not greet in time.
        """
        greeting = self._answers.expect(Connected)
        try:
            await self._sio.connect(
                self._url,
                auth=self._auth,
                namespaces=[NAMESPACE],
                transports=["websocket"],
                wait_timeout=self._timeout,
            )
            return await self._answers.wait(greeting, "connecting")
        except socketio.exceptions.ConnectionError as error:
            if greeting.done() and not greeting.cancelled():
                refusal = greeting.exception()
                if isinstance(refusal, RequestRefused):
                    raise ConnectionRefused(refusal.error) from None
            greeting.cancel()
            await self.close()
            raise ConnectionLost(f"cannot connect to {self._url}: {error}") from None
        except RequestRefused as refusal:
            await self.close()
            raise ConnectionRefused(refusal.error) from None
        except ClientError:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnects; safe to repeat. The events received so far can still be read."""
        self._lost()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._sio.disconnect(), 2.0)

    async def start_session(self, **wishes: Unpack[StartWishes]) -> SessionStarted:
        """Starts a session, replacing the connection's former one; None leaves the server's default.

        Raises:
            RequestRefused: a parameter is not accepted, or there is no capacity.
            ClientTimeout, ConnectionLost
        """
        request: dict[str, Any] = {"binary": True, **_given(wishes)}
        request.setdefault("voice", self._voice)
        return await self._start(request)

    async def resume(self, token: str, *, binary: bool = True) -> SessionStarted:
        """Takes up the session of a connection that broke, within 30 s of the break.

        Args:
            token: the other client's ``resume_token``; it serves once.
            binary: audio as bytes.

        Raises:
            RequestRefused: (``resume_failed``) the session is gone; ``start_session`` begins a new one.
            ClientTimeout, ConnectionLost
        """
        return await self._start({"resume": token, "binary": binary})

    async def update_session(self, **wishes: Unpack[Wishes]) -> SessionUpdated:
        """Changes the session from the next turn on. Raises RequestRefused, ClientTimeout, ConnectionLost."""
        updated = self._answers.expect(SessionUpdated)
        await self._emit("update_session", _given(wishes))
        return await self._answers.wait(updated, "updating the session")

    async def send_text(self, text: str) -> None:
        """A turn without audio, answered like speech; stops what the agent is saying."""
        await self._emit("text_input", {"text": text})

    async def send_tool_result(self, call_id: str, result: Any, *, is_error: bool = False) -> None:
        """Answers a :class:`ToolCall` with text or any JSON value."""
        answer = {"call_id": call_id, "result": result} | ({"is_error": True} if is_error else {})
        await self._emit("tool_result", answer)

    async def send_playback_position(self, reply_id: str, played_ms: float) -> None:
        """Says how much of a reply was played, for ``spoken_text``; about four times a second."""
        await self._emit("playback_position", {"reply_id": reply_id, "played_ms": played_ms})

    async def send_audio(self, audio: bytes, *, format: str = "pcm16", sample_rate: int = 16_000) -> None:
        """Sends microphone audio, mono: ``pcm16`` (s16le), ``pcmu``, ``pcma`` or ``wav``; any size."""
        await self._emit("audio_chunk", {"audio": audio, "format": format, "sample_rate": sample_rate})

    async def interrupt(self) -> ControlAck:
        """Stops the reply that is being spoken or prepared."""
        return await self.control("interrupt")

    async def control(self, action: Action) -> ControlAck:
        """Raises RequestRefused, ClientTimeout, ConnectionLost."""
        ack = self._answers.expect(ControlAck, action)
        await self._emit("control", {"action": action})
        return await self._answers.wait(ack, f"control {action}")

    async def end_session(self) -> SessionEnded:
        """Ends the session; the connection stays usable."""
        ended = self._answers.expect(SessionEnded)
        await self._emit("end_session")
        return await self._answers.wait(ended, "ending the session")

    async def events(self) -> AsyncIterator[ClientEvent]:
        """All events in order of arrival, from the first unread one to the end of the session.

        Raises:
            EventsOverflow: events were lost because this was not read; the next call goes on.
            ConnectionLost: the connection broke before the session ended.
        """
        while True:
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                raise EventsOverflow(dropped)
            if self._events:
                event = self._events.popleft()
                yield event
                if isinstance(event, SessionEnded) and event.reason != "replaced":
                    return
            elif self._closed:
                raise ConnectionLost("the connection is closed")
            else:
                self._arrived.clear()
                await self._arrived.wait()

    # ------------------------------------------------------------ inside

    def _on_event(self, name: str, *args: Any) -> None:
        payload: Mapping[str, Any] = args[0] if args and isinstance(args[0], dict) else {}
        event = parse_event(name, payload)
        if len(self._events) == self._events.maxlen:
            self._dropped += 1
        self._events.append(event)
        self._arrived.set()
        self._answers.arrived(event)

    def _on_disconnect(self, reason: str = "") -> None:
        self._lost()

    def _lost(self) -> None:
        self._closed = True
        self._arrived.set()
        self._answers.lost()

    async def _start(self, request: Mapping[str, Any]) -> SessionStarted:
        started = self._answers.expect(SessionStarted)
        await self._emit("start_session", request)
        session = await self._answers.wait(started, "starting the session")
        self.resume_token = session.resume_token
        self.session_id = session.session_id
        return session

    async def _emit(self, name: str, payload: Mapping[str, Any] | None = None) -> None:
        if self._closed:
            raise ConnectionLost("the connection is closed")
        try:
            async with asyncio.timeout(self._timeout):
                await self._sio.emit(name, payload, namespace=NAMESPACE)
        except socketio.exceptions.SocketIOError as error:
            raise ConnectionLost(str(error)) from None
        except TimeoutError:
            raise ClientTimeout(f"{name}: could not be sent within {self._timeout:g} s") from None


def _given(wishes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wishes.items() if value is not None}
