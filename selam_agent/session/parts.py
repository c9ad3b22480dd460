"""The parts of one session, put together: who listens, who answers, who speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from selam_agent.audio.echo_aec3 import MakeAec3
from selam_agent.dialogue.completeness import Ending
from selam_agent.events import Event
from selam_agent.languages.packs import Packs
from selam_agent.session.answering import Answering
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.inbox import Inbox
from selam_agent.session.line import Line
from selam_agent.session.listening import Listening
from selam_agent.session.phrases import Phrases
from selam_agent.session.recognition import Recognition
from selam_agent.session.replies import Replies
from selam_agent.session.room import Room
from selam_agent.session.speaker import Speaker
from selam_agent.session.taping import Taping
from selam_agent.session.tasks import Tasks
from selam_agent.session.tools import Toolbox
from selam_agent.session.voices import Voices
from selam_agent.session.writers import Writers
from selam_agent.settings import Settings

Watch: TypeAlias = Callable[[str, str], Callable[[Event], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What all sessions of a server share; ``now``: the wall clock of a time zone.

    ``watch``: makes what sees the events of a session (see ``Line``), given its id and its owner's.
    ``make_aec3``: the echo canceller of a session, unless it is the guard's own.
    """

    engines: Engines
    packs: Packs
    settings: Settings
    phrases: Phrases
    now: Callable[[ZoneInfo], datetime]
    watch: Watch | None = None
    make_aec3: MakeAec3 | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """Owned by one session's actor."""

    toolbox: Toolbox
    replies: Replies
    answering: Answering
    listening: Listening
    tasks: Tasks


def assemble(
    house: House, session_id: str, config: SessionConfig, speaker: Speaker, line: Line, inbox: Inbox
) -> Parts:
    """Parts that send on ``line`` and report to ``inbox``."""
    timings = house.settings.turns
    tasks = Tasks(f"session {session_id}", timings.cancel_budget_s)
    toolbox = Toolbox(line.send, timings.tool_timeout_s)
    toolbox.offer(config.tools, end_call=config.end_call, timeouts=config.tool_timeouts)
    recognition = Recognition(
        session_id=session_id,
        transcriber=house.engines.transcriber,
        hints=config.hints,
        deadline_s=timings.stt_deadline_s,
        post=inbox.post,
        own=tasks.own,
    )
    taping = Taping(house.settings.records.keep if house.watch else "none", line.record)
    room = Room(guarded=house.settings.audio.echo_guard, make_aec3=house.make_aec3, recording=taping.call)
    replies = Replies(
        session_id=session_id,
        config=config,
        engines=house.engines,
        timings=timings,
        writers=Writers(house.engines, house.packs, house.settings),
        voices=Voices(config, house.engines, house.packs, speaker, line.send),
        toolbox=toolbox,
        phrases=house.phrases,
        room=room,
        emit=line.send,
        report=inbox.post,
        now=house.now,
        tasks=tasks,
    )

    def on_words(turn: int, revision: int, ending: Ending) -> None:
        listening.on_words(turn, revision, ending)

    answering = Answering(
        config=config,
        packs=house.packs,
        replies=replies,
        recognition=recognition,
        emit=line.send,
        on_words=on_words,
    )
    listening = Listening(
        config=config,
        settings=house.settings,
        answering=answering,
        replies=replies,
        recognition=recognition,
        room=room,
        taping=taping,
        emit=line.send,
    )
    return Parts(toolbox, replies, answering, listening, tasks)
