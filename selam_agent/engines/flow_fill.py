"""Puts what was said into a task's slots, and works out what the slots hold at a given moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time

from selam_agent.engines.flow_format import Slot, Task
from selam_agent.engines.flow_match import Understanding
from selam_agent.engines.flow_slots import Day, Hour, Mentions, resolve_day, resolve_time
from selam_agent.languages.clock import part_fits
from selam_agent.languages.pack import Pack

Value = Day | Hour | int | str | bool


@dataclass(frozen=True, slots=True)
class Said:
    """What the caller said for one slot, with the language that gives it its meaning."""

    value: Value
    pack: Pack
    part: str | None = None

    @property
    def today(self) -> bool:
        return isinstance(self.value, Day) and self.value.offset == 0


def fill(
    task: Task, asked_name: str, said: Mapping[str, Said], part: str | None, understood: Understanding
) -> tuple[dict[str, Said], str | None]:
    """The slots with what was mentioned, each kind in the slot asked for or else the first of its kind.

    ``part``: a part of the day that still waits for its hour; the new one is returned.
    """
    mentions, pack, filled = understood.mentions, understood.pack, dict(said)
    asked = task.slot(asked_name)
    kind_asked = asked.kind if asked else ""
    hour = _hour(mentions, kind_asked, asked is None)
    part = mentions.part or part
    found: dict[str, Value | None] = {
        "date": mentions.day,
        "time": hour,
        "number": mentions.number if kind_asked == "number" else None,
        "digits": mentions.digits or None if kind_asked == "digits" else None,
        "yes_no": _yes_no(understood) if kind_asked == "yes_no" else None,
    }
    for kind, value in found.items():
        slot = _slot(task, kind, asked)
        if slot and value is not None and _allowed(slot, value):
            filled[slot.name] = Said(value, pack, part if kind == "time" else None)
            part = None if kind == "time" else part
    timed = _slot(task, "time", asked)
    if mentions.part and hour is None and timed and timed.name in filled:
        # "In the morning." after "Three o'clock." gives the hour another meaning, or takes it back.
        old = filled.pop(timed.name)
        if isinstance(old.value, Hour) and part_fits(old.value.hour, mentions.part, old.pack):
            filled[timed.name] = replace(old, part=mentions.part)
            part = None
    for name, choice in mentions.choices:
        if task.slot(name):
            filled[name] = Said(choice, pack)
    return filled, part


def _hour(mentions: Mentions, kind_asked: str, free: bool) -> Hour | None:
    """The hour said; a bare number is one where an hour was asked for, or beside a day or a correction."""
    if mentions.hour or mentions.number is None or mentions.number > 24:
        return mentions.hour
    bare = kind_asked == "time" or free or (mentions.day and kind_asked not in ("number", "digits"))
    return Hour(mentions.number % 24) if bare else None


def _yes_no(understood: Understanding) -> bool | None:
    roles = {intent.role for intent in understood.intents}
    return None if ("yes" in roles) == ("no" in roles) else "yes" in roles


def _slot(task: Task, kind: str, asked: Slot | None) -> Slot | None:
    if asked and asked.kind == kind:
        return asked
    return next((slot for slot in task.slots if slot.kind == kind), None)


def _allowed(slot: Slot, value: object) -> bool:
    size = len(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int):
        return True
    low, high = slot.minimum, slot.maximum
    return (low is None or size >= low) and (high is None or size <= high)


def values_now(task: Task, said: Mapping[str, Said], now: datetime) -> dict[str, object]:
    """The slots' values as of ``now``: dates, times, numbers, texts. Those that cannot be are left out.

    The first time belongs to the first date: "today" wants an hour still to come, and a weekday
    is next week's when its hour today is over.
    """
    values: dict[str, object] = {}
    first: dict[str, str] = {}
    for slot in task.slots:
        first.setdefault(slot.kind, slot.name)
        if slot.name in said and not isinstance(said[slot.name].value, (Day, Hour)):
            values[slot.name] = said[slot.name].value
    day_said = said.get(first.get("date", ""))
    after = now.time() if day_said and day_said.today else None
    for slot in task.slots:
        each = said.get(slot.name)
        if each and isinstance(each.value, Hour):
            later = after if slot.name == first["time"] else None
            at = resolve_time(each.value, each.part, each.pack, task.opens, task.closes, later)
            if at:
                values[slot.name] = at
    clock = values.get(first.get("time", ""))
    for slot in task.slots:
        each = said.get(slot.name)
        if each and isinstance(each.value, Day):
            at = clock if isinstance(clock, time) and slot.name == first["date"] else None
            day = resolve_day(each.value, each.pack, now, task.closes, at)
            if day:
                values[slot.name] = day
    return values
