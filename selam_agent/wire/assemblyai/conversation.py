"""A session as this door sees it, on whichever connection it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from selam_agent import events
from selam_agent.errors import SessionError
from selam_agent.languages.packs import Packs
from selam_agent.session.session import Session
from selam_agent.wire.assemblyai import mapping
from selam_agent.wire.assemblyai.errors import ProtocolError
from selam_agent.wire.assemblyai.narration import Narration, stamped
from selam_agent.wire.assemblyai.session_object import (
    RATES,
    Format,
    SessionObject,
    echo,
    immutable_in,
    merged,
)
from selam_agent.wire.json_socket import JsonSocket

# Why a session ended → what its client is told instead of ``session.ended``, and the close code.
_ENDINGS = {
    "idle": ("session_expired", "The session was idle for too long.", 1008),
    "max_duration": ("session_expired", "The session has reached its longest duration.", 1008),
    "shutdown": ("internal_error", "The server is shutting down.", 1011),
    "error": ("internal_error", "The session failed.", 1011),
}


class Conversation:
    """See the module's docstring.

    Args:
        session_id: of the session, which may be opened later.
        given: the session object as the client gave it, or as the agent has it.
        packs: for voices and languages.
        silences: the server's own shortest and longest wait, ms.

    Raises:
        ValidationError: the session object is wrong.
    """

    def __init__(
        self,
        session_id: str,
        given: Mapping[str, Any],
        *,
        packs: Packs,
        silences: tuple[int, int],
        expires_at: int,
        legacy: bool,
    ) -> None:
        self.id = session_id
        # Of the stored agent that it is, if it is one.
        self.agent_id: str | None = None
        self.session: Session | None = None
        self._packs = packs
        self._silences = silences
        self._given = dict(given)
        self._object = mapping.parse(self._given)
        self.wishes = mapping.wishes(self._object, packs)
        self.narration = Narration(
            session_id,
            legacy=legacy,
            config=self.echo,
            expires_at=expires_at,
            text_only=self._object.output.type == "text",
        )

    @property
    def object(self) -> SessionObject:
        """The session object in force."""
        return self._object

    @property
    def over(self) -> bool:
        """Whether its session has ended."""
        return self.session is None or self.session.ended.is_set()

    def hear(self, audio: bytes) -> None:
        """Takes audio in the input format in force. Raises AudioError."""
        assert self.session is not None
        encoding = (self._object.input.format or Format()).encoding
        self.session.hear(audio, format=mapping.CODECS[encoding], sample_rate=RATES[encoding])

    def update(self, given: Mapping[str, Any]) -> bool:
        """Takes a partial update; whether ``session.updated`` comes by itself.

        Raises:
            ProtocolError: a field is wrong or cannot be changed any more; nothing has changed then.
        """
        if "agent_id" in given:
            raise ProtocolError(
                "agent_id_not_first", "agent_id belongs into the first session.update, alone.", "agent_id"
            )
        if (path := immutable_in(given, self.echo())) is not None:
            message = f"'{path}' cannot be changed after the first session.update"
            raise ProtocolError("immutable_field", message, path)
        return self._change(merged(self._given, given))

    def agent_changed(self, given: Mapping[str, Any]) -> None:
        """The stored agent was changed: what is mutable of it is taken over."""
        mutable = {name: given.get(name) for name in ("system_prompt", "tools", "language", "translation")}
        changed = merged(self._given, mutable)
        for section, names in (("input", None), ("output", ("volume",))):
            fresh = given.get(section) or {}
            changed[section] = merged(
                self._given.get(section) or {},
                {name: fresh.get(name) for name in (fresh if names is None else names)},
            )
        self._change(changed)

    def steering_for(self, call_id: str, *, is_error: bool) -> str | None:
        """What the model is to be told along with the result of this call."""
        name = self.narration.tool_of(call_id)
        for tool in self._object.tools or ():
            if tool.name == name and tool.response_instructions is not None:
                steering = tool.response_instructions
                return steering.error if is_error else steering.success
        return None

    def _change(self, changed: dict[str, Any]) -> bool:
        session_object = mapping.parse(changed)
        wishes = mapping.wishes(session_object, self._packs)
        differing = {name: value for name, value in wishes.items() if value != self.wishes[name]}
        if differing:
            if self.session is None:
                raise SessionError("The session has ended.", code="session_not_found")
            self.session.update(differing)
        self._given, self._object, self.wishes = changed, session_object, wishes
        return bool(differing)

    def echo(self) -> dict[str, Any]:
        """The configuration in force, as clients are told."""
        voice = self._object.output.voice or self.wishes["voice"]
        return echo(self._object, agent_id=self.agent_id, voice=voice, silences=self._silences)


class ConversationOutlet:
    """The session's way to one connection. ``on_end`` is called after the last event."""

    def __init__(self, conversation: Conversation, socket: JsonSocket, on_end: Callable[[], None]) -> None:
        self._conversation = conversation
        self._socket = socket
        self._on_end = on_end

    def send(self, event: events.Event) -> None:
        if isinstance(event, events.SessionEnded):
            self._end(event)
            return
        size, audio_ms = 0, 0.0
        if isinstance(event, events.AudioChunk):
            size, audio_ms = len(event.audio), event.duration_ms
        for frame in self._conversation.narration.frames(event):
            self._socket.put(frame, size=size, audio_ms=audio_ms)
            size, audio_ms = 0, 0.0

    def _end(self, event: events.SessionEnded) -> None:
        code, message, close = _ENDINGS.get(event.reason, ("", "", 1000))
        if code:
            self._socket.put(self._conversation.narration.error(ProtocolError(code, message)))
        else:
            self._socket.put(ended(event.duration_s, event.audio_s))
        self._socket.close(close, code or event.reason)
        self._on_end()


def ended(duration_s: float, audio_s: float) -> dict[str, Any]:
    """``session.ended``."""
    return stamped(
        {
            "type": "session.ended",
            "session_duration_seconds": duration_s,
            "audio_duration_seconds": audio_s,
        }
    )
