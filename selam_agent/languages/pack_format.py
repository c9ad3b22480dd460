"""Checks a pack's TOML and makes the ``Pack`` of it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from zoneinfo import ZoneInfo

from selam_agent.languages.pack import (
    DAY_PARTS,
    CalendarWords,
    DayPart,
    NumberWords,
    Pack,
    SpeechWords,
    TimeWords,
    TurnWords,
    VoiceEntry,
)
from selam_agent.languages.tables import Table

# For packs that have none.
_PREAMBLE = (
    "You speak with a caller on the telephone. Answer in {language}, whatever language the caller speaks. "
    "Your answer is spoken aloud: at most two short, plain sentences; no lists, no markup, no emoji. "
    "Keep the names of people and places as the caller says them. Now it is {now}."
)
_STRICT = "Your last answer was in another language. Answer only in the language that is asked for."
_CLOCKS = ("international", "ethiopian", "both")
_SLOT_SIZES = {"days": 7, "hours": 12, "digits": 10}


def read_pack(table: Table) -> Pack:
    """One language from its file's table; raises SettingsError naming file and key."""
    model = table.table("preamble", optional=True)
    phrases, slots, turns = table.table("phrases"), table.table("slots", optional=True), table.table("turns")
    pack = Pack(
        code=table.text("code"),
        name=table.text("name"),
        endonym=table.text("endonym"),
        script=table.text("script", choices=("Latin", "Ethiopic")),
        locale=table.text("locale"),
        timezone=table.text("timezone"),
        clock=table.text("clock", choices=_CLOCKS),
        needs_review=table.flag("needs_review", True),
        voices=tuple(_voice(each) for each in table.tables("voices")),
        phrases=MappingProxyType({key: phrases.strings(key) for key in phrases.keys()}),  # noqa: SIM118
        slots=MappingProxyType({key: slots.strings(key, _SLOT_SIZES.get(key)) for key in slots.keys()}),  # noqa: SIM118
        says=MappingProxyType(table.texts("says")),
        preamble=_template(model, "text", default=_PREAMBLE, language="", now=""),
        strict=model.text("strict", _STRICT),
        page=MappingProxyType(table.texts("page", optional=True)),
        stop_words=turns.strings("stop_words"),
        backchannels=turns.strings("backchannels"),
        turns=_turns(turns),
        time=_time(table.table("time")),
        calendar=_calendar(table.table("calendar")),
        numbers=_numbers(table.table("numbers")),
        speech=_speech(table.table("speech", optional=True)),
    )
    model.finish()
    if not pack.voices:
        raise table.error("voices", "must have at least one entry")
    for key in ("say_again", "can_say", "failed", "still_there", "goodbye", "filler"):
        if key not in pack.says:
            raise table.error(f"says.{key}", "is missing")
    _check_timezone(pack, table)
    regions = table.table("regions", optional=True)
    # Tables not named here belong to other readers.
    return replace(
        pack,
        regions=MappingProxyType({name: _region(pack, name, regions.table(name)) for name in regions.keys()}),  # noqa: SIM118
    )


def _region(pack: Pack, name: str, table: Table) -> Pack:
    """The pack where people count hours and days otherwise."""
    if len(name) != 2 or name != name.upper():
        raise table.error("", f"must be called by two capital letters, not {name!r}")
    changed = replace(
        pack,
        locale=f"{pack.code}-{name}",
        timezone=table.text("timezone", pack.timezone),
        clock=table.text("clock", pack.clock, choices=_CLOCKS),
        preamble=_template(table, "preamble", default=pack.preamble, language="", now=""),
        calendar=_calendar(table.table("calendar")) if "calendar" in table else pack.calendar,
    )
    _check_timezone(changed, table)
    table.finish()
    return changed


def _check_timezone(pack: Pack, table: Table) -> None:
    try:
        ZoneInfo(pack.timezone)
    except (KeyError, ValueError, OSError):
        raise table.error("timezone", f"there is no time zone {pack.timezone!r}") from None


def _voice(table: Table) -> VoiceEntry:
    engines = table.raw("engines")
    if not isinstance(engines, list) or not engines:
        raise table.error("engines", "must be a list with at least one engine")
    for each in engines:
        if not isinstance(each, dict) or not isinstance(each.get("engine"), str):
            raise table.error("engines", f"each must be a table with an engine, not {each!r}")
    name = table.text("name")
    if name != name.lower():
        raise table.error("name", f"must be in lower case, not {name!r}")
    gender = table.text("gender", choices=("female", "male", "neutral"))
    table.finish()
    return VoiceEntry(name, gender, tuple(MappingProxyType(each) for each in engines))


def _turns(table: Table) -> TurnWords:
    def entries(key: str) -> tuple[str, ...]:
        return table.strings(key, optional=True)

    def forms(key: str) -> tuple[str, ...]:
        for each in entries(key):
            if each.count("-") != 1 or len(each) < 2:
                raise table.error(key, f"must be -end, start- or start-end, not {each!r}")
        return entries(key)

    phone_digits = table.raw("phone_digits") if "phone_digits" in table else 10
    if not isinstance(phone_digits, int) or phone_digits < 1:
        raise table.error("phone_digits", f"must be a number from 1 on, not {phone_digits!r}")
    words = TurnWords(
        complete_alone=entries("complete_alone"),
        complete_words=entries("complete_words"),
        complete_forms=forms("complete_forms"),
        incomplete_words=entries("incomplete_words"),
        incomplete_forms=forms("incomplete_forms"),
        stranded_words=entries("stranded_words"),
        fillers=entries("fillers"),
        question_openers=entries("question_openers"),
        question_words=entries("question_words"),
        question_endings=entries("question_endings"),
        quoting=entries("quoting"),
        number_leads=entries("number_leads"),
        phone_digits=phone_digits,
        lookalikes=entries("lookalikes"),
    )
    table.finish()
    return words


def _time(table: Table) -> TimeWords:
    parts = []
    for each in table.tables("parts"):
        start = each.raw("from")
        if not isinstance(start, int) or not 0 <= start <= 23:
            raise each.error("from", f"must be an hour from 0 to 23, not {start!r}")
        parts.append(DayPart(start, each.text("name", choices=DAY_PARTS), each.text("say")))
        each.finish()
    if not parts or parts[0].start != 0 or [p.start for p in parts] != sorted({p.start for p in parts}):
        raise table.error("parts", "must begin at hour 0 and go up")
    heard = table.table("heard", optional=True)
    words = TimeWords(
        say=_template(table, "say", hour=1, minute=1, part=""),
        say_minutes=_template(table, "say_minutes", hour=1, minute=1, part=""),
        parts=tuple(parts),
        hour_words=table.strings("hour_words", optional=True),
        half=table.strings("half", optional=True),
        quarter=table.strings("quarter", optional=True),
        parts_heard=MappingProxyType({name: heard.strings(name, optional=True) for name in DAY_PARTS}),
    )
    heard.finish()
    table.finish()
    return words


def _calendar(table: Table) -> CalendarWords:
    kind = table.text("kind", choices=("ethiopian", "gregorian"))
    words = CalendarWords(
        kind=kind,
        months=table.strings("months", 13 if kind == "ethiopian" else 12),
        weekdays=table.strings("weekdays", 7),
        say=_template(table, "say", weekday="", day=1, month="", year=1),
    )
    table.finish()
    return words


def _numbers(table: Table) -> NumberWords:
    also = table.table("also", optional=True)
    values = {}
    for word in also.keys():  # noqa: SIM118
        values[word] = also.raw(word)
        if not isinstance(values[word], int):
            raise also.error(word, f"must be a whole number, not {values[word]!r}")
    tens = table.strings("tens", 8)
    words = NumberWords(
        small=table.strings("small", 20),
        tens=tens,
        tens_joined=table.strings("tens_joined", 8) if "tens_joined" in table else tens,
        hundred=table.text("hundred"),
        thousand=table.text("thousand"),
        million=table.text("million"),
        billion=table.text("billion"),
        joiner=table.raw("joiner") if "joiner" in table else "",
        minus=table.text("minus"),
        point=table.text("point"),
        also=MappingProxyType(values),
    )
    table.finish()
    return words


def _speech(table: Table) -> SpeechWords:
    currencies = table.table("currencies", optional=True)
    words = SpeechWords(
        percent=_template(table, "percent", number="", default="{number} %"),
        range=_template(table, "range", first="", last="", default="{first} {last}"),
        cents=_template(table, "cents", number="", default="{number}"),
        symbols=MappingProxyType(table.texts("symbols", optional=True)),
        abbreviations=MappingProxyType(table.texts("abbreviations", optional=True)),
        currencies=MappingProxyType({name: currencies.strings(name) for name in currencies.keys()}),  # noqa: SIM118
        before_numbers=MappingProxyType(table.texts("before_numbers", optional=True)),
        units=MappingProxyType(table.texts("units", optional=True)),
        year_leads=table.strings("year_leads", optional=True),
        phone_plus=table.raw("phone_plus") if "phone_plus" in table else "",
        loans=MappingProxyType(table.texts("loans", optional=True)),
        letters=table.strings("letters", 26, optional=True),
    )
    table.finish()
    return words


def _template(table: Table, key: str, default: str | None = None, **sample: object) -> str:
    text = table.text(key, default)
    try:
        text.format(**sample)
    except (KeyError, IndexError, ValueError, AttributeError):
        known = ", ".join(f"{{{name}}}" for name in sample)
        raise table.error(key, f"may only use {known}: {text!r}") from None
    return text
