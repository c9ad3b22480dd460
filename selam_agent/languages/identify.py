"""Which language a text is in: script first, then words and letters that only one language has.

Cues from languages.md §6; a statistical identifier may join later for longer texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from selam_agent.languages.normalise import words

_SCRIPTS = {"am": "Ethiopic", "ti": "Ethiopic"}

_WORDS: dict[str, frozenset[str]] = {
    code: frozenset(listed.split())
    for code, listed in {
        "am": """
            ነው ናት ናቸው አለ ላይ ውስጥ እንዴት ምንድን ያለ አዎ አይ አይደለም እሺ ቆይ አቁም ሰላም ጤና እኔ ማን ምን ስንት ዛሬ ነገ ጠዋት
            ማታ እባክዎ አመሰግናለሁ እፈልጋለሁ ቀጠሮ ሰኞ ማክሰኞ ዓርብ ቅዳሜ እሑድ ገባኝ ጥሩ ደህና
        """,
        "ti": """
            እዩ እያ ኣሎ ከመይ ናብ ካብ ኣብ ምስ እንታይ ክንደይ ሎሚ እወ ኣይኮነን ኣይፋል ሕራይ ጽቡቕ ልክዕ ጽናሕ በጃኹም ደሓን የቐንየለይ
            የድልየኒ መን ጽባሕ ስምካ ይኹን ኣለኻ ዕለት
        """,
        "so": """
            waa waan waxaan waxaad iyo oo ah ku ka ayaa maxaa tahay yahay inaan sidee haa maya
            haye sug jooji joogso salaan salaamu mahadsanid maanta berri subax fadlan rabaa
            hagaag immisa dhakhtar ballan isniin talaado arbaco khamiis jimce sabti axad nabad
            maxaan baan
        """,
        "om": """
            fi kan akka irra itti hin jira jirta keessa kun ani ati maal eessa meeqa eeyyee lakki
            tole dhaabi eegi nagaa nagaatti galatoomi maaloo har'i guyyaa maqaan kee eenyu akkam
            nan barbaada sirrii dhuguma turi ishii hayyee
        """,
        "en": """
            the is are what my your you how to want need please thank thanks yes hello good
            morning no wait time day it in i at of and appointment doctor goodbye can say monday
            tuesday wednesday thursday friday saturday sunday today tomorrow
        """,
    }.items()
}

# Loans that occur in all of them say nothing.
_LOANS = frozenset(("ok", "okay", "stop", "hello", "hi", "bye"))

_LETTERS: dict[str, re.Pattern[str]] = {
    "ti": re.compile("\\bኣ|[\u1250-\u1257\u12b8-\u12bf]"),
    "am": re.compile("(?:ዋል|ታል|ኛል|ለሁ)\\b|\\bአ|[ኘኙኚኛኜኝኞዠዡዢዣዤዥዦ]"),
    "om": re.compile(r"\w'\w|ny|ph|(?:aa|ee|ii|oo|uu)\b"),
    "so": re.compile(r"kh|\b[xc](?:aa|a|u|i|o|e)|dh\b|\w[^aeiou\s]x\w"),
    "en": re.compile(r"th|wh|ing\b|'(?:s|t|m|re|ll|d|ve)\b|o'clock|tion"),
}


def identify(text: str, allowed: Sequence[str], current: str) -> str:
    """The language of one utterance, one of ``allowed``; ``current`` where nothing speaks against it.

    A text of fewer than four words leaves the current language only for words that are known to be
    another's, or another script; the caller of this function may also want two turns to agree.

    Args:
        text: what was said or written.
        allowed: ISO 639-1 codes; others are never returned (unless none are allowed).
        current: the session's language, the answer in doubt.
    """
    ethiopic = len(re.findall("[\u1200-\u139f\u2d80-\u2ddf\uab00-\uab2f]", text))
    latin = len(re.findall("[A-Za-z\u00c0-\u024f]", text))
    heard = words(text, "")
    if not (ethiopic or latin) or all(word in _LOANS for word in heard):
        return current
    script = "Ethiopic" if ethiopic >= latin else "Latin"
    fitting = [code for code in allowed if _SCRIPTS.get(code, "Latin") == script]
    if not fitting:
        return current
    scores = {code: _score(text, heard, code) for code in fitting}
    best = max(fitting, key=lambda code: (scores[code], code == current))
    if current not in scores:
        return best
    # Letters alone are weak evidence; a short text must bring a word.
    margin = 2.0 if len(heard) < 4 else 1.0
    return best if scores[best] >= scores[current] + margin else current


def _score(text: str, heard: tuple[str, ...], code: str) -> float:
    """Two points for each word of the language, half a point for each telling letter, at most two."""
    known = sum(2.0 for word in heard if word in _WORDS.get(code, ()))
    letters = _LETTERS.get(code)
    return known + (min(2.0, 0.5 * len(letters.findall(text.lower()))) if letters else 0.0)
