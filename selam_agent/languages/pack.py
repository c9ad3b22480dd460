"""What a language pack holds. Instances compare by identity: there is one of each per installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DAY_PARTS = ("night", "morning", "afternoon", "evening")


@dataclass(frozen=True, eq=False, slots=True)
class VoiceEntry:
    """A voice under its own name. ``engines``: each ``{engine = …, voice = …, …}``, best first."""

    name: str
    gender: str
    engines: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, eq=False, slots=True)
class DayPart:
    """From this hour (0–23) on, a time is said with ``say``. ``name`` is one of DAY_PARTS."""

    start: int
    name: str
    say: str


@dataclass(frozen=True, eq=False, slots=True)
class TimeWords:
    """How times are said and understood.

    ``say``/``say_minutes``: templates of {part}, {hour} and {minute} for full hours and others.
    ``hour_words`` mark a number as an hour, ``half`` and ``quarter`` add minutes, and ``parts_heard``
    lists further words per day-part that a caller may use.
    """

    say: str
    say_minutes: str
    parts: tuple[DayPart, ...]
    hour_words: tuple[str, ...]
    half: tuple[str, ...]
    quarter: tuple[str, ...]
    parts_heard: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False, slots=True)
class CalendarWords:
    """``kind``: ``ethiopian`` (13 months) or ``gregorian`` (12). ``weekdays``: Monday … Sunday."""

    kind: str
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    say: str


@dataclass(frozen=True, eq=False, slots=True)
class NumberWords:
    """``small``: 0–19, ``tens``: 20–90, ``tens_joined``: the same before a unit, ``also``: heard."""

    small: tuple[str, ...]
    tens: tuple[str, ...]
    tens_joined: tuple[str, ...]
    hundred: str
    thousand: str
    million: str
    billion: str
    joiner: str
    minus: str
    point: str
    also: Mapping[str, int]


@dataclass(frozen=True, eq=False, slots=True)
class SpeechWords:
    """How written things are said; every text is spoken as it stands here.

    ``percent``: a template of {number}; ``range``: of {first} and {last}; ``cents``: of {number}, after
    an amount of money. ``currencies``: one of it and several, by symbol, code or short name.
    ``units`` follow a number, ``before_numbers`` (such as "No.") precede one. ``year_leads``: words
    before a year, in a language that says it in pairs. ``phone_plus``: the + of a telephone number.
    ``loans``: foreign words in the language's letters, ``letters``: the names of A to Z in them.
    """

    percent: str
    range: str
    cents: str
    symbols: Mapping[str, str]
    abbreviations: Mapping[str, str]
    currencies: Mapping[str, tuple[str, ...]]
    units: Mapping[str, str]
    before_numbers: Mapping[str, str]
    year_leads: tuple[str, ...]
    phone_plus: str
    loans: Mapping[str, str]
    letters: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class TurnWords:
    """How sentences of the language end, ask and hesitate; ``dialogue`` reads them. All may be empty.

    The meaning of each list stands above it in the packs. ``*_forms``: ``-end``, ``start-`` or
    ``start-end`` of a word. ``phone_digits``: how many digits a number said digit by digit has.
    """

    complete_alone: tuple[str, ...]
    complete_words: tuple[str, ...]
    complete_forms: tuple[str, ...]
    incomplete_words: tuple[str, ...]
    incomplete_forms: tuple[str, ...]
    stranded_words: tuple[str, ...]
    fillers: tuple[str, ...]
    question_openers: tuple[str, ...]
    question_words: tuple[str, ...]
    question_endings: tuple[str, ...]
    quoting: tuple[str, ...]
    number_leads: tuple[str, ...]
    phone_digits: int
    lookalikes: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Pack:
    """One language. ``clock``: how hours are counted: ``international``, ``ethiopian`` or ``both``.

    ``phrases`` and ``slots``: what a caller may say, exactly as the embedded recogniser learned it.
    ``says``: what the server itself says; ``page``: what the web page shows, English where it has none.
    ``preamble``: a template of {language} and {now} for language models; ``strict``: what they are told
    after an answer in another language.
    ``needs_review``: no native speaker has confirmed it yet. ``regions``: the same language where clock
    and calendar are others, by ISO 3166 code; those have none themselves.
    """

    code: str
    name: str
    endonym: str
    script: str
    locale: str
    timezone: str
    clock: str
    needs_review: bool
    voices: tuple[VoiceEntry, ...]
    phrases: Mapping[str, tuple[str, ...]]
    slots: Mapping[str, tuple[str, ...]]
    says: Mapping[str, str]
    preamble: str
    strict: str
    page: Mapping[str, str]
    stop_words: tuple[str, ...]
    backchannels: tuple[str, ...]
    turns: TurnWords
    time: TimeWords
    calendar: CalendarWords
    numbers: NumberWords
    speech: SpeechWords
    regions: Mapping[str, Pack] = field(default_factory=dict)
