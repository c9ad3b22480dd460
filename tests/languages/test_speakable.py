import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.languages.numbers import parse_number, say_digits, say_number
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
        ("en", "2026-11-20", "Friday, November twenty, twenty twenty six"),
        ("en", "", ""),
        # Telephone numbers and codes, digit by digit, whatever their shape.
        ("en", "Call 0911 23 45 67.", "Call zero nine one one, two three, four five, six seven."),
        ("en", "(555) 123-4567", "five five five, one two three, four five six seven"),
        ("en", "+251911234567", "plus two five one nine one one two three four five six seven"),
        ("en", "Your number is 4521.", "Your number is four five two one."),
        ("am", "ስልክ 0911 23 45 67", "ስልክ ዜሮ ዘጠኝ አንድ አንድ፣ ሁለት ሦስት፣ አራት አምስት፣ ስድስት ሰባት"),
        ("am", "+251 911", "ሲደመር ሁለት አምስት አንድ ዘጠኝ መቶ አሥራ አንድ"),
        ("so", "061 234 5678", "eber lix kow, laba saddex afar, shan lix toddoba siddeed"),
        ("ti", "0911 23", "ዜሮ ትሽዓተ ሓደ ሓደ ዕስራን ሰለስተን"),
        ("om", "0911-234567", "zeeroo sagal tokko tokko, lama sadii afur shan ja'a torba"),
        # Years, decades and dates.
        (
            "en",
            "Born in 1998, not 1998 people",
            "Born in nineteen ninety eight, not one thousand nine hundred ninety eight people",
        ),
        ("en", "in 2005 and the 1990s", "in two thousand five and the nineteen nineties"),
        ("en", "November 20, 2026", "November twenty, twenty twenty six"),
        ("en", "11/20/2026", "November twenty, twenty twenty six"),
        ("so", "20/11/2026", "labaatan Nofembar laba kun iyo lix iyo labaatan"),
        ("am", "2026-11-20", "ዓርብ፣ አሥራ አንድ ኅዳር ሁለት ሺህ አሥራ ዘጠኝ"),
        ("en", "99/99/2026", "ninety nine ninety nine two thousand twenty six"),
        # Money, percent, ranges, ordinals, versions.
        ("en", "It is $5.50, or $1.", "It is five dollars and fifty cents, or one dollar."),
        ("en", "ETB 1.5 million, 500 ETB", "one point five million birr, five hundred birr"),
        ("am", "ETB 500 ወይም $20.50", "አምስት መቶ ብር ወይም ሃያ ዶላር ከሃምሳ ሳንቲም"),
        ("so", "Sh 500", "shan boqol shilin"),
        ("en", "$1.5 million and 20€", "one point five million dollars and twenty euros"),
        ("en", "500 Br, 1 USD", "five hundred birr, one dollar"),
        ("am", "250 ብር", "ሁለት መቶ ሃምሳ ብር"),
        ("am", "፭፻ ብር", "አምስት መቶ ብር"),
        ("om", "$3", "sadii doolaara"),
        ("ti", "€3", "ሰለስተ ዩሮ"),
        ("en", "50 % of it", "fifty percent of it"),
        ("en", "3-4 days, 9:00-17:00", "three to four days, nine o'clock to seventeen zero zero"),
        ("am", "3-4 ቀን", "ከሦስት እስከ አራት ቀን"),
        ("om", "3-4", "sadii hanga afur"),
        ("en", "the 21st and 3rd", "the twenty first and third"),
        ("en", "Version 2.0.1, No. 5", "Version two point zero point one, number five"),
        ("en", "10 km", "ten kilometers"),
        # Abbreviations, with a prefix too; addresses; the other script.
        ("am", "ለዶ/ር አበበ", "ለዶክተር አበበ"),
        ("am", "9፡30", "ዘጠኝ ሠላሳ"),
        ("en", "Mail me@example.com.", "Mail me at example dot com."),
        ("am", "Google ላይ BBC", "ጎግል ላይ ቢ ቢ ሲ"),
        ("am", "በMeta ሮቦት", "በሜታ ሮቦት"),
        ("en", "Say ሰላም now", "Say selam now"),
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


@given(st.sampled_from(["am", "ti"]), st.text(alphabet=st.characters(max_codepoint=0x24F)))
def test_no_latin_letter_is_left_to_an_ethiopic_voice(code: str, text: str) -> None:
    assert not re.search("[A-Za-z]", speakable(text, PACKS[code]).text)


@given(st.sampled_from(PACKS.languages), st.integers(0, 10**9), st.sampled_from(["{}", "{:,}"]))
def test_a_number_is_said_as_its_words(code: str, number: int, written: str) -> None:
    said = speakable(written.format(number), PACKS[code]).text
    assert said == say_number(number, PACKS[code]) and parse_number(said, PACKS[code]) == number


@given(
    st.sampled_from(PACKS.languages),
    st.from_regex(r"0[1-9][0-9]{2} [0-9]{2} [0-9]{2} [0-9]{2}", fullmatch=True),
)
def test_a_telephone_number_is_said_digit_by_digit(code: str, number: str) -> None:
    said = speakable(number, PACKS[code]).text.replace(",", "").replace("፣", "")
    assert said == say_digits(number, PACKS[code])


@pytest.mark.parametrize(("numerals", "value"), [("፲፱፻፺፱", 1999), ("፻", 100), ("፼", 10_000), ("፳፻፲፱", 2019)])
def test_geez(numerals: str, value: int) -> None:
    assert geez_number(numerals) == value
