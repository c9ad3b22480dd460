from __future__ import annotations

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.dialogue.interruption import Verdict, asks, judge
from selam_agent.languages.normalise import words
from selam_agent.languages.packs import load

PACKS = load()
STOP, BACKCHANNEL, PERHAPS, ECHO, SPEECH, NOTHING = Verdict

# [native?] for all but English. Written as recognisers write: with marks and without, now and then misheard.
BACKCHANNELS = {
    "en": "yes|Yeah.|yeah yeah|okay|Okay, okay.|Uh-huh.|uh huh|mm-hmm|Mm-hm, right.|I see.|oh okay|"
    "right right right|um yeah|okey|sure, of course",
    "am": "አዎ|አዎን|እሺ|እሺ እሺ|እሺ፣ አዎ።|ገባኝ።|ልክ ነው|ጥሩ|እህ|እእ|እም እም|በእርግጥ|okay|አዎ ልክ ነው|ኦኬ",
    "so": "haa|Haye.|haa haa|haye haye haye|waa yahay|Hagaag.|waa hagaag|sax|haa, waa yahay|haaye|okay|"
    "mm haa|yacni haa|hagag",
    "om": "eeyyee|Tole.|tole tole|hayyee|sirrii|Dhuguma.|eeyyee dhuguma|ishii|eeyyen|ok|ee ee|siirrii",
    "ti": "እወ|ሕራይ።|ሕራይ ሕራይ|ጽቡቕ|እወ ጽቡቕ|ልክዕ|እእ|እህ|ተረዲኡኒ|ደሓን|okay|ጽቡቕ እዩ",
}
STOPS = {
    "en": "stop|Stop!|wait|Wait, wait.|hold on|Hold on a second.|please stop|wait a minute|no wait|"
    "okay stop|enough|that's enough|could you please wait|pause|waitt|um wait|Quiet!",
    "am": "ቆይ|ቆይ!|አቁም|አቁሚ|አቁሙ|ያቁሙ|ቆዪ|ይቆዩ|ቆይ ቆይ|ጠብቅ|ጠብቂ|በቃ|ዝም በል|ዝም በይ|እባክህ አቁም|አንዴ ቆይ|stop|ተው|ሰኞ አይደለም ቆይ",
    "so": "jooji|Joogso.|sug|sug sug|wax yar sug|kaadi|aamus|fadlan jooji|sug, maya|waa igu filan|stop|"
    "jooji taas|joji",
    "om": "dhaabi|Dhaabaa.|eegi|xiqqoo na eegi|turi|cal'isi|maaloo dhaabi|eegi lakki|gaha|stop|dhaabbi",
    "ti": "ጽናሕ|ጽንሒ|ጽንሑ|ደው በል|ደው በሊ|ጠጠው በል|ኣቋርጽ|ተጸበ|ይኣክል|ስቕ በል|በጃኻ ጽናሕ|ጽናሕ ኣይኮነን|stop|ግደፍ",
}
BACKCHANNEL_CASES = [(code, text) for code, line in BACKCHANNELS.items() for text in line.split("|")]
STOP_CASES = [(code, text) for code, line in STOPS.items() for text in line.split("|")]


def verdict(
    code: str,
    text: str | None,
    speech_ms: int = 400,
    asked: bool = False,
    said: str = "",
    finished: bool = False,
) -> Verdict:
    pack = PACKS[code]
    return judge(text, pack, speech_ms=speech_ms, agent_asked=asked, being_said=said, finished=finished)


def test_there_are_fifty_of_each() -> None:
    assert len(set(BACKCHANNEL_CASES)) >= 50 and len(set(STOP_CASES)) >= 50


@pytest.mark.parametrize(("code", "text"), BACKCHANNEL_CASES)
def test_backchannels_never_stop_the_agent(code: str, text: str) -> None:
    for speech_ms in (120, 500, 2500):
        assert verdict(code, text, speech_ms) is BACKCHANNEL


@pytest.mark.parametrize(("code", "text"), BACKCHANNEL_CASES)
def test_after_a_question_they_are_an_answer(code: str, text: str) -> None:
    assert verdict(code, text, 120, asked=True) is SPEECH


@pytest.mark.parametrize(("code", "text"), STOP_CASES)
def test_stop_words_stop_at_once(code: str, text: str) -> None:
    for asked in (False, True):
        assert verdict(code, text, 100, asked) is STOP


@pytest.mark.parametrize("code", PACKS.languages)
def test_every_entry_is_what_it_is_listed_as(code: str) -> None:
    pack = PACKS[code]
    assert all(verdict(code, entry) is STOP for entry in pack.stop_words)
    assert all(verdict(code, entry, finished=True) is BACKCHANNEL for entry in pack.backchannels)
    assert all(verdict(code, entry) is STOP for entry in pack.phrases["stop"])
    assert all(verdict(code, entry) is BACKCHANNEL for entry in pack.phrases["backchannel"])
    assert not {words(entry, code) for entry in pack.stop_words} & {
        words(entry, code) for entry in (*pack.backchannels, *pack.turns.fillers)
    }


@pytest.mark.parametrize("code", PACKS.languages)
def test_english_loans_are_in_every_list(code: str) -> None:
    assert verdict(code, "stop") is verdict(code, "Wait!") is STOP
    for loan in ("okay", "Yes.", "uh-huh", "mm-hmm"):
        assert verdict(code, loan) is BACKCHANNEL


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        # A backchannel and more content is real speech.
        ("en", "yeah but Tuesday", SPEECH),
        ("en", "okay no", SPEECH),
        ("am", "እሺ ግን ማክሰኞ", SPEECH),
        ("so", "haa laakiin", SPEECH),
        ("om", "tole garuu", SPEECH),
        ("ti", "ሕራይ ግን", SPEECH),
        # A stop word in the middle is none; enough words interrupt all the same.
        ("en", "the bus will stop there today", SPEECH),
        ("am", "እኔ በቃ አልኩ እንጂ", SPEECH),
        # Ordinary words that are one letter from a stop word or backchannel.
        ("en", "want", NOTHING),
        ("en", "shop", NOTHING),
        ("en", "night", NOTHING),
        ("en", "eight", NOTHING),
        ("en", "year", NOTHING),
        ("en", "I have cancer", SPEECH),
        ("en", "please don't stop", SPEECH),
        ("en", "I can't wait", SPEECH),
        ("om", "ture", NOTHING),
        ("om", "ta'a", NOTHING),
        ("om", "ja'a", NOTHING),
        ("om", "dhaabe", NOTHING),
        ("so", "jooga", NOTHING),
        ("am", "ይበላል", NOTHING),
        # Words of under four letters must be exact.
        ("so", "sag", NOTHING),
        ("so", "hab", NOTHING),
        ("am", "ቆየ", NOTHING),
        ("ti", "እዋ", NOTHING),
        # Fillers and single words are too little.
        ("en", "um", NOTHING),
        ("en", "um uh", PERHAPS),
        ("am", "እ", NOTHING),
        ("am", "ማክሰኞ", NOTHING),
        ("en", "Tuesday", NOTHING),
        ("en", "um Tuesday", NOTHING),
        ("en", "on Tuesday", SPEECH),
        ("en", "", NOTHING),
        ("en", "...", NOTHING),
    ],
)
def test_what_is_and_is_not_an_interruption(code: str, text: str, expected: Verdict) -> None:
    assert verdict(code, text) is expected


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("en", "oka", PERHAPS),
        ("en", "okay oka", PERHAPS),
        ("en", "o", NOTHING),
        ("en", "oka Tuesday", SPEECH),
        ("so", "waa", NOTHING),  # "waa igu filan" is enough
        ("so", "waa ya", PERHAPS),
        ("am", "ልክ ነ", PERHAPS),
        ("ti", "ተረዲ", PERHAPS),
        ("ti", "ተረ", PERHAPS),
        ("ti", "ሕራይ ሕ", PERHAPS),
        ("ti", "ሕ", NOTHING),
        # It may as well become "eegi", which is a stop word.
        ("om", "ee", NOTHING),
        ("om", "ee ee", BACKCHANNEL),
    ],
)
def test_what_may_become_a_backchannel(code: str, text: str, expected: Verdict) -> None:
    assert verdict(code, text) is expected
    assert verdict(code, text, finished=True) is not PERHAPS
    assert verdict(code, text, asked=True) is not PERHAPS, "after a question it is an answer"


def test_time_interrupts_too() -> None:
    assert verdict("en", "Tuesday", 580) is NOTHING
    assert verdict("en", "Tuesday", 600) is SPEECH
    assert verdict("en", "um", 600) is SPEECH
    # No answer of the recogniser yet; an empty answer means a cough.
    assert verdict("en", None, 580) is NOTHING
    assert verdict("en", None, 600) is SPEECH
    assert verdict("en", "", 2000) is NOTHING


def test_after_a_question_one_word_is_enough() -> None:
    assert verdict("en", "Tuesday", 200, asked=True) is SPEECH
    assert verdict("am", "ማክሰኞ", 200, asked=True) is SPEECH
    assert verdict("en", "um", 200, asked=True) is NOTHING


SAID = "Your appointment is booked for Monday at nine o'clock with doctor Abebe."


@pytest.mark.parametrize(
    ("code", "text", "said", "expected"),
    [
        ("en", "appointment is booked", SAID, ECHO),
        ("en", "Your appointmen is booked for Monday.", SAID, ECHO),
        ("en", "is booked far Monday at line o'clock", SAID, ECHO),
        ("en", "Monday", SAID, ECHO),
        ("en", "monday doctor", SAID, SPEECH),  # not close together
        ("en", "booked is appointment", SAID, SPEECH),  # not in order
        ("en", "no I meant Tuesday", SAID, SPEECH),
        ("en", "is booked for Monday wait", SAID, STOP),
        ("en", "wait", SAID, STOP),
        ("en", "wait", "Please wait a moment.", ECHO),
        ("en", "please wait a moment", "Please wait a moment.", ECHO),
        ("en", "okay", SAID, BACKCHANNEL),
        ("en", "okay", "Okay, one moment.", ECHO),
        ("am", "ቀጠሮዎ ለሰኞ ተይዟል", "እሺ። ቀጠሮዎ ለሰኞ ተይዟል።", ECHO),
        ("am", "ለሠኞ ተይዟል", "እሺ። ቀጠሮዎ ለሰኞ ተይዟል።", ECHO),
        ("am", "አይ ማክሰኞ", "እሺ። ቀጠሮዎ ለሰኞ ተይዟል።", SPEECH),
        ("so", "ballantaadu waa isniin", "Ballantaadu waa Isniinta.", SPEECH),
        ("so", "ballantada waa", "Ballantaada waa Isniin.", ECHO),
        ("om", "beellamni kee wiixata", "Beellamni kee Wiixata dha.", ECHO),
        ("ti", "ቆጸራኹም ንሰኑይ", "ቆጸራኹም ንሰኑይ ተታሒዙ።", ECHO),
    ],
)
def test_the_agents_own_words_are_echo(code: str, text: str, said: str, expected: Verdict) -> None:
    assert verdict(code, text, 900, said=said) is expected


def test_echo_goes_before_the_answer_to_a_question() -> None:
    assert verdict("en", "Monday", asked=True, said="Is it Monday or Tuesday?") is ECHO
    assert verdict("en", "Monday", asked=True) is SPEECH


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("en", "Which day suits you?", True),
        ("en", "You are booked. Is nine o'clock fine", True),
        ("en", "Please tell me the day.", True),
        ("en", "Is that right? Then we are done.", False),
        ("en", "Your appointment is booked.", False),
        ("am", "ለየትኛው ቀን ይፈልጋሉ?", True),
        ("am", "በስንት ሰዓት ይመጣሉ።", True),
        ("am", "ሰኞ ይመቻል ወይ", True),
        ("am", "ቀጠሮዎ ተይዟል።", False),
        ("so", "Maalintee ayaad rabtaa?", True),
        ("so", "Goorma ayaad imanaysaa", True),
        ("so", "Ballantaadu waa Isniin.", False),
        ("om", "Guyyaa kam barbaaddu", True),
        ("om", "Beellamni kee Wiixata dha.", False),
        ("ti", "ኣየናይ መዓልቲ ትደልዩ፧", True),
        ("ti", "ሰኑይ ጽቡቕ ድዩ ዶ", True),
        ("ti", "ቆጸራኹም ተታሒዙ ኣሎ።", False),
        ("en", 'She asked: "Is it open?"', True),
        # A statement that quotes questions.
        ("en", "You can say: What time is it.", False),
        ("am", "ስንት ሰዓት ነው፣ ስምዎ ማን ነው ማለት ይችላሉ።", False),
        ("so", "Waxaad dhihi kartaa: Waa immisa saac.", False),
        ("om", "Sa'aatiin meeqa, maqaan kee eenyu jechuu dandeessu.", False),
        ("ti", "ስምካ መን እዩ፣ ሰዓት ክንደይ ኣሎ ክትብሉ ትኽእሉ።", False),
        ("en", "", False),
    ],
)
def test_whether_the_agent_asked(code: str, text: str, expected: bool) -> None:
    assert asks(text, PACKS[code]) is expected


@pytest.mark.parametrize("code", PACKS.languages)
def test_the_packs_own_questions_ask(code: str) -> None:
    pack = PACKS[code]
    assert asks(pack.phrases["time"][0], pack) and asks(pack.phrases["time"][0].rstrip("?"), pack)
    assert not asks(pack.says["goodbye"], pack) and not asks(pack.says["filler"], pack)


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(PACKS.languages), st.booleans())
def test_any_text_can_be_judged(text: str, said: str, code: str, asked: bool) -> None:
    assert verdict(code, text, 300, asked, said) in Verdict
    assert asks(text, PACKS[code]) in (True, False)


def test_the_last_word_of_a_long_utterance_counts() -> None:
    assert verdict("en", "and then we went home " * 30 + "stop") is STOP


def calls(words: int) -> int:
    """How many functions are called to judge so many words over so many of the agent's."""
    text, said = (" ".join(f"{word}{i % 40}" for i in range(words)) for word in ("worde", "wordf"))
    made = 0

    def count(frame: FrameType, event: str, _about: object) -> None:
        nonlocal made
        # Hypothesis watches the garbage collector.
        made += event in ("call", "c_call") and "selam_agent" in frame.f_code.co_filename

    # Once before, for the caches.
    verdict("en", text, said=said)
    sys.setprofile(count)
    try:
        verdict("en", text, said=said)
    finally:
        sys.setprofile(None)
    return made


def test_rambling_costs_little() -> None:
    assert 0 < calls(4000) == calls(1000) < 1.5 * calls(100)
