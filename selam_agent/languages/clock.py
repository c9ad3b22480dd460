"""The Ethiopian clock and calendar beside the international ones, said and understood.

Ethiopian hours are counted from 06:00 and 18:00 (languages.md §7.5): 9:00 is "3 in the morning". Which
clock people use depends on the place, so it is the pack's ``clock``, not the language. The calendar is
the usual Julian-day formula with the Amete Mihret epoch 1723856 (Beyene and Kudlek's algorithm).
"""

from __future__ import annotations

from datetime import date, datetime, time

from selam_agent.languages.pack import DayPart, Pack

_EPOCH = 1723856  # Julian day of 1 Meskerem 1 Amete Mihret
_ORDINAL_TO_JDN = 1721425  # date.toordinal() 1 is Julian day 1721426


def ethiopian_hour(hour: int) -> int:
    """The hour 1–12 on the Ethiopian clock of an international hour 0–23."""
    return (hour - 6) % 12 or 12


def international_hours(hour: int) -> tuple[int, int]:
    """Both international hours an Ethiopian hour 1–12 can mean, the daytime one (7–18) first."""
    return hour % 12 + 6, (hour % 12 + 18) % 24


def to_ethiopian(day: date) -> tuple[int, int, int]:
    """Year, month 1–13 and day of the Ethiopian calendar; dates from 9 on the Gregorian one."""
    since = day.toordinal() + _ORDINAL_TO_JDN - _EPOCH
    cycle, rest = divmod(since, 1461)
    in_year = rest % 365 + 365 * (rest // 1460)
    year = 4 * cycle + rest // 365 - rest // 1460
    return year, in_year // 30 + 1, in_year % 30 + 1


def from_ethiopian(year: int, month: int, day: int) -> date:
    """The Gregorian date; raises ValueError where the Ethiopian calendar has no such day."""
    last = 30 if month < 13 else 6 if year % 4 == 3 else 5
    if year < 1 or not 1 <= month <= 13 or not 1 <= day <= last:
        raise ValueError(f"the Ethiopian calendar has no {day}.{month}.{year}")
    jdn = _EPOCH + 365 * year + year // 4 + 30 * (month - 1) + day - 1
    return date.fromordinal(jdn - _ORDINAL_TO_JDN)


def day_part(hour: int, pack: Pack) -> DayPart:
    """The part of the day an international hour 0–23 belongs to."""
    return [part for part in pack.time.parts if part.start <= hour][-1]


def say_time(local: datetime | time, pack: Pack, both: bool = False) -> str:
    """The time for display, such as "ከጠዋቱ 3 ሰዓት" or "9:00 in the morning".

    With ``both``, or where the pack's clock is ``both``, the international time follows the Ethiopian
    one: "ከጠዋቱ 3 ሰዓት፣ 9:00". An international pack has only one way to say it.
    """
    hour = (local.hour - 1) % 12 + 1 if pack.clock == "international" else ethiopian_hour(local.hour)
    template = pack.time.say_minutes if local.minute else pack.time.say
    said = template.format(part=day_part(local.hour, pack).say, hour=hour, minute=local.minute).strip()
    if pack.clock == "both" or (both and pack.clock == "ethiopian"):
        comma = "፣" if pack.script == "Ethiopic" else ","
        return f"{said}{comma} {local.hour}:{local.minute:02}"
    return said


def say_hour(local: datetime | time, pack: Pack) -> str:
    """The bare hour where the sentence itself says the rest: "3", or "9:00" on the international clock."""
    if pack.clock != "international":
        hour = ethiopian_hour(local.hour)
        return str(hour) if not local.minute else f"{hour}:{local.minute:02}"
    return f"{(local.hour - 1) % 12 + 1}:{local.minute:02}"


def say_date(day: date, pack: Pack) -> str:
    """The date in the pack's calendar, such as "ዓርብ፣ 11 ኅዳር 2019"."""
    year, month, number = day.year, day.month, day.day
    if pack.calendar.kind == "ethiopian":
        year, month, number = to_ethiopian(day)
    return pack.calendar.say.format(
        weekday=pack.calendar.weekdays[day.weekday()],
        day=number,
        month=pack.calendar.months[month - 1],
        year=year,
    )


def spoken_now(now: datetime, pack: Pack) -> str:
    """The present moment for a language model: as it computes and, where that differs, as callers say it.

    "Friday 2026-11-20 11:00+03:00; here people say: ዓርብ፣ 11 ኅዳር 2019፣ ከጠዋቱ 5 ሰዓት". Models silently
    answer in 24-hour Gregorian times when they are given only those (languages.md §7.5).

    Args:
        now: aware local time of the caller.
        pack: the language, in its region.
    """
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    stated = f"{names[now.weekday()]} {now.isoformat(' ', timespec='minutes')}"
    if pack.clock == "international" and pack.calendar.kind == "gregorian":
        return stated
    comma = "፣" if pack.script == "Ethiopic" else ","
    return f"{stated}; here people say: {say_date(now, pack)}{comma} {say_time(now, pack)}"


def hours_meant(hour: int, pack: Pack, part: str | None = None) -> tuple[int, ...]:
    """The international hours 0–23 that a spoken hour can mean, the likelier first.

    13 to 23 and 0 are unambiguous. A part of the day (``morning`` …) keeps the hours inside it; one
    that fits neither is taken as a slip and ignored. More than one candidate, or any on the Ethiopian
    clock, must be confirmed in both systems before something is done with it.
    """
    if not 1 <= hour <= 12:
        return (hour,) if 0 <= hour <= 23 else ()
    if pack.clock == "international":
        candidates = (hour % 12 + 12, hour % 12) if hour % 12 < 7 else (hour, hour + 12)
    else:
        candidates = international_hours(hour)
    if part is None:
        return candidates
    return tuple(h for h in candidates if h in _SPANS[part]) or candidates


def part_fits(hour: int, part: str, pack: Pack) -> bool:
    """Whether a spoken hour can lie in that part of the day: nine, for one, is never in the afternoon."""
    return any(h in _SPANS[part] for h in hours_meant(hour, pack, part))


# Wider than the packs' parts: people call 12:00 afternoon or day, and 17:00 afternoon or evening.
_SPANS = {
    "morning": range(12),
    "afternoon": range(12, 19),
    "evening": range(17, 24),
    "night": (*range(18, 24), *range(7)),
}
