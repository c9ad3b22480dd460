"""The actor that runs one conversation: takes one message after the other from its inbox.

Sockets and engines post messages; only the actor's task changes the session. Audio is worked
through as fast as it arrives; one timer wakes the actor for what happens without audio.
"""

from __future__ import annotations

import asyncio
import logging

from selam_agent import events
from selam_agent.errors import SelamError, SessionError
from selam_agent.ports import Outlet
from selam_agent.session import announcement, messages
from selam_agent.session.allowance import Meter
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.inbox import Inbox, Message
from selam_agent.session.lifetime import Lifetime
from selam_agent.session.line import Line
from selam_agent.session.messages import Control, End, Heard, Tick
from selam_agent.session.parts import Parts
from selam_agent.session.reply import Audible, Over
from selam_agent.settings import Turns

log = logging.getLogger(__name__)

# A second of audio is 48 kB and more.
_REACHED_EVERY_S = 1.0
# Audio that waits below this process is read within this time.
_FETCH_S = 0.005


class Actor:
    """See the module's docstring. ``config``: the client's wishes in force."""

    def __init__(
        self,
        *,
        session_id: str,
        config: SessionConfig,
        parts: Parts,
        line: Line,
        inbox: Inbox,
        engines: Engines,
        timings: Turns,
        meter: Meter,
    ) -> None:
        self._id = session_id
        self.config = config
        self._update: messages.Update | None = None
        self._engines = engines
        self._timings = timings
        self._loop = asyncio.get_running_loop()
        self._line = line
        self._inbox = inbox
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._toolbox = parts.toolbox
        self._replies = parts.replies
        self._answering = parts.answering
        self._listening = parts.listening
        self._tasks = parts.tasks
        self._meter = meter
        # When the reply was told last that its client is there.
        self._reached = 0.0
        # Audio (s) the client has sent.
        self.received_s = 0.0
        self._finishing: messages.Finish | None = None
        self._ending: End | None = None
        self._life = Lifetime(self._loop.time(), timings, config.max_session_s)

    @property
    def ending(self) -> bool:
        """Whether the session is ending."""
        return self._ending is not None

    def last_sign(self) -> float:
        """When the client was certainly there (loop time, s): its last packet, if it sends all the time."""
        sends_always = not self._listening.turns.push_to_talk
        return self._life.last_sign(self._loop.time(), sends_always=sends_always)

    async def run(self, after: asyncio.Event | None = None) -> None:
        """Runs the session to its end. ``after``: the end of the session that this one replaces."""
        try:
            if after is not None:
                await asyncio.wait_for(after.wait(), 2 * self._timings.cancel_budget_s)
            self._announce()
            while self._ending is None:
                self._arm()
                self._inbox.expect(self._listening.patience_ms, in_one_piece=self._listening.in_one_piece)
                message = await self._inbox.next()
                if isinstance(message, list):
                    await self._heard(message)
                else:
                    self._handle(message)
                self._apply_update()
                self._finish_if_quiet()
        except Exception:
            log.exception("session %s failed", self._id)
            self._line.send(events.ErrorEvent.of(SessionError("The session failed.", code="internal_error")))
            self._ending = self._ending or End("error")
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._answering.close()
            await self._tasks.aclose()
            self._listening.close()
            if self._ending is not None:
                ended = self._ended(self._ending.reason)
                (self._line.record if self._ending.silently else self._line.send)(ended)
            self._line.close()
            for left in self._inbox.close():
                if isinstance(left, messages.Back):
                    left.outlet.send(events.ErrorEvent.of(resume_failed()))

    def _announce(self) -> None:
        self._line.send(self._started())
        model = self._replies.speaker.model or self._engines.chat_model
        for warning in announcement.warnings(self.config, model.info):
            self._line.send(warning)
        if self.config.greeting:
            protected = self.config.uninterruptible_greeting
            self._replies.say(self.config.greeting, protected=protected, trigger="greeting")
        self._suggest()

    def _started(self, *, resumed: bool = False) -> events.SessionStarted:
        return announcement.started(
            self._id, self.config, self._replies.speaker, self._engines, self._line.token, resumed=resumed
        )

    def _ended(self, reason: str) -> events.SessionEnded:
        return events.SessionEnded(
            session_id=self._id,
            reason=reason,
            duration_s=round(self._loop.time() - self._life.begun, 3),
            audio_s=round(self.received_s, 3),
        )

    def _handle(self, message: Message) -> None:
        if isinstance(message, messages.Transcribed):
            self._answering.transcribed(message)
        elif isinstance(message, messages.Overheard):
            self._listening.overheard(message)
        elif isinstance(message, messages.Interim):
            self._listening.interim(message)
        elif isinstance(message, Audible):
            self._listening.turns.agent_started(message.at * 1000)
            self._replies.audible(message)
            self._suggest()
        elif isinstance(message, Over):
            self._over(message)
        elif isinstance(message, Control):
            self._control(message.action)
            self._line.send(events.ControlAck(action=message.action))
        elif isinstance(message, messages.Typed):
            self._typed(message.text)
        elif isinstance(message, messages.Note):
            self._answering.note(message.role, message.text)
        elif isinstance(message, messages.Create):
            self._create(message.instructions)
        elif isinstance(message, messages.Cancel):
            self._cancel(message.reply_id)
        elif isinstance(message, messages.Update):
            self._update = message
            self._line.send(events.SessionUpdated(session_id=self._id, changes=message.told))
        elif isinstance(message, messages.ToolResult):
            self._toolbox.finish(message.call_id, message.result)
        elif isinstance(message, messages.Played):
            self._replies.played(message.reply_id, message.played_ms)
        elif isinstance(message, messages.Away):
            self._leave(message.since)
        elif isinstance(message, messages.Back):
            self._come_back(message.outlet)
        elif isinstance(message, Tick):
            self._tick()
        elif isinstance(message, messages.Finish):
            self._finishing = message
        elif isinstance(message, End):
            self._ending = message

    # ------------------------------------------------------------ what happens

    async def _heard(self, packets: list[Heard]) -> None:
        arrived = self._life.last_packet = packets[-1].arrived
        if arrived - self._reached > _REACHED_EVERY_S and not self._listening.turns.push_to_talk:
            self._reached = arrived
            self._replies.reached(arrived)
        discard = self._life.waiting or self._replies.protected
        received_s = await self._listening.hear(packets, discard=discard)
        self.received_s += received_s
        self._meter.add(received_s)
        try:
            self._meter.check()
        except SelamError as error:
            self._line.send(events.ErrorEvent.of(error))
            self._ending = self._ending or End("quota")

    def _over(self, message: Over) -> None:
        was_current, last = self._replies.over(message)
        if was_current:
            self._listening.turns.agent_stopped()
            self._answering.advance()
        if last:
            self._ending = self._ending or End(last)

    def _suggest(self) -> None:
        if self.config.suggestions:
            self._line.send(events.Suggestions(phrases=self._replies.suggestions()))

    def _typed(self, text: str) -> None:
        protected = self._replies.protected
        number = self._listening.typed(stops_agent=not protected)
        if not protected:
            self._answering.interrupt(prepared=False)
        self._answering.typed(text, number)

    def _create(self, instructions: str) -> None:
        if self._replies.greeting:
            self._replies.stop()
            self._listening.turns.agent_stopped()
        self._answering.create(instructions)

    def _cancel(self, reply_id: str) -> None:
        if self._replies.current is not None and self._replies.current[0].reply_id == reply_id:
            self._replies.stop()
            self._listening.turns.agent_stopped()
            self._answering.advance()

    def _apply_update(self) -> None:
        """New wishes take effect when no turn is on its way."""
        update = self._update
        if update is None or self._answering.pending or not self._listening.turns.between_turns:
            return
        self._update = None
        old, self.config = self.config, update.config
        same = (old.voice, old.language) == (self.config.voice, self.config.language)
        self._toolbox.offer(
            self.config.tools, end_call=self.config.end_call, timeouts=self.config.tool_timeouts
        )
        self._replies.configure(self.config, self._replies.speaker if same else update.speaker)
        self._answering.configure(self.config)
        self._listening.configure(self.config)

    def _finish_if_quiet(self) -> None:
        """Ends a session that is to finish, unless a turn is going on that somebody waits for."""
        if self._finishing is None or self._ending is not None:
            return
        if self._life.waiting or (self._answering.idle and self._listening.turns.between_turns):
            self._ending = End(self._finishing.reason)

    # ------------------------------------------------------------ going and coming back

    def _leave(self, since: float) -> None:
        # Once more: the next connection may have broken before it was greeted.
        self._line.cut()
        if not self._life.away:
            self._life.leave(self._loop.time())
            self._replies.lose(since)
            self._toolbox.leave()

    def _come_back(self, outlet: Outlet) -> None:
        if not self._life.away:
            return
        away_s = self._life.come_back(self._loop.time())
        if not self._life.paused:
            self._listening.turns.frozen(away_s * 1000)
        self._line.connect(outlet, self._started(resumed=True))
        self._toolbox.come_back()
        self._replies.resume("away")

    # ------------------------------------------------------------ controls and timers

    def _control(self, action: str) -> None:
        if action == "interrupt":
            self._answering.interrupt(prepared=True)
            self._listening.turns.agent_stopped()
            self._listening.turns.forget_reopenable()
        elif action == "stop_listening":
            self._listening.released()
            self._listening.act(self._listening.turns.flush())
        elif action == "start_listening":
            self._listening.on = True
        elif action == "pause" and not self._life.paused:
            self._life.pause(self._loop.time())
            self._replies.pause("client")
        elif action == "resume" and self._life.paused:
            paused_s = self._life.resume(self._loop.time())
            self._listening.turns.frozen(paused_s * 1000)
            self._replies.resume("client")

    def _arm(self) -> None:
        """Keeps one timer, never later than the earliest deadline."""
        due = self._life.next_deadline()
        packets = self._listening.turns.next_deadline
        if packets is not None and not self._life.waiting:
            due = min(due, packets / 1000)
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        # uvloop's handle of a timer that is due already cannot say when.
        self._timer, self._timer_due = self._loop.call_at(due, self._on_timer), due

    def _on_timer(self) -> None:
        self._timer = None
        if self._inbox.fetch():
            # What has come goes first: else a caller who speaks on would seem to have stopped.
            self._timer_due = self._loop.time() + _FETCH_S
            self._timer = self._loop.call_at(self._timer_due, self._post_tick)
        else:
            self._post_tick()

    def _post_tick(self) -> None:
        self._timer = None
        self._inbox.post(Tick())

    def _tick(self) -> None:
        now = self._loop.time()
        self._ending = self._ending or self._life.end(now)
        if not self._life.waiting:
            self._listening.act(self._listening.turns.tick(now * 1000))


def resume_failed() -> SessionError:
    """There is no session that this client may come back to."""
    return SessionError(
        "The session cannot be resumed: the token is unknown, used or too old. Start a new one.",
        code="resume_failed",
    )
