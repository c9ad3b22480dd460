import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.languages.carry_hours import carry_hours
from selam_agent.languages.packs import load

PACKS = load()


@pytest.mark.parametrize(
    ("source", "target", "text", "carried"),
    [
        ("am", "en", "ነገ ጠዋት ሦስት ሰዓት እመጣለሁ።", "ነገ ጠዋት 9 ሰዓት እመጣለሁ።"),
        ("am", "en", "አሥራ አንድ ሰዓት ይሻላል።", "5 ሰዓት ይሻላል።"),
        ("am", "so", "ከጠዋቱ 3:30 ነው።", "ከጠዋቱ 9:30 ነው።"),
        ("am", "en", "15:30 ነው።", "15:30 ነው።"),
        ("om", "en", "Ganama sa'aatii sadii nan dhufa.", "Ganama sa'aatii 9 nan dhufa."),
        ("ti", "en", "ንግሆ ሰዓት ሰለስተ እመጽእ።", "ንግሆ ሰዓት 9 እመጽእ።"),
        ("en", "am", "Come at 9:30 in the morning.", "Come at 3:30 in the morning."),
        ("en", "am", "Come at nine o'clock, please.", "Come at 3 o'clock, please."),
        (
            "en",
            "am",
            "At 9 a.m. or at 4:15 PM.",
            "At 3 in the morning or at 10:15 in the afternoon.",
        ),
        ("en", "am", "The bus leaves at 14:00.", "The bus leaves at 8:00 in the afternoon."),
        ("en", "am", "Call 0911, room 12, on 20/11/2026.", "Call 0911, room 12, on 20/11/2026."),
        ("en", "so", "Come at 9:30.", "Come at 9:30."),
        ("am", "ti", "ሦስት ሰዓት", "ሦስት ሰዓት"),
    ],
)
def test_table(source: str, target: str, text: str, carried: str) -> None:
    assert carry_hours(text, PACKS[source], PACKS[target]) == carried


@pytest.mark.parametrize("hour", range(1, 13))
def test_there_and_back(hour: int) -> None:
    there = carry_hours(f"at {hour}:05", PACKS["en"], PACKS["am"])
    assert carry_hours(there, PACKS["am"], PACKS["en"]) == f"at {hour}:05"


@given(st.text(), st.sampled_from(PACKS.languages), st.sampled_from(PACKS.languages))
def test_never_raises(text: str, source: str, target: str) -> None:
    carry_hours(text, PACKS[source], PACKS[target])
