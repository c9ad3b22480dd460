from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.dialogue.completeness import Ending, LearnedPause, hurried, judge, wait_ms
from selam_agent.errors import SettingsError
from selam_agent.languages.normalise import words
from selam_agent.languages.packs import default_directory, load

PACKS = load()
COMPLETE, UNKNOWN, INCOMPLETE = Ending.COMPLETE, Ending.UNKNOWN, Ending.INCOMPLETE

# One example a line, with or without marks as engines write them. [native?] for all but English.
EXAMPLES: dict[str, dict[Ending, str]] = {
    "en": {
        COMPLETE: """
            I want to book an appointment
            What is your name?
            what time is it
            how much does it cost
            Where are you from?
            can you help me
            two
            Two.
            twenty one
            three o'clock
            Tomorrow at nine. Thank you.
            yes please
            no thank you
            Monday morning
            yes I am
            I think so
            I don't know.
            that one
            I need a doctor
            Could I have an appointment, please?
            call me back
            I am not feeling well
            9:30
            Hello!
        """,
        INCOMPLETE: """
            and
            I want to
            I want to.
            I'd like
            because
            It hurts because
            my number is
            my number is zero nine one one
            My number is 0911 23.
            zero nine one one two
            I need an appointment for
            I would like to see the
            can you tell me
            um
            I think ummm
            it was, you know
            On Monday,
            So I was…
            I was going...
            I have a fever and
            is that so or
            Can you please
            I'm looking for
            What I need is
            maybe on
        """,
        UNKNOWN: """
            my back hurts a lot
            I saw the dentist last year.
            room five
            where are you from
            I live far away
            911
            my number is zero nine one one two three four five six seven
            ten thirty
            tall green house
        """,
    },
    "am": {
        COMPLETE: """
            ቀጠሮ መያዝ እፈልጋለሁ
            ስምዎ ማን ነው?
            ሐኪም ቤቱ የት ነው
            አመሰግናለሁ።
            ሦስት ሰዓት።
            ሦስት
            ሃያ አንድ
            ነገ ጠዋት
            ነገ ጠዋት ሦስት ሰዓት
            ሰኞ
            አዎ እፈልጋለሁ
            ራሴን ያመኛል
            ቀጠሮው ተይዟል
            ዶክተሩ ነገ ይመጣል
            እባክዎ ይንገሩኝ
            ስልኬ ዜሮ ዘጠኝ አንድ አንድ ነው
            ገንዘብ የለኝም
            አላውቅም
            ትናንት መጥቻለሁ
            ነገ ይቻላል ወይ
            እንደገና ይበሉልኝ
            ምን ላድርግ?
            እሺ አመሰግናለሁ
        """,
        INCOMPLETE: """
            ግን
            ቀጠሮ እፈልጋለሁ ግን
            እና
            ራሴን ያመኛል እና
            ትናንት መጣሁና
            ነገ ወይም
            ስለዚህ
            ስለምፈልግ
            ዶክተር ጋር ሄጄ
            ሆስፒታል መጥቼ
            ነገ እመጣለሁ ብዬ
            ስልኬ
            ስልክ ቁጥሬ ዜሮ ዘጠኝ አንድ አንድ
            ዘጠኝ አንድ አንድ
            ዜሮ ዘጠኝ
            እ…
            እእእእ
            ማለቴ
            ማለት
            ቀጠሮዬን
            ከጠዋቱ
            ቀጠሮ ለመያዝ
            የምፈልገው
            ነገ፣
            ስሜ
            በጣም
        """,
        UNKNOWN: """
            ወደ ሆስፒታል
            ቀጠሮ ነገ
            ዶክተር አበበ
            አዲስ አበባ
            ቤቱ ትልቅ
            ለእናቴ መድኃኒት።
            ክፍል አምስት
            ስልኬ ዜሮ ዘጠኝ አንድ አንድ ሁለት ሦስት አራት አምስት ስድስት ሰባት
        """,
    },
    "so": {
        COMPLETE: """
            Waxaan rabaa inaan ballan qabsado
            Magacaagu waa ayo?
            waa immisa saac
            Saddexda.
            saddex
            kow iyo toban
            Isniin subax
            haa
            haa fadlan
            maya mahadsanid
            dhakhtar baan u baahanahay
            waan fahmay
            ma garanayo
            maxaan sameeyaa hadda
            goorma ayuu furmaa?
            fadlan i caawi
            ballan baan rabaa
            waan xanuunsanahay
            waa maxay magacaagu?
            salaan
            berri subax
        """,
        INCOMPLETE: """
            iyo
            Isniin iyo
            laakiin
            waan imanayaa laakiin
            waxaan rabaa inaan
            Waxaan rabaa.
            waxaan u baahanahay
            haddii
            markii
            sababtoo ah
            ama
            magacaygu waa
            lambarkaygu waa
            lambarkaygu waa eber lix kow
            eber lix kow
            yacni
            uh
            berri,
            Waxaan…
            waxaan rabaa in
            kow iyo
            ilaa
        """,
        UNKNOWN: """
            wiilkaygu aad buu u buka
            guriga weyn
            Muqdisho.
            shaqada cusub
            qolka shan
            hooyaday shalay
            eber lix kow laba saddex afar shan lix toddoba siddeed
        """,
    },
    "om": {
        COMPLETE: """
            Gargaarsa nan barbaada
            Maqaan kee eenyu?
            sa'aatiin meeqa
            maqaan koo Tolaa dha
            lama
            kudha tokko
            sa'aatii sadii
            Wiixata
            bor ganama
            eeyyee galatoomi
            doktara barbaada
            dhukkubsadheera
            hin beeku
            natti himi
            hospitaalli eessa jira
            beellama nan qaba
            waaree booda
            isaan dhufaniiru
            irra deebi'i
            Har'a ni dandeessaa?
            gaarii dha
        """,
        INCOMPLETE: """
            fi
            doktara fi
            garuu
            nan dhufa garuu
            yookiin
            har'a yookiin
            akka
            yoo
            sababni isaa
            maqaan koo
            lakkoofsi bilbilaa koo
            lakkoofsi koo zeeroo sagal tokko
            zeeroo sagal tokko
            sagal tokko tokko
            jechuun
            um
            dubbachuuf
            beellama qabachuuf
            bor,
            ani…
            gara
            digdamii
            sa'aatii
            dhuftee
        """,
        UNKNOWN: """
            haadha koo
            mana barumsaa
            magaalaa guddaa.
            kutaa shan
            mana dheera
            Finfinnee
            zeeroo sagal tokko tokko lama sadii afur shan ja'a torba
        """,
    },
    "ti": {
        COMPLETE: """
            ሓገዝ የድልየኒ
            ስምካ መን እዩ?
            ሰዓት ክንደይ ኣሎ
            የቐንየለይ።
            ክልተ
            ዕስራን ሓደን
            ሰዓት ሰለስተ
            ሰኑይ
            ጽባሕ ንግሆ
            እወ
            ስመይ ኣበበ እዩ
            ኣይደልን
            ኣይፈልጥን
            ድገሙለይ
            ጽባሕ ይከኣል ዶ
            ሓኪም ኣሎ ዶ?
            እንታይ ክሕግዘኩም?
            ቆጸራ እደሊ
            ርእሰይ የሕምመኒ
            ትማሊ መጻእኩ
            ሕራይ የቐንየለይ
            ደሓን ኩን
        """,
        INCOMPLETE: """
            ግን
            ቆጸራ እደሊ ግን
            ወይ
            ሎሚ ወይ
            ምስ
            ምኽንያቱ
            ከምኡ'ውን
            ናብ
            ስመይ
            ቁጽሪ ስልከይ
            ስልከይ ዜሮ ትሽዓተ ሓደ
            ዜሮ ትሽዓተ ሓደ ሓደ
            ትሽዓተ ሓደ
            ማለት እዩ
            እ…
            ቆጸራ ክትሕዝ
            እንተመጺኡ
            ኣቦን
            ዝደሊ
            ጽባሕ፣
            ሰዓት
            ዕስራን
            ስለዝሓመምኩ
        """,
        UNKNOWN: """
            ኣዲስ ኣበባ
            ዓባይ ቤት።
            ክፍሊ ሓሙሽተ
            መዓስ እየ ክመጽእ
            ኣደይ ትማሊ
            ሆስፒታል መቐለ
            ዝናብ
            ዜሮ ትሽዓተ ሓደ ሓደ ክልተ ሰለስተ ኣርባዕተ ሓሙሽተ ሽዱሽተ ሸውዓተ
        """,
    },
}
TABLE = [
    (language, ending, line.strip())
    for language, table in EXAMPLES.items()
    for ending, lines in table.items()
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("language", "ending", "text"), TABLE)
def test_examples(language: str, ending: Ending, text: str) -> None:
    assert judge(text, PACKS[language]) is ending


def test_the_table_is_long_enough() -> None:
    for table in EXAMPLES.values():
        sizes = {ending: len(lines.strip().splitlines()) for ending, lines in table.items()}
        assert sizes[COMPLETE] >= 10 and sizes[INCOMPLETE] >= 10 and sizes[UNKNOWN] >= 5
        assert sum(sizes.values()) >= 30


@pytest.mark.parametrize("language", PACKS.languages)
def test_what_a_caller_may_say_is_complete_as_it_stands(language: str) -> None:
    pack = PACKS[language]
    said = [text for each in (*pack.phrases.values(), *pack.slots.values()) for text in each]
    for text in said:
        for written in (text, text.rstrip("።.?"), " ".join(words(text, language)), text.upper()):
            assert judge(written, pack) is COMPLETE, written


@pytest.mark.parametrize("language", PACKS.languages)
def test_a_full_stop_changes_nothing(language: str) -> None:
    stop = "።" if PACKS[language].script == "Ethiopic" else "."
    for _, ending, text in (row for row in TABLE if row[0] == language):
        if text[-1].isalnum():
            assert judge(text + stop, PACKS[language]) is ending, text


@pytest.mark.parametrize("language", PACKS.languages)
def test_marks_that_leave_a_sentence_open(language: str) -> None:
    pack = PACKS[language]
    for text in (pack.phrases["yes"][0].rstrip(".።"), pack.phrases["time"][0].rstrip("?")):
        for mark in ("…", "...", ",", " -", "፣"):
            assert judge(text + mark, pack) is INCOMPLETE


@pytest.mark.parametrize("language", PACKS.languages)
def test_no_words_tell_nothing(language: str) -> None:
    for text in ("", "  ", ".", "?", '"'):
        assert judge(text, PACKS[language]) is UNKNOWN


@pytest.mark.parametrize("language", PACKS.languages)
def test_cues_do_not_contradict_each_other(language: str) -> None:
    turns = PACKS[language].turns
    ends = {words(entry, language) for entry in turns.complete_words}
    goes_on = {words(entry, language) for entry in (*turns.incomplete_words, *turns.fillers)}
    stranded = {words(entry, language) for entry in turns.stranded_words}
    assert not ends & goes_on and not ends & stranded and not goes_on & stranded
    assert not set(turns.complete_forms) & set(turns.incomplete_forms)


@pytest.mark.parametrize("language", PACKS.languages)
def test_numbers_of_one_word_are_answers(language: str) -> None:
    pack = PACKS[language]
    for word in (*pack.numbers.small[:11], *pack.numbers.tens, "7", "15"):
        assert judge(word, pack) is COMPLETE, word


@given(st.text(max_size=60), st.sampled_from(PACKS.languages))
def test_any_text_can_be_judged(text: str, language: str) -> None:
    assert judge(text, PACKS[language]) in Ending


def test_mistakes_in_a_pack_are_named(tmp_path: Path) -> None:
    text = (default_directory() / "om.toml").read_text(encoding="utf-8")
    for old, new, complaint in (
        ('"-eera"', '"eera"', "turns.complete_forms: must be -end, start- or start-end, not 'eera'"),
        ("phone_digits = 10", "phone_digits = 0", "turns.phone_digits: must be a number from 1 on"),
        ("fillers =", "filers =", "turns.filers: is not known here; did you mean 'fillers'"),
    ):
        assert old in text
        (tmp_path / "om.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(SettingsError, match=complaint):
            load(tmp_path)


# ---------------------------------------------------------------- waiting


@pytest.mark.parametrize(
    ("learned", "expected"),
    [
        (None, (400, 800, 1800)),
        (100.0, (400, 800, 1800)),  # learning never shortens
        (500.0, (600, 800, 1800)),
        (1000.0, (1200, 1200, 1800)),
        (1400.0, (1500, 1500, 1800)),  # at most 1500 for complete and unknown
        (2000.0, (1500, 1500, 2400)),
        (9000.0, (1500, 1500, 3000)),  # the limit
    ],
)
def test_waiting_adapts(learned: float | None, expected: tuple[int, int, int]) -> None:
    for ending, wait in zip((COMPLETE, UNKNOWN, INCOMPLETE), expected, strict=True):
        assert wait_ms(ending, learned_pause_ms=learned) == wait


@pytest.mark.parametrize("learned", [None, 700.0, 5000.0])
@pytest.mark.parametrize(
    ("shortest", "longest", "expected"),
    [(200, 1000, (200, 600, 1000)), (800, 800, (800, 800, 800)), (1000, 6000, (1000, 3500, 6000))],
)
def test_stated_patience_is_obeyed_exactly(
    learned: float | None, shortest: int, longest: int, expected: tuple[int, int, int]
) -> None:
    for ending, wait in zip((COMPLETE, UNKNOWN, INCOMPLETE), expected, strict=True):
        got = wait_ms(ending, learned_pause_ms=learned, min_silence=shortest, max_silence=longest)
        assert got == wait


def test_stating_one_leaves_the_other_adaptive_within_it() -> None:
    waits = [wait_ms(each, min_silence=1000) for each in (COMPLETE, UNKNOWN, INCOMPLETE)]
    assert waits == [1000, 1000, 1800]
    waits = [
        wait_ms(each, min_silence=200, learned_pause_ms=1000) for each in (COMPLETE, UNKNOWN, INCOMPLETE)
    ]
    assert waits == [200, 1200, 1800]
    waits = [wait_ms(each, max_silence=600) for each in (COMPLETE, UNKNOWN, INCOMPLETE)]
    assert waits == [400, 600, 600]
    waits = [
        wait_ms(each, max_silence=2500, learned_pause_ms=5000) for each in (COMPLETE, UNKNOWN, INCOMPLETE)
    ]
    assert waits == [1500, 1500, 2500]
    assert wait_ms(INCOMPLETE, min_silence=4000) == 4000


def test_a_table_above_the_learned_limit_stands() -> None:
    assert wait_ms(UNKNOWN, unknown=2000, learned_pause_ms=1600) == 2000
    assert wait_ms(INCOMPLETE, incomplete=5000) == 3000


@given(
    st.sampled_from(list(Ending)),
    st.none() | st.floats(0, 10_000),
    st.none() | st.integers(0, 5000),
    st.none() | st.integers(5000, 9000),
)
def test_waits_are_ordered_and_within_what_is_stated(
    ending: Ending, learned: float | None, shortest: int | None, longest: int | None
) -> None:
    def wait(ending: Ending) -> int:
        return wait_ms(ending, learned_pause_ms=learned, min_silence=shortest, max_silence=longest)

    assert wait(COMPLETE) <= wait(UNKNOWN) <= wait(INCOMPLETE)
    assert shortest is None or wait(ending) >= shortest
    assert longest is None or wait(ending) <= longest


def test_pauses_are_learned() -> None:
    pause = LearnedPause()
    assert pause.value is None
    pause.add(1000)
    assert pause.value == 1000
    pause.add(500)
    assert pause.value == pytest.approx(950)
    for _ in range(100):
        pause.add(300)
    assert pause.value == pytest.approx(300, abs=1)


@pytest.mark.parametrize(
    ("code", "text", "spoken_ms", "expected"),
    [
        # "What time", heard as a whole phrase by a recogniser that knows nothing else.
        ("en", "What time is it?", 720, True),
        ("en", "What time is it?", 890, False),
        ("so", "Waxaan rabaa inaan ballan qabsado.", 1400, True),
        ("am", "ስንት ሰዓት ነው?", 1100, False),
        ("ti", "እንታይ ክብል ይኽእል?", 900, True),
        ("en", "", 0, False),
    ],
)
def test_a_phrase_takes_its_time(code: str, text: str, spoken_ms: int, expected: bool) -> None:
    assert hurried(text, PACKS[code], spoken_ms) is expected
