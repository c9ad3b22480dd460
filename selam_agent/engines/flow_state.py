"""The dialogue manager: a pure fold over the conversation, so that nothing is remembered elsewhere.

Whoever interrupts, corrects or speculates just hands over another list of messages; the same list
always gives the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from selam_agent.engines.flow_fill import Said, fill, values_now
from selam_agent.engines.flow_format import Flow, Intent, Task
from selam_agent.engines.flow_match import Understanding
from selam_agent.engines.flow_slots import Hour, fill_result, resolve_time, show_value
from selam_agent.languages.clock import say_date, say_hour, say_time
from selam_agent.languages.normalise import words
from selam_agent.languages.pack import Pack
from selam_agent.languages.speakable import speakable

CONFIRM, CHANGE = ":confirm", ":change"
_MARKS = "።.!?፧"


@dataclass(frozen=True, slots=True)
class State:
    """Where the conversation stands after the agent's ``reply``.

    ``asked``: the slot's name, CONFIRM or CHANGE. ``part``: a part of the day said before its hour.
    ``misses``: how often in a row nothing was understood. ``result``: of a task just completed.
    """

    task: Task | None = None
    said: Mapping[str, Said] = field(default_factory=dict)
    asked: str = ""
    part: str | None = None
    misses: int = 0
    reply: str = ""
    result: tuple[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the caller. ``before``/``after``: what was heard of the agent around it."""

    understood: Understanding
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Manager:
    """Answers turns of one conversation: ``pack`` is the language to answer in, ``now`` local and aware."""

    flow: Flow
    pack: Pack
    now: datetime

    def opening(self) -> State:
        return State(reply=self._text(self.flow.opening))

    def step(self, state: State, turn: Turn) -> State:
        """The state after one more turn, with the reply to it."""
        state = replace(state, result=None)
        intents = turn.understood.intents
        if any(intent.role == "repeat" for intent in intents) and state.reply:
            return replace(state, misses=0)
        if any(intent.role == "cancel" for intent in intents):
            return self._cancel(state, intents)
        starts = next((i.starts for i in intents if i.starts in self.flow.tasks), "")
        if starts and (state.task is None or state.task.name != starts):
            state = State(task=self.flow.tasks[starts])
        if state.task is None:
            return self._talk(state, intents)
        return self._work(state, state.task, turn, bool(starts))

    # ------------------------------------------------------------ without a task

    def _talk(self, state: State, intents: tuple[Intent, ...]) -> State:
        reply = self._answers(intents)
        if reply:
            return replace(state, reply=reply, misses=0)
        return replace(state, reply=self.misunderstood(state), misses=state.misses + 1)

    def _cancel(self, state: State, intents: tuple[Intent, ...]) -> State:
        reply = self._text(state.task.says["cancelled"]) if state.task else self._answers(intents)
        return State(reply=reply or self._text(self.flow.opening))

    # ------------------------------------------------------------ with a task

    def _work(self, state: State, task: Task, turn: Turn, started: bool) -> State:
        intents, mentions = turn.understood.intents, turn.understood.mentions
        yes = any(intent.role == "yes" for intent in intents)
        no = any(intent.role == "no" for intent in intents)
        before = self._values(state)
        said, part = fill(task, state.asked, state.said, state.part, turn.understood)
        filled = replace(state, said=said, part=part)
        changed = filled != state
        if changed and state.asked == CONFIRM:
            changed = self._values(filled) != before  # "Yes, Monday." repeats what was asked
        if changed or started:
            return self._next(filled, task)
        if mentions.names and state.asked in (CONFIRM, CHANGE):
            kept = {name: said for name, said in state.said.items() if name not in mentions.names}
            return self._next(replace(state, said=kept, part=None), task)
        if state.asked == CONFIRM and no:
            return replace(state, asked=CHANGE, reply=self._say(task, "change", before), misses=0)
        if state.asked == CONFIRM and yes:
            if self._heard(task, before, turn) or self._was_done(task, before, turn):
                return self._finish(task, before)
            return self._next(state, task)
        if any(intent.role == "wait" for intent in intents):
            return replace(state, reply=self._answers(intents), misses=0)
        small = self._answers(tuple(i for i in intents if i.role == "say"))
        if small or mentions:
            return self._next(state, task, small)
        return self._missed(state, task)

    def _values(self, state: State) -> dict[str, object]:
        return values_now(state.task, state.said, self.now) if state.task else {}

    def _next(self, state: State, task: Task, first: str = "") -> State:
        """Asks for what is missing, says what cannot be, or asks to confirm."""
        values = self._values(state)
        impossible = [name for name in state.said if name not in values]
        if impossible:
            timed = [slot for slot in task.slots if slot.name in impossible and slot.kind == "time"]
            today = any(said.today for said in state.said.values())
            closed = bool(timed) and not (today and self._open_later(state, task, timed[0].name))
            first = self._say(task, "closed" if closed else "past", values)
            state = replace(state, said={n: s for n, s in state.said.items() if n in values}, part=None)
        missing = next((slot for slot in task.slots if slot.name not in state.said), None)
        ask = self._ask(task, missing.ask) if missing else self._say(task, "confirm", values)
        asked = missing.name if missing else CONFIRM
        return replace(state, asked=asked, reply=f"{first} {ask}".strip(), misses=0)

    def _open_later(self, state: State, task: Task, name: str) -> bool:
        """Whether the hour would do on another day."""
        said = state.said[name]
        if not isinstance(said.value, Hour):
            return False
        return resolve_time(said.value, said.part, said.pack, task.opens, task.closes) is not None

    def _missed(self, state: State, task: Task) -> State:
        """A reprompt first; after a second miss, what can be said."""
        slot = task.slot(state.asked)
        reprompt = slot is not None and not state.misses
        reply = self._ask(task, slot.again) if slot and reprompt else self.misunderstood(state)
        return replace(state, reply=reply, misses=state.misses + 1)

    def _finish(self, task: Task, values: Mapping[str, object]) -> State:
        result = fill_result(task.result, values, self.now)
        return State(reply=self._say(task, "done", values), result=(task.name, result))

    def _heard(self, task: Task, values: Mapping[str, object], turn: Turn) -> bool:
        """Whether the caller heard each value of the confirmation, which a "yes" would settle.

        This also keeps a "tomorrow" said before midnight from moving after it was confirmed.
        """
        heard = _plain(turn.before, self.pack)
        confirm = task.says["confirm"]
        text = confirm.get(self.pack.code) or next(iter(confirm.values()))
        shown = self._shown(task, values)
        return all(_plain(said, self.pack) in heard for name, said in shown.items() if f"{{{name}}}" in text)

    def _was_done(self, task: Task, values: Mapping[str, object], turn: Turn) -> bool:
        """Whether the agent has said since that the task is done: the past does not change."""
        after = _plain(turn.after, self.pack)
        return bool(after.strip()) and _plain(self._say(task, "done", values), self.pack).startswith(
            after.rstrip()
        )

    # ------------------------------------------------------------ words

    def _answers(self, intents: tuple[Intent, ...]) -> str:
        """The reply to the last intent that has one: in "Hello. How are you?" the question."""
        replies = [self._text(intent.reply) for intent in intents if intent.reply]
        return replies[-1] if replies else ""

    def misunderstood(self, state: State) -> str:
        return self.pack.says["can_say"].format(examples=self._examples(state))

    def suggestions(self, state: State) -> tuple[str, ...]:
        """Up to four phrases that lead on from here, as the language's pack writes them."""
        pack, task = self.pack, state.task
        days = pack.slots.get("days", ())
        if task is None:
            chosen = [i for i in self.flow.intents if i.starts] + [i for i in self.flow.intents if i.suggest]
            return tuple(i.examples[pack.code][0] for i in chosen if i.examples.get(pack.code))[:4]
        open_hours = self._open_hours(state, task)
        if state.asked == CONFIRM:
            return (*pack.phrases["yes"][:1], *pack.phrases["no"][:1])
        if state.asked == CHANGE:
            return (*days[:2], *open_hours[:2])
        slot = task.slot(state.asked) or task.slots[0]
        if slot.kind == "date":
            return (*days[:3], *pack.slots.get("tomorrow", ())[:1])
        if slot.kind == "time":
            return open_hours[:4]
        if slot.kind == "choice":
            return tuple(phrases[pack.code][0] for phrases in slot.choices.values() if pack.code in phrases)[
                :4
            ]
        if slot.kind == "yes_no":
            return (*pack.phrases["yes"][:1], *pack.phrases["no"][:1])
        return tuple(pack.numbers.small[1:5])

    def _open_hours(self, state: State, task: Task) -> tuple[str, ...]:
        """The hours that can still be had on the chosen day, in the order of the day."""
        today = self.now.date() in self._values(state).values()
        after = self.now.time() if today else None
        hours = []
        for hour, phrase in enumerate(self.pack.slots.get("hours", ()), 1):
            at = resolve_time(Hour(hour), None, self.pack, task.opens, task.closes, after)
            if at:
                hours.append((at, phrase))
        return tuple(phrase for _, phrase in sorted(hours))

    def _examples(self, state: State) -> str:
        comma = "፣ " if self.pack.script == "Ethiopic" else ", "
        return comma.join(phrase.rstrip(_MARKS) for phrase in self.suggestions(state)[:2])

    def _text(self, texts: Mapping[str, str], **more: str) -> str:
        """The text in the session's language, or in the first one there is."""
        text = texts.get(self.pack.code) or next(iter(texts.values()), "")
        named = self.flow.agent_name
        return text.format(
            time=say_time(self.now, self.pack, both=True),
            date=say_date(self.now.date(), self.pack),
            agent_name=named.get(self.pack.code) or next(iter(named.values()), ""),
            examples=self._examples(State()) if "{examples}" in text else "",
            **more,
        )

    def _ask(self, task: Task, texts: Mapping[str, str]) -> str:
        opens, closes = say_hour(task.opens, self.pack), say_hour(task.closes, self.pack)
        return self._text(texts, open=opens, close=closes)

    def _say(self, task: Task, key: str, values: Mapping[str, object]) -> str:
        opens, closes = say_hour(task.opens, self.pack), say_hour(task.closes, self.pack)
        return self._text(task.says[key], open=opens, close=closes, **self._shown(task, values))

    def _shown(self, task: Task, values: Mapping[str, object]) -> dict[str, str]:
        """The values as they are said back: what a caller would have said, not what the result holds."""
        shown = {}
        for slot in task.slots:
            value = values.get(slot.name)
            if slot.kind == "choice" and isinstance(value, str):
                shown[slot.name] = slot.choices[value].get(self.pack.code, (value,))[0].rstrip(_MARKS)
            elif isinstance(value, bool):
                shown[slot.name] = self.pack.phrases["yes" if value else "no"][0].rstrip(_MARKS)
            elif value is not None:
                shown[slot.name] = show_value(value, self.pack, self.now)
        return shown


def _plain(text: str, pack: Pack) -> str:
    """Spoken words between spaces: "3" is found in "three", whichever of them was kept, but not in "13"."""
    return f" {' '.join(words(speakable(text, pack).text, pack.code))} "
