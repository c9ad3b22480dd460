from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.languages.numbers import parse_number, say_digits, say_number
from selam_agent.languages.packs import load

PACKS = load()
CODES = list(PACKS.languages)


@pytest.mark.parametrize(
    ("code", "number", "said"),
    [
        ("en", 1234, "one thousand two hundred thirty four"),
        ("am", 2019, "ሁለት ሺህ አሥራ ዘጠኝ"),
        ("am", 1_000_000, "አንድ ሚሊዮን"),
        ("am", 123_456, "አንድ መቶ ሃያ ሦስት ሺህ አራት መቶ ሃምሳ ስድስት"),
        ("so", 21, "kow iyo labaatan"),
        ("so", 121, "boqol iyo kow iyo labaatan"),
        ("ti", 21, "ዕስራን ሓደን"),
        ("ti", 11, "ዓሰርተ ሓደ"),
        ("om", 21, "digdamii tokko"),
        ("om", 105_000, "kuma dhibba tokko shan"),
        ("om", 100_005, "kuma dhibba tokko fi shan"),
        ("en", -5, "minus five"),
    ],
)
def test_table(code: str, number: int, said: str) -> None:
    assert say_number(number, PACKS[code]) == said


def check(code: str, numbers: Sequence[int]) -> None:
    """Each is said in words, each in others, and the words come back as the number."""
    pack = PACKS[code]
    said = [say_number(number, pack) for number in numbers]
    assert len(set(said)) == len(set(numbers))
    assert not any(char.isdigit() for char in set("".join(said)))
    assert all(said) and [parse_number(text, pack) for text in said] == list(numbers)


@pytest.mark.parametrize("code", CODES)
def test_numbers_to_ten_thousand(code: str) -> None:
    check(code, range(10_001))


@pytest.mark.parametrize("code", CODES)
def test_a_hundred_thousand_numbers_to_a_billion(code: str) -> None:
    """As many small as large ones."""
    random = Random(CODES.index(code))
    numbers = [int(10 ** random.uniform(4, 9)) for _ in range(50_000)]
    numbers += [random.randrange(10**9) for _ in range(49_998)] + [10**9 - 1, 10**9]
    check(code, numbers)


@pytest.mark.exhaustive
@pytest.mark.parametrize("code", CODES)
def test_numbers_to_a_million(code: str) -> None:
    check(code, range(1_000_001))


@given(st.sampled_from(CODES), st.text())
def test_parsing_never_raises(code: str, text: str) -> None:
    value = parse_number(text, PACKS[code])
    assert value is None or value >= 0


@pytest.mark.parametrize(
    ("code", "text", "number"),
    [
        ("en", "one hundred and five", 105),
        ("en", "five six", None),
        ("en", "five apples", None),
        ("en", "1,250", 1250),
        ("am", "መቶ አምሳ", 150),
        ("am", "ሶስት", 3),
        ("so", "hal", 1),
        ("om", "dhibba", 100),
        ("om", "kuma lama", 2000),
        ("en", "", None),
    ],
)
def test_heard(code: str, text: str, number: int | None) -> None:
    assert parse_number(text, PACKS[code]) == number


def test_digits_one_by_one() -> None:
    assert say_digits("09-11", PACKS["en"]) == "zero nine one one"
