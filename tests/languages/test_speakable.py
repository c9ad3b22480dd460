import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.languages.packs import load
from selam_agent.languages.speakable import geez_number, speakable

PACKS = load()


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("am", "ማክሰኞ ከጠዋቱ 3 ሰዓት፣ 9:00 ነው። ትክክል ነው?", "ማክሰኞ ከጠዋቱ ሦስት ሰዓት፣ ዘጠኝ ዜሮ ዜሮ ነው። ትክክል ነው?"),
        ("am", "ከ30 ደቂቃ", "ከሠላሳ ደቂቃ"),
        ("am", "፲፱፻፺፱ ዓ.ም.", "አንድ ሺህ ዘጠኝ መቶ ዘጠና ዘጠኝ ዓመተ ምሕረት"),
        ("am", "50%", "ሃምሳ በመቶ"),
        ("am", "ዶ/ር አበበ", "ዶክተር አበበ"),
        ("en", "It is 9:00.", "It is nine o'clock."),
        ("en", "At 10:30, please", "At ten thirty, please"),
        ("en", "9:05", "nine zero five"),
        ("en", "Call +251911.", "Call plus two five one nine one one."),
        ("en", "Call 0911", "Call zero nine one one"),
        ("en", "It costs $5 & 3.5%", "It costs five dollars and three point five percent"),
        ("en", "-5 degrees", "minus five degrees"),
        ("en", "1,250 people", "one thousand two hundred fifty people"),
        ("en", "**Hello** `you` 😀!", "Hello you!"),
        ("en", "- one\n- two", "one two"),
        ("en", "## See [this](https://example.com/a1) now", "See this now"),
        ("en", "Look at https://example.com/1.", "Look at."),
        ("en", "B12", "B twelve"),
        ("en", "x² ½", "x two"),
        ("so", "9:00 subaxnimo", "sagaalka subaxnimo"),
        ("so", "9:30", "sagaalka iyo soddon"),
        ("om", "ganama sa'aatii 3", "ganama sa'aatii sadii"),
        ("ti", "ንግሆ ሰዓት 3፣ 9:00", "ንግሆ ሰዓት ሰለስተ፣ ትሽዓተ ዜሮ ዜሮ"),
        ("en", "2026-11-20", "Friday, November twenty, two thousand twenty six"),
        ("en", "", ""),
    ],
)
def test_table(code: str, text: str, said: str) -> None:
    assert speakable(text, PACKS[code]).text == said


def test_spans_lead_back_to_the_display_text() -> None:
    text = "ማክሰኞ ከጠዋቱ 3 ሰዓት፣ 9:00 ነው።"
    result = speakable(text, PACKS["am"])
    pairs = [(text[a:b], result.text[c:d]) for a, b, c, d in result.spans]
    assert ("3", "ሦስት") in pairs
    assert ("9:00", "ዘጠኝ ዜሮ ዜሮ") in pairs
    heard = result.text.index("ዘጠኝ ዜሮ")
    assert text[: result.display_end(heard)] == "ማክሰኞ ከጠዋቱ 3 ሰዓት፣"
    assert result.display_end(len(result.text)) == len(text)
    assert result.display_end(0) == 0


@given(
    st.sampled_from(PACKS.languages),
    st.text(alphabet=st.one_of(st.characters(), st.sampled_from("09.:,-%$፲፻ "))),
)
def test_total_and_without_digits(code: str, text: str) -> None:
    result = speakable(text, PACKS[code])
    assert not any(unicodedata.category(c).startswith("N") for c in result.text)
    assert [text[a:b] for a, b, _, _ in result.spans] == text.split()
    last = 0
    for _, _, start, end in result.spans:
        assert last <= start <= end <= len(result.text)
        last = end


@pytest.mark.parametrize(("numerals", "value"), [("፲፱፻፺፱", 1999), ("፻", 100), ("፼", 10_000), ("፳፻፲፱", 2019)])
def test_geez(numerals: str, value: int) -> None:
    assert geez_number(numerals) == value
