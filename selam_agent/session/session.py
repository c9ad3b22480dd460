"""One conversation, as its door sees it: what may be sent to it, and how it comes and goes.

A session outlives a connection that breaks: it pauses, and the next one may take it up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from secrets import token_urlsafe
from typing import Any, Literal

from selam_agent.errors import ValidationError
from selam_agent.ports import Outlet
from selam_agent.session import messages
from selam_agent.session.actor import Actor
from selam_agent.session.allowance import Meter
from selam_agent.session.config import SessionConfig
from selam_agent.session.ears import SAMPLE_RATE
from selam_agent.session.inbox import Inbox
from selam_agent.session.line import Line
from selam_agent.session.messages import Control, End, Heard
from selam_agent.session.parts import House, assemble
from selam_agent.session.speaker import Speaker, check_language, check_voice, choose
from selam_agent.session.tools import result_text
from selam_agent.session.translation import settle_translation

CONTROLS = ("interrupt", "start_listening", "stop_listening", "pause", "resume")


def new_resume_token() -> str:
    """A token that no other session has."""
    return token_urlsafe(24)


class Session:
    """Made by the registry; all methods are for the event loop's thread and return at once."""

    def __init__(
        self,
        *,
        session_id: str,
        owner: str,
        config: SessionConfig,
        speaker: Speaker,
        outlet: Outlet,
        house: House,
        meter: Meter,
        resume_token: str = "",
    ) -> None:
        self.id = session_id
        self.owner = owner
        self.meter = meter
        # Set by the registry when nothing of the session is left.
        self.ended = asyncio.Event()
        # What the client wishes from the next turn on.
        self._wishes = config
        self._house = house
        self._resume_s = house.settings.turns.resume_s
        self._loop = asyncio.get_running_loop()
        self._outlet = outlet
        watch = None if house.watch is None else house.watch(session_id, owner)
        self._line = Line(outlet, signals=config.signals, decisions=config.decisions, record=watch)
        self._renew_token(resume_token)
        self._inbox = Inbox()
        parts = assemble(house, session_id, config, speaker, self._line, self._inbox)
        self._toolbox = parts.toolbox
        self._actor = Actor(
            session_id=session_id,
            config=config,
            parts=parts,
            line=self._line,
            inbox=self._inbox,
            engines=house.engines,
            timings=house.settings.turns,
            meter=meter,
        )

    async def run(self, after: asyncio.Event | None = None) -> None:
        """Runs the session to its end. ``after``: the end of the session that this one replaces."""
        await self._actor.run(after)

    @property
    def config(self) -> SessionConfig:
        """The client's wishes in force."""
        return self._actor.config

    # ------------------------------------------------------------ what the client sends

    def hear(
        self,
        *packets: bytes,
        format: str = "pcm16",
        sample_rate: int = SAMPLE_RATE,
        arrived: float | None = None,
    ) -> None:
        """Takes audio in any size of pieces; ``arrived``: when (loop time, s), if not just now.

        Raises AudioError when the inbox is full.
        """
        at = self._loop.time() if arrived is None else arrived
        self._inbox.post_audio(*[Heard(each, format, sample_rate, at) for each in packets])

    def on_expect(self, told: Callable[[int, float], None]) -> None:
        """``told``: of how many packets, so long (s) each, none can decide anything before the last.

        They may come together; only the last that was given is told.
        """
        self._inbox.on_expect = told

    def control(self, action: str) -> None:
        """Takes a control; ``control_ack`` follows its effect. Raises ValidationError."""
        if action not in CONTROLS:
            raise ValidationError(
                f"Unknown action {action!r}; known are {', '.join(CONTROLS)}.",
                code="unknown_action",
                details={"actions": list(CONTROLS)},
            )
        self._inbox.post_bounded(Control(action))

    def text_input(self, text: str) -> None:
        """Takes a turn as text; it interrupts the reply that is being spoken."""
        self._inbox.post_bounded(messages.Typed(text))

    def note(self, role: Literal["user", "system"], text: str) -> None:
        """Takes something for the model to know; nothing is said."""
        self._inbox.post_bounded(messages.Note(role, text))

    def create_reply(self, instructions: str = "") -> None:
        """Has the agent speak of its own accord, when it is its turn; a greeting gives way to it.

        Without instructions it is the same as the answer that is being prepared, if one is.
        """
        self._inbox.post_bounded(messages.Create(instructions))

    def cancel_reply(self, reply_id: str) -> None:
        """Ends this reply; harmless when it is over."""
        self._inbox.post_bounded(messages.Cancel(reply_id))

    def tool_result(self, call_id: str, result: Any, *, is_error: bool = False) -> None:
        """Takes what came of a tool call. Raises ValidationError when no such call waits."""
        self._toolbox.check(call_id)
        self._inbox.post_bounded(messages.ToolResult(call_id, result_text(result, is_error=is_error)))

    def playback_position(self, reply_id: str, played_ms: float) -> None:
        """Takes how much of a reply the client has played."""
        self._inbox.post_bounded(messages.Played(reply_id, played_ms))

    def update(self, changes: Mapping[str, Any]) -> None:
        """Takes new wishes, effective from the next turn; ``session_updated`` follows.

        Args:
            changes: fields of ``SessionConfig``, checked for type and range.

        Raises:
            ValidationError: unknown voice or language, or they do not fit together.
            SessionError: the voice's engine is missing.
        """
        config = replace(self._wishes, **changes)
        if "voice" not in changes:
            # A language alone means its usual voice.
            spoken = (config.language,) if config.language else config.languages
            pack, _ = self._house.packs.voice(config.voice)
            if spoken and pack.code not in spoken:
                config = replace(config, voice=self._house.packs.default_voice(spoken[0]).name)
        house = self._house
        check_voice(house.packs, config.voice)
        check_language(house.packs, config.voice, config.language)
        config = settle_translation(config, house.packs, house.engines, house.settings.translation)
        speaker = choose(self._house.packs, self._house.engines, config.voice, config.locale)
        told = {name: getattr(config, name) for name in {*changes, "voice", "language"} - {"locale"}}
        self._inbox.post_bounded(messages.Update(config, speaker, told))
        self._wishes = config

    # ------------------------------------------------------------ coming and going

    def end(self, reason: str = "client") -> None:
        """Ends the session; ``session_ended`` is its last event."""
        self._inbox.post(End(reason))

    def finish(self, reason: str) -> None:
        """Ends the session like ``end``, but after the turn that is going on was answered."""
        self._inbox.post(messages.Finish(reason))

    @property
    def received_s(self) -> float:
        """Audio (s) the client has sent."""
        return self._actor.received_s

    def abandon(self) -> None:
        """The client has left: nothing is sent any more, and the session ends."""
        self._line.close()
        self._inbox.post(End("disconnected", silently=True))

    def detach(self, outlet: Outlet) -> None:
        """The connection behind this outlet broke: the session waits for the next one, for a while.

        Harmless when the session has another outlet by now.
        """
        if self._outlet is not outlet:
            return
        if not self._resume_s:
            self.abandon()
            return
        self._line.cut()
        self._inbox.on_expect = None
        self._inbox.post(messages.Away(self._actor.last_sign()))

    def attach(self, outlet: Outlet) -> None:
        """The client is here again; ``session_started`` with a new token follows.

        It may come back before anybody has noticed that it was gone.
        """
        self._renew_token()
        self._outlet = outlet
        if self._line.connected:
            self._line.cut()
            self._inbox.post(messages.Away(self._actor.last_sign()))
        self._inbox.post(messages.Back(outlet))

    def uses(self, outlet: Outlet) -> bool:
        """Whether the session is this outlet's: it is not, once it was taken up at another."""
        return self._outlet is outlet

    @property
    def away(self) -> bool:
        """Whether the session waits for its client to come back."""
        return not self._line.connected

    @property
    def ending(self) -> bool:
        """Whether the session is ending, or about to."""
        return self._actor.ending or self._inbox.has_end

    @property
    def resume_token(self) -> str:
        """With it a client may come back once; empty when none may."""
        return self._line.token

    def replace(self) -> None:
        """Another session takes this one's place: it ends without ``session_ended``."""
        self._inbox.post(End("replaced", silently=True))

    def _renew_token(self, reserved: str = "") -> None:
        self._line.token = (reserved or new_resume_token()) if self._resume_s else ""
