"""Values in what was said (days, hours, numbers), and what they mean at a given moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

from selam_agent.languages.clock import from_ethiopian, hours_meant, say_date, say_time
from selam_agent.languages.normalise import words
from selam_agent.languages.numbers import number_values, parse_number
from selam_agent.languages.pack import Pack


@dataclass(frozen=True, slots=True)
class Day:
    """A day as it was said: a weekday (0 is Monday), days from today, or month and day of a calendar."""

    weekday: int | None = None
    offset: int | None = None
    month: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour as it was said, 0–23. ``sure``: given on the international clock, such as 15:00."""

    hour: int
    minute: int = 0
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Mentions:
    """The values in one utterance; later ones replace earlier ones of their kind.

    ``names``: slots called by name ("the day"); ``choices``: (slot, value) pairs.
    """

    day: Day | None = None
    hour: Hour | None = None
    part: str | None = None
    number: int | None = None
    digits: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Mentions()

    def then(self, later: Mentions) -> Mentions:
        """These mentions with a later sentence's put over them."""
        return Mentions(
            day=later.day or self.day,
            hour=later.hour or self.hour,
            part=later.part or self.part,
            number=self.number if later.number is None else later.number,
            digits=later.digits or self.digits,
            choices=(*self.choices, *later.choices),
            names=(*self.names, *later.names),
        )


Label = tuple[str, str]
"""What a phrase stands for: (kind, value), such as ("weekday", "0") or ("choice", "slot=value")."""


def slot_phrases(pack: Pack) -> dict[tuple[str, ...], Label]:
    """All phrases of the pack that name days, hours and parts of the day, as normalised words."""
    found: dict[tuple[str, ...], Label] = {}

    def add(phrases: Sequence[str], kind: str, values: Sequence[str]) -> None:
        for phrase, value in zip(phrases, values, strict=True):
            found.setdefault(words(phrase, pack.code), (kind, value))

    days = [str(each) for each in range(7)]
    add(pack.slots.get("days", ()), "weekday", days if "days" in pack.slots else ())
    add(pack.calendar.weekdays, "weekday", days)
    for key, offset in (("today", "0"), ("tomorrow", "1")):
        phrases = pack.slots.get(key, ())
        add(phrases, "offset", [offset] * len(phrases))
    hours = pack.slots.get("hours", ())
    add(hours, "hour", [str(i + 1) for i in range(len(hours))])
    for part in ("morning", "afternoon", "evening", "night"):
        phrases = (*pack.slots.get(part, ()), *pack.time.parts_heard[part])
        add(phrases, "part", [part] * len(phrases))
    for each in pack.time.parts:
        add([each.say], "part", [each.name])
    add(pack.calendar.months, "month", [str(i + 1) for i in range(len(pack.calendar.months))])
    for phrases, minute in ((pack.time.half, "30"), (pack.time.quarter, "15")):
        add(phrases, "minute", [minute] * len(phrases))
    add(pack.time.hour_words, "hour_word", [""] * len(pack.time.hour_words))
    found.pop((), None)
    return found


@dataclass(slots=True)
class Collector:
    """Gathers the mentions of one sentence, word by word, left to right."""

    pack: Pack
    _mentions: Mentions = field(default_factory=Mentions)
    _number: int | None = None
    _month: int | None = None
    _hour_word: bool = False

    def number(self, tokens: tuple[str, ...]) -> int:
        """Takes a number, a time or digits from the front of ``tokens``; says how many words it took."""
        first = tokens[0]
        hour, colon, minute = first.partition(":")
        if colon and hour.isdecimal() and minute.isdecimal() and int(hour) <= 23 and int(minute) <= 59:
            self._set(hour=Hour(int(hour), int(minute), sure=not 1 <= int(hour) <= 12))
            return 1
        attached = first.rstrip("apm")
        if attached != first and attached.isdecimal() and first[len(attached) :] in ("am", "pm"):
            self._take(int(attached[:9]))
            self.label(("part", "morning" if first.endswith("am") else "afternoon"))
            return 1
        if first.isdecimal() and first.isascii():
            self._mentions = replace(self._mentions, digits=self._mentions.digits + first)
            self._take(int(first[:12]))
            return 1
        length = len(number_values(tokens[:12], self.pack))
        while length:
            value = parse_number(" ".join(tokens[:length]), self.pack)
            if value is not None:
                if value < 10:
                    self._mentions = replace(self._mentions, digits=f"{self._mentions.digits}{value}")
                self._take(value)
                return length
            length -= 1
        return 0

    def label(self, label: Label) -> bool:
        """Takes what a phrase stands for; False if it means nothing here."""
        kind, value = label
        if kind == "minute":
            return self._minute(int(value))
        if kind == "weekday":
            self._set(day=Day(weekday=int(value)))
        elif kind == "offset":
            self._set(day=Day(offset=int(value)))
        elif kind == "hour":
            self._set(hour=Hour(int(value)))
        elif kind == "part":
            self._set(part=value)
        elif kind == "month":
            self._month = int(value)
            self._date()
        elif kind == "hour_word":
            if self._number is None:
                self._hour_word = True
            elif self._number <= 24:
                self._set(hour=Hour(self._number % 24))
        elif kind == "choice":
            slot, _, choice = value.partition("=")
            self._mentions = replace(self._mentions, choices=(*self._mentions.choices, (slot, choice)))
        elif kind == "name":
            self._mentions = replace(self._mentions, names=(*self._mentions.names, value))
        return True

    def done(self) -> Mentions:
        """What was found. A number beside a part of the day is an hour ("3 pm")."""
        found = self._mentions
        if found.hour is None and found.part and found.number is not None and 1 <= found.number <= 12:
            found = replace(found, hour=Hour(found.number), number=None, digits="")
        if found.hour is not None and found.number == found.hour.hour:
            found = replace(found, number=None, digits="")
        return found

    def _take(self, value: int) -> None:
        self._number = value
        self._mentions = replace(self._mentions, number=value)
        if self._hour_word and value <= 24:
            self._set(hour=Hour(value % 24))
            self._hour_word = False
        elif self._month is not None:
            self._date()

    def _minute(self, minute: int) -> bool:
        hour = self._mentions.hour
        if hour is None and self._number is not None and 1 <= self._number <= 12:
            hour = Hour(self._number)
        if hour is None or hour.minute:
            return False
        self._set(hour=replace(hour, minute=minute))
        return True

    def _date(self) -> None:
        if self._month is not None and self._number is not None:
            self._set(day=Day(month=self._month, number=self._number))
            self._mentions = replace(self._mentions, number=None, digits="")
            self._month = self._number = None

    def _set(self, day: Day | None = None, hour: Hour | None = None, part: str | None = None) -> None:
        self._mentions = self._mentions.then(Mentions(day=day, hour=hour, part=part))


# ---------------------------------------------------------------- what they mean


def resolve_time(
    hour: Hour, part: str | None, pack: Pack, opens: time, closes: time, after: time | None = None
) -> time | None:
    """The time of day meant, within [opens, closes) and later than ``after``; None if there is none."""
    candidates = (hour.hour,) if hour.sure else hours_meant(hour.hour, pack, part)
    times = [time(each, hour.minute) for each in candidates]
    open_times = [each for each in times if opens <= each < closes]
    return next((each for each in open_times if after is None or each > after), None)


def resolve_day(day: Day, pack: Pack, now: datetime, closes: time, at: time | None) -> date | None:
    """The next such day. A weekday is today only while the hour (or closing time) is still to come.

    None for a day that does not exist or a "today" that is over.
    """
    today = now.date()
    over = now.time() >= (at or closes)
    if day.weekday is not None:
        ahead = (day.weekday - today.weekday()) % 7
        return today + timedelta(days=7 if ahead == 0 and over else ahead)
    if day.offset is not None:
        return None if day.offset == 0 and now.time() >= closes else today + timedelta(days=day.offset)
    if day.month is not None and day.number is not None:
        return _calendar_day(day.month, day.number, pack, today)
    return None


def _calendar_day(month: int, number: int, pack: Pack, today: date) -> date | None:
    ethiopian = pack.calendar.kind == "ethiopian"
    for ahead in range(3):
        try:
            if ethiopian:
                found = from_ethiopian(today.year - 8 + ahead, month, number)
            else:
                found = date(today.year + ahead, month, number)
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def show_day(day: date, pack: Pack, now: datetime) -> str:
    """ "Today", the weekday of the next six days, or else the whole date."""
    ahead = (day - now.date()).days
    if ahead == 0 and "today" in pack.slots:
        return pack.slots["today"][0].rstrip(".።!?")
    return pack.calendar.weekdays[day.weekday()] if 0 <= ahead < 7 else say_date(day, pack)


def show_value(value: object, pack: Pack, now: datetime) -> str:
    """A slot's value as it is said back; times on both clocks."""
    if isinstance(value, date):
        return show_day(value, pack, now)
    return say_time(value, pack, both=True) if isinstance(value, time) else str(value)


def fill_result(
    templates: Mapping[str, str], values: Mapping[str, object], now: datetime
) -> dict[str, object]:
    """The result object: ISO 8601 dates and times, the caller's offset where both stand together."""
    return {key: _fill(template, values, now) for key, template in templates.items()}


def _fill(template: str, values: Mapping[str, object], now: datetime) -> object:
    whole = values.get(template[1:-1]) if template[:1] + template[-1:] == "{}" else None
    if isinstance(whole, int):
        return whole
    plain = {
        name: value.isoformat(timespec="minutes")
        if isinstance(value, time)
        else value.isoformat()
        if isinstance(value, date)
        else str(value)
        for name, value in values.items()
    }
    text = template.format(**plain)
    try:
        local = datetime.strptime(text, "%Y-%m-%dT%H:%M")
    except ValueError:
        return text
    return local.replace(tzinfo=now.tzinfo).isoformat(timespec="minutes")
