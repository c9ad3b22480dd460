import shutil
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.errors import SettingsError, ValidationError
from selam_agent.languages.normalise import sentences, similar, words
from selam_agent.languages.packs import default_directory, load

PACKS = load()


def test_the_five_languages() -> None:
    assert set(PACKS.languages) == {"am", "en", "om", "so", "ti"}
    assert PACKS["am"].endonym == "አማርኛ" and "am" in PACKS
    assert [pack.code for pack in PACKS] == list(PACKS.languages)
    assert len({len(pack.phrases) for pack in PACKS if pack.slots}) == 1


def test_voices() -> None:
    pack, voice = PACKS.voice("Mekdes")
    assert (pack.code, voice.name, voice.gender) == ("am", "mekdes", "female")
    assert [each["engine"] for each in voice.engines] == ["edge", "espeak"]
    assert PACKS.default_voice("so").name == "ubax"
    assert {entry.name for _, entry in PACKS.voices("ti")} == {"sami"}
    for name in ("alloy", "echo", "fable", "onyx", "nova", "shimmer"):
        pack, voice = PACKS.voice(name)
        assert pack.code == "en" and voice.engines[0]["engine"] == "gpt_audio"
    assert len(PACKS.voices()) == len({entry.name for _, entry in PACKS.voices()})


def test_a_server_of_the_operator_may_speak_first() -> None:
    packs = PACKS.preferring("openai", {"Mekdes": "amharic-1"})
    _, voice = packs.voice("mekdes")
    assert [each["engine"] for each in voice.engines] == ["openai", "edge", "espeak"]
    assert voice.engines[0]["voice"] == "amharic-1"
    assert packs.voice("ameha")[1] is PACKS.voice("ameha")[1] and packs.directories == PACKS.directories
    with pytest.raises(SettingsError, match="did you mean 'mekdes'"):
        PACKS.preferring("openai", {"mekdas": "x"})


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(ValidationError, match="mekdes") as caught:
        PACKS.voice("nobody")
    assert caught.value.code == "unknown_voice" and "sami" in (caught.value.details or {})["voices"]
    with pytest.raises(ValidationError, match="am, en") as caught:
        PACKS["xx"]
    assert caught.value.code == "unknown_language"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('code = "so"', 'code = "sx"', "code: must be 'so'"),
        (
            'clock = "international"',
            'clock = "roman"',
            "clock: must be one of international, ethiopian, both",
        ),
        ('timezone = "Africa/Mogadishu"', 'timezone = "Africa/Nowhere"', "timezone: there is no time zone"),
        ('name = "ubax"', 'name = "mekdes"', "voices: 'mekdes' is also in am.toml"),
        ('name = "ubax"', 'name = "Ubax"', "voices[0].name: must be in lower case"),
        ('gender = "female"', 'gendr = "female"', "voices[0].gender: is missing"),
        ('"Axad."]', "]", "slots.days: must have 7 entries, not 6"),
        ('yes = ["Haa."]', "yes = []", "phrases.yes: must have at least one"),
        ('yes = ["Haa."]', 'yes = "Haa."', "phrases.yes: must be a list"),
        ("filler =", "fill =", "says.filler: is missing"),
        ("{ from = 0,", "{ from = 1,", "time.parts: must begin at hour 0"),
        ("{ from = 12,", "{ from = 31,", "time.parts[1].from: must be an hour"),
        ("{hour}:{minute:02}", "{our}", "time.say: may only use {hour}"),
        ('hundred = "boqol"', 'hundrd = "boqol"', "numbers.hundred: is missing"),
        ("boqolkiiba {number}", "boqolkiiba {n}", "speech.percent: may only use {number}"),
        ('kind = "gregorian"', 'kind = "ethiopian"', "calendar.months: must have 13 entries, not 12"),
        ('name = "Somali"', 'name = "Somali', "so.toml: "),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    for path in default_directory().glob("*.toml"):
        shutil.copy(path, tmp_path)
    path = tmp_path / "so.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path)
    assert "so.toml" in str(caught.value)
    assert complaint in str(caught.value)


def test_no_packs(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no language packs"):
        load(tmp_path)


def test_texts_of_other_languages_than_english_await_review() -> None:
    for path in default_directory().glob("*.toml"):
        pack = tomllib.loads(path.read_text(encoding="utf-8"))
        assert pack["needs_review"] is (pack["code"] != "en")


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        ("am", "ሦስት ሰዓት።", ("ሶስት", "ሰአት")),
        ("am", "ኃይለ ሥላሴ", ("ሀይለ", "ስላሴ")),
        ("ti", "ሓደ ኣሎ፧", ("ሓደ", "ኣሎ")),
        ("om", "Har\u2019i!", ("har'i",)),
        ("en", "Uh-huh. At 3 p.m.", ("uh", "huh", "at", "3", "pm")),
        ("en", "9:00, 3.5", ("9:00", "3.5")),
        ("am", "3፡00 ሰዓት", ("3:00", "ሰአት")),
    ],
)
def test_words(language: str, text: str, found: tuple[str, ...]) -> None:
    assert words(text, language) == found


def test_sentences() -> None:
    assert sentences("አይ። ሰኞ፡፡ እሺ?") == ("አይ።", "ሰኞ።", "እሺ?")
    assert sentences("It is 3.5 at 3 p.m. Tuesday.") == ("It is 3.5 at 3 pm Tuesday.",)
    assert sentences(" ") == ()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ማክሰኞ", "ማክሰኛ", True),
        ("monday", "mondy", True),
        ("monday", "sunday", False),
        ("sug", "sag", False),
        ("2019", "2018", False),
    ],
)
def test_similar(one: str, other: str, expected: bool) -> None:
    assert similar(one, other) is similar(other, one) is expected


@given(st.text(), st.sampled_from(PACKS.languages))
def test_normalising_never_raises(text: str, language: str) -> None:
    for sentence in sentences(text):
        words(sentence, language)
