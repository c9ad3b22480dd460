"""One client of the AssemblyAI protocol: what it may send, and what happens then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from selam_agent.errors import AuthorizationError, SelamError, SessionError, ValidationError
from selam_agent.wire.assemblyai import messages
from selam_agent.wire.assemblyai.conversation import Conversation, ConversationOutlet, ended
from selam_agent.wire.assemblyai.errors import FATAL, ProtocolError, code_of, error_frame
from selam_agent.wire.assemblyai.narration import stamped
from selam_agent.wire.json_socket import JsonSocket
from selam_agent.wire.tokens import Identity

if TYPE_CHECKING:
    from selam_agent.session.session import Session

log = logging.getLogger(__name__)

# Audio that came before the first update: half a minute of PCM, for clients that do not wait.
_MAX_EARLY = 1 << 20


class Door(Protocol):
    """What a connection asks of the door."""

    async def describe(
        self, session_id: str, given: dict[str, Any], identity: Identity, *, legacy: bool
    ) -> Conversation: ...

    def open(
        self,
        conversation: Conversation,
        outlet: ConversationOutlet,
        identity: Identity,
        *,
        resume_token: str,
    ) -> Session: ...

    def resumable(self, session_id: str, identity: Identity, by: Connection) -> Conversation: ...


class Connection:
    """A client whose key is known. ``session_id``: of the session it may open."""

    def __init__(
        self, door: Door, socket: JsonSocket, identity: Identity, session_id: str, *, legacy: bool
    ) -> None:
        self.socket = socket
        self._door = door
        self._identity = identity
        self._legacy = legacy
        self.session_id = session_id
        # Of the session it may open, where the client was told before.
        self.resume_token = ""
        self._conversation: Conversation | None = None
        self._outlet: ConversationOutlet | None = None
        self._early: list[bytes] = []
        self._over = False
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "input.audio": self._audio,
            "tool.result": self._tool_result,
            "reply.create": self._reply_create,
            "reply.cancel": self._reply_cancel,
            "conversation.message": self._note,
            "session.end": self._end,
            "session.resume": self._resume,
        }

    @property
    def started(self) -> bool:
        """Whether the connection has had a session."""
        return self._conversation is not None

    def tells(self, conversation: Conversation) -> bool:
        """Whether this is, or was, the connection of a conversation."""
        return self._conversation is conversation

    async def receive(self, text: str | bytes) -> None:
        """A message of the client; it does not break the connection unless the protocol says so."""
        try:
            kind, message = messages.parse(text)
            if kind == "session.update":
                await self._update(message)
            elif (handler := self._handlers.get(kind)) is not None:
                handler(message)
            else:
                raise ProtocolError("invalid_format", f"Unknown message type: {kind[:64]}", stays=True)
        except SelamError as error:
            self.refuse(error)
        except Exception:
            log.exception("handling a message of %s failed", self.session_id)
            self.refuse(SessionError("The server could not handle this message.", code="internal_error"))

    def lost(self, *, left: bool) -> None:
        """The socket is gone. A client that ``left`` ends its session; else it may come back to it."""
        session = None if self._conversation is None else self._conversation.session
        if session is None or self._outlet is None or not session.uses(self._outlet):
            return
        if left or self._over:
            session.abandon()
        else:
            session.detach(self._outlet)

    def refuse_and_close(self, error: SelamError, code: int = 1008) -> None:
        """Says why the connection cannot go on, and closes it."""
        self.socket.put(stamped(error_frame(error, self.session_id if self.started else None)))
        self.socket.close(code, code_of(error.type, error.code))

    # ------------------------------------------------------------ messages

    async def _update(self, message: dict[str, Any]) -> None:
        given = messages.session_of(message)
        if self._conversation is not None:
            conversation = self._running()
            if not conversation.update(given):
                self.socket.put(conversation.narration.updated())
            return
        try:
            await self._begin(given)
        except SelamError as error:
            if isinstance(error, ProtocolError) and error.stays:
                raise
            ours = code_of(error.type, error.code) == "internal_error"
            self.refuse_and_close(error, 1011 if ours else 1008)

    async def _begin(self, given: dict[str, Any]) -> None:
        if self._identity.resumes_only:
            raise AuthorizationError("A resume token opens no new session.", code="unauthorized")
        conversation = await self._door.describe(self.session_id, given, self._identity, legacy=self._legacy)
        outlet = ConversationOutlet(conversation, self.socket, self._session_over)
        conversation.session = self._door.open(
            conversation, outlet, self._identity, resume_token=self.resume_token
        )
        self._conversation, self._outlet = conversation, outlet
        early, self._early = self._early, []
        for audio in early:
            conversation.hear(audio)

    def _resume(self, message: dict[str, Any]) -> None:
        session_id = messages.text_of(message, "session_id")
        if self.started:
            raise ProtocolError(
                "invalid_format", "session.resume must be the first message on a connection.", stays=True
            )
        try:
            conversation = self._door.resumable(session_id, self._identity, self)
        except SelamError as error:
            self.refuse_and_close(error)
            return
        assert conversation.session is not None
        self.session_id, self._conversation = session_id, conversation
        self._outlet = ConversationOutlet(conversation, self.socket, self._session_over)
        conversation.session.attach(self._outlet)

    def _audio(self, message: dict[str, Any]) -> None:
        audio = messages.audio_of(message)
        if self._conversation is not None:
            self._running().hear(audio)
        elif sum(map(len, self._early)) + len(audio) <= _MAX_EARLY:
            self._early.append(audio)
        else:
            raise ProtocolError(
                "audio_rate_violation",
                "Audio came before session.update; it is dropped.",
                stays=True,
            )

    def _tool_result(self, message: dict[str, Any]) -> None:
        given = messages.tool_result_of(message)
        conversation = self._running()
        if conversation.narration.tool_of(given.call_id) is None:
            raise ProtocolError("invalid_value", f"There was no call {given.call_id!r}.", "call_id")
        text = given.text(conversation.steering_for(given.call_id, is_error=given.is_error))
        # Too late for a call that was answered, timed out or interrupted: nobody waits for it.
        with suppress(ValidationError):
            self._session().tool_result(given.call_id, text)

    def _reply_create(self, message: dict[str, Any]) -> None:
        instructions = messages.text_of(message, "instructions", optional=True)
        self._session().create_reply(instructions)

    def _reply_cancel(self, message: dict[str, Any]) -> None:
        ours = self._running().narration.ours(messages.text_of(message, "reply_id"))
        if ours is not None:
            self._session().cancel_reply(ours)

    def _note(self, message: dict[str, Any]) -> None:
        role, content = messages.note_of(message)
        self._session().note(role, content)

    def _end(self, _: dict[str, Any]) -> None:
        if self._conversation is None:
            self.socket.put(ended(0.0, 0.0))
            self.socket.close()
            return
        # Until it has ended its events still come here.
        session, self._over = self._session(), True
        session.end("client")

    # ------------------------------------------------------------ inside

    def _running(self) -> Conversation:
        conversation, outlet = self._conversation, self._outlet
        if conversation is None:
            raise ProtocolError("invalid_format", "The first message must be session.update.", stays=True)
        session = conversation.session
        assert session is not None and outlet is not None
        if self._over or session.ended.is_set() or not session.uses(outlet):
            raise ProtocolError("session_not_found", "The session has ended or goes on elsewhere.")
        return conversation

    def _session(self) -> Session:
        session = self._running().session
        assert session is not None
        return session

    def _session_over(self) -> None:
        self._over = True

    def refuse(self, error: SelamError) -> None:
        """Says what is wrong; the connection goes on unless the protocol says that it ends."""
        if code_of(error.type, error.code) in FATAL:
            self.refuse_and_close(error)
        else:
            self.socket.put(stamped(error_frame(error, self.session_id if self.started else None)))
