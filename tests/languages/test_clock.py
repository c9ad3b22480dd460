from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.languages import clock
from selam_agent.languages.packs import load

PACKS = load()


@pytest.mark.parametrize(("hour", "said"), [(0, 6), (6, 12), (7, 1), (9, 3), (12, 6), (18, 12), (21, 3)])
def test_ethiopian_hour(hour: int, said: int) -> None:
    assert clock.ethiopian_hour(hour) == said
    assert hour in clock.international_hours(said)


@pytest.mark.parametrize(
    ("gregorian", "ethiopian"),
    [
        (date(2007, 9, 12), (2000, 1, 1)),
        (date(2023, 9, 12), (2016, 1, 1)),
        (date(2026, 9, 11), (2019, 1, 1)),
        (date(2026, 11, 20), (2019, 3, 11)),
        (date(2023, 9, 11), (2015, 13, 6)),
    ],
)
def test_calendar(gregorian: date, ethiopian: tuple[int, int, int]) -> None:
    assert clock.to_ethiopian(gregorian) == ethiopian
    assert clock.from_ethiopian(*ethiopian) == gregorian


def test_four_hundred_years_of_dates_come_back_in_order() -> None:
    before = (0, 0, 0)
    day = date(1800, 1, 1)
    for _ in range(400 * 365 + 97):
        ethiopian = clock.to_ethiopian(day)
        assert ethiopian > before
        assert clock.from_ethiopian(*ethiopian) == day
        before, day = ethiopian, day + timedelta(days=1)


@pytest.mark.parametrize("wrong", [(2018, 13, 6), (2019, 0, 1), (2019, 3, 31), (0, 1, 1)])
def test_no_such_day(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no"):
        clock.from_ethiopian(*wrong)


@pytest.mark.parametrize("code", PACKS.languages)
def test_every_minute_comes_back(code: str) -> None:
    pack = PACKS[code]
    said = set()
    for hour in range(24):
        part = clock.day_part(hour, pack).name
        spoken = (hour - 1) % 12 + 1 if pack.clock == "international" else clock.ethiopian_hour(hour)
        assert clock.hours_meant(spoken, pack, part) == (hour,)
        for minute in range(60):
            said.add(clock.say_time(time(hour, minute), pack))
    assert len(said) == 24 * 60


@pytest.mark.parametrize(
    ("code", "at", "both", "said"),
    [
        ("am", time(9), False, "ከጠዋቱ 3 ሰዓት"),
        ("am", time(9), True, "ከጠዋቱ 3 ሰዓት፣ 9:00"),
        ("am", time(2), False, "ከሌሊቱ 8 ሰዓት"),
        ("am", time(15), True, "ከቀኑ 9 ሰዓት፣ 15:00"),
        ("am", time(19, 30), False, "ከምሽቱ 1 ሰዓት ከ30 ደቂቃ"),
        ("en", time(9), True, "9:00 in the morning"),
        ("en", time(0, 5), False, "12:05 in the morning"),
        ("so", time(15), True, "3:00 galabnimo"),
        ("om", time(9), True, "ganama sa'aatii 3, 9:00"),
        ("ti", time(9), True, "ንግሆ ሰዓት 3፣ 9:00"),
    ],
)
def test_say_time(code: str, at: time, both: bool, said: str) -> None:
    assert clock.say_time(at, PACKS[code], both=both) == said


@pytest.mark.parametrize(
    ("locale", "clock_kind", "nine", "today"),
    [
        ("am-ET", "ethiopian", "ከጠዋቱ 3 ሰዓት", "ዓርብ፣ 11 ኅዳር 2019"),
        ("om-ET", "ethiopian", "ganama sa'aatii 3", "Jimaata, Sadaasa 11, 2019"),
        ("ti-ET", "ethiopian", "ንግሆ ሰዓት 3", "ዓርቢ፣ 11 ሕዳር 2019"),
        ("ti", "ethiopian", "ንግሆ ሰዓት 3", "ዓርቢ፣ 11 ሕዳር 2019"),
        ("ti-ER", "international", "ንግሆ ሰዓት 9", "ዓርቢ፣ 20 ሕዳር 2026"),
        ("so-SO", "international", "9:00 subaxnimo", "Jimce, 20 Nofembar 2026"),
        ("en-GB", "international", "9:00 in the morning", "Friday, November 20, 2026"),
    ],
)
def test_clock_and_calendar_go_by_the_region(locale: str, clock_kind: str, nine: str, today: str) -> None:
    pack = PACKS[locale]
    assert pack.clock == clock_kind and pack.code == locale[:2]
    assert clock.say_time(time(9), pack) == nine
    assert clock.say_date(date(2026, 11, 20), pack) == today
    heard = clock.hours_meant(3, pack, "morning")
    assert heard == ((9,) if clock_kind == "ethiopian" else (3,))
    now = datetime(2026, 11, 20, 9, tzinfo=ZoneInfo(pack.timezone))
    assert ("here people say" in clock.spoken_now(now, pack)) is (clock_kind == "ethiopian")
    assert clock.spoken_now(now, pack).startswith("Friday 2026-11-20 09:00+03:00")


def test_say_date() -> None:
    now = datetime(2026, 11, 20, 11)
    assert clock.say_date(now, PACKS["am"]) == "ዓርብ፣ 11 ኅዳር 2019"
    assert clock.say_date(now, PACKS["en"]) == "Friday, November 20, 2026"
    assert clock.say_date(now, PACKS["om"]) == "Jimaata, Sadaasa 11, 2019"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("am", "Friday 2026-11-20 09:00+03:00; here people say: ዓርብ፣ 11 ኅዳር 2019፣ ከጠዋቱ 3 ሰዓት"),
        (
            "om",
            "Friday 2026-11-20 09:00+03:00; here people say: Jimaata, Sadaasa 11, 2019, ganama sa'aatii 3",
        ),
        ("so", "Friday 2026-11-20 09:00+03:00"),
        ("en", "Friday 2026-11-20 09:00+03:00"),
    ],
)
def test_the_present_in_both_systems(code: str, said: str) -> None:
    pack = PACKS[code]
    assert clock.spoken_now(datetime(2026, 11, 20, 9, tzinfo=ZoneInfo(pack.timezone)), pack) == said


@pytest.mark.parametrize(
    ("code", "hour", "part", "meant"),
    [
        ("am", 3, None, 9),
        ("am", 9, None, 15),
        ("am", 3, "evening", 21),
        ("am", 12, "morning", 6),
        ("en", 3, None, 15),
        ("en", 9, None, 9),
        ("en", 3, "morning", 3),
        ("en", 12, None, 12),
        ("so", 3, None, 15),
        ("en", 15, "morning", 15),
    ],
)
def test_hours_meant(code: str, hour: int, part: str | None, meant: int) -> None:
    assert clock.hours_meant(hour, PACKS[code], part)[0] == meant


@given(st.integers(-5, 30), st.sampled_from([None, "night", "morning", "afternoon", "evening"]))
def test_hours_meant_never_raises(hour: int, part: str | None) -> None:
    for code in PACKS.languages:
        assert all(0 <= each <= 23 for each in clock.hours_meant(hour, PACKS[code], part))
