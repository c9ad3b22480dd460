import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.languages.identify import identify
from selam_agent.languages.packs import load

PACKS = load()
ALL = PACKS.languages


@pytest.mark.parametrize("code", ALL)
def test_a_language_keeps_its_own_phrases(code: str) -> None:
    for phrases in (*PACKS[code].phrases.values(), *PACKS[code].slots.values()):
        for phrase in phrases:
            assert identify(phrase, ALL, code) == code, phrase


@pytest.mark.parametrize(
    ("text", "current", "code"),
    [
        ("ቀጠሮ መያዝ እፈልጋለሁ።", "en", "am"),
        ("ከመይ ኣለኻ?", "am", "ti"),
        ("Waxaan rabaa inaan ballan qabsado.", "en", "so"),
        ("Har'i guyyaa maali?", "so", "om"),
        ("What is your name?", "om", "en"),
        ("okay", "am", "am"),
        ("stop", "so", "so"),
        ("", "so", "so"),
        ("123 😀", "ti", "ti"),
        ("አይ። ሰኞ።", "so", "am"),
    ],
)
def test_table(text: str, current: str, code: str) -> None:
    assert identify(text, ALL, current) == code


def test_only_allowed_languages() -> None:
    assert identify("ከመይ ኣለኻ?", ("en", "am"), "en") == "am"
    assert identify("ከመይ ኣለኻ?", ("en", "so"), "en") == "en"


@given(st.text(), st.sampled_from(ALL))
def test_never_raises(text: str, current: str) -> None:
    assert identify(text, ALL, current) in ALL
