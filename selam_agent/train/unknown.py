"""Speech that is not in the book: what the recogniser must learn, and later prove, to reject.

Training uses words, invented words, scrambled words of the book and cut phrases; the examination
uses whole sentences whose content words never occur in training.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from selam_agent.train.book import Book

WORDS: Final[dict[str, str]] = {
    "en": (
        "river mountain yellow bicycle computer sandwich purple elephant running quickly yesterday "
        "because window garden seven hundred music children always never between umbrella kitchen paper "
        "summer winter travel market football weather mother brother station ticket orange chair table "
        "little bottle machine language remember anything money problem country under family water after "
        "really people another telephone message business beautiful understand interesting they would "
        "about which could should"
    ),
    "am": (
        "ውሃ ቤት ልጅ መጽሐፍ ትምህርት መኪና ዛፍ ፀሐይ ጨረቃ ምግብ ዳቦ ቡና ሻይ ገበያ መንገድ ከተማ እናት አባት ወንድም እህት ነጭ ጥቁር ቀይ ትልቅ ትንሽ "
        "ትናንት ሙዚቃ ኢትዮጵያ ገንዘብ ስልክ ስራ ጓደኛ በሬ ወንበር ጠረጴዛ መስኮት ሥጋ ወተት ጨው ስኳር ዓመት ወር ሀገር ሕዝብ መንግሥት ፍቅር ደስታ ጊዜ "
        "ቦታ ነገር ሁሉም ብዙ አዲስ አሮጌ ሩቅ ቅርብ ይሄዳል መጣ ተናገረ ሰማ አየ ጻፈ"
    ),
    "so": (
        "biyo guri buug dugsi gaari geed qorrax dayax cunto rooti bun shaah suuq waddo magaalo hooyo "
        "aabbe walaal cad madow guduud weyn yar shalay roob hilib caano lacag telefoon shaqo saaxiib "
        "albaab kursi miis daaqad sonkor cusbo sannad bil dal dad dowlad jacayl farxad meel wax badan "
        "cusub duug fog dhow tagay yimid hadlay maqlay arkay qoray qof kale sidee halkan markaas laakiin "
        "haddii sababta"
    ),
    "om": (
        "bishaan mana kitaaba barumsa konkolaataa muka aduu ji'a nyaata daabboo buna shaayii gabaa karaa "
        "magaalaa hakiima haadha abbaa obboleessa adii gurraacha diimaa guddaa xiqqaa wiixata kibxata "
        "tokko lama sadii afur boru kaleessa rooba foon aannan maallaqa bilbila hojii hiriyaa balbala "
        "teessoo minjaala foddaa soogidda sukkaara waggaa biyya uummata mootummaa jaalala gammachuu "
        "bakka waan baay'ee haaraa fagoo dhiyoo deeme"
    ),
    "ti": (
        "ማይ ገዛ ቆልዓ መጽሓፍ ትምህርቲ መኪና ገረብ ጸሓይ ወርሒ ምግቢ ባኒ ቡን ሻሂ ዕዳጋ መንገዲ ከተማ ሓኪም ኣደ ኣቦ ሓው ሓፍቲ ጻዕዳ ጸሊም ቀይሕ ዓቢ "
        "ንእሽቶ ሰኑይ ሰሉስ ሓደ ክልተ ሰለስተ ኣርባዕተ ጽባሕ ትማሊ ገንዘብ ስልኪ ስራሕ ዓርኪ ማዕጾ ወንበር ጠረጴዛ መስኮት ስጋ ጸባ ጨው ሽኮር ዓመት ሃገር "
        "ህዝቢ መንግስቲ ፍቕሪ ሓጎስ ቦታ ነገር ኩሉ ብዙሕ ሓድሽ ኣረጊት ርሑቕ ቀረባ ከይዱ መጺኡ"
    ),
}
"""Words for training; those that are also in the book are dropped when it is read."""

EXAMINATION: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "The quick brown fox jumps over the lazy dog.",
        "My grandmother lives near the sea.",
        "Seventeen sailors bought fresh bread.",
        "Turn left at the traffic light.",
        "Bananas.",
        "Electricity.",
        "Several engineers repaired our broken elevator.",
        "Pizza with mushrooms.",
    ),
    "am": (
        "ወንዙ በጣም ሰፊ ነበር",
        "ልጆቹ በፍጥነት ሮጡ",
        "ብርቱካን",
        "በሚቀጥለው ሳምንት ዝናብ ይኖራል",
        "አውሮፕላን",
        "ተማሪዎቹ ፈተናውን ጨረሱ",
        "የቤተ ክርስቲያን ደወል",
        "ድመቷ ተኝታለች",
    ),
    "so": (
        "Carruurtu waxay u socdaan iskuulka",
        "Diyaarad",
        "Webigu aad buu u ballaarnaa",
        "Toddobaadka soo socda",
        "Bisaddu way hurudda",
        "Ardaydu imtixaanka ayay dhammeeyeen",
        "Tufaax",
        "Koronto",
    ),
    "om": (
        "Ijoolleen gara bosonaa deeman",
        "Xiyyaara",
        "Lagni sun ballaa dha",
        "Torban dhufu",
        "Adurreen rafte",
        "Barattoonni qormaata xumuran",
        "Burtukaana",
        "Ibsaa elektirikii",
    ),
    "ti": (
        "ቆልዑ ናብ ቤት ንባብ ከይዶም",
        "ነፋሪት",
        "ሩባ ኣዝዩ ሰፊሕ ነይሩ",
        "ዝመጽእ ሰሙን",
        "ድሙ ደቂሳ ኣላ",
        "ተማሃሮ ፈተና ወዲኦም",
        "ኣራንሺ",
        "ኤለክትሪክ",
    ),
}
"""Sentences for the examination only."""

FOREIGN_VOICES: Final = ("sw", "ar", "hi", "fr", "de", "es", "it", "tr", "pt", "ru")
"""Invented words through these voices are sounds of no language in the book."""

_ETHIOPIC: Final = [chr(row + i) for row in range(0x1200, 0x1358, 8) for i in (0, 1, 2, 3, 4, 5, 5, 5, 6)]
_ONSETS: Final = [*"bdfghjklmnpqrstvwy", "st", "tr", "pl", "gr", "sh", "ch", "th", "dh", "kh"]
_VOWELS: Final = [*"aeiou", *"aeiou", "aa", "ee", "ii", "oo", "uu", "ai", "ou"]
_CODAS: Final = ["", "", "", *"ntsrlkmd"]


def plain(text: str) -> str:
    """Lower case without punctuation: how phrases are compared."""
    return " ".join(re.sub(r"[.,?!።፣፤]", " ", text).lower().split())


class Unknown:
    """Draws texts that are not in the book, from ``rng`` alone."""

    def __init__(self, book: Book, rng: np.random.Generator) -> None:
        self._rng = rng
        self._phrases = {language: {plain(t) for t in texts} for language, texts in book.phrases.items()}
        self._book_words = {
            language: sorted({w for p in phrases if " " in p for w in p.split()})
            for language, phrases in self._phrases.items()
        }
        self._words = {
            language: [w for w in WORDS[language].split() if not self.is_known(language, w)]
            for language in book.phrases
        }

    def is_known(self, language: str, text: str) -> bool:
        """Whether ``text`` contains a phrase of the book as whole words."""
        padded = f" {plain(text)} "
        return any(f" {phrase} " in padded for phrase in self._phrases[language])

    def invented(self, language: str) -> str:
        """A word of no language, in the script of ``language``."""
        if language in ("am", "ti"):
            return "".join(self._rng.choice(_ETHIOPIC, size=self._rng.integers(2, 6)))
        syllables = self._rng.integers(1, 5)
        return "".join(
            f"{self._rng.choice(_ONSETS)}{self._rng.choice(_VOWELS)}{self._rng.choice(_CODAS)}"
            for _ in range(syllables)
        )

    def text(self, language: str) -> str:
        """One to five words: real, invented or scrambled from the book; never a phrase of the book."""
        while True:
            count = int(self._rng.choice([1, 1, 2, 2, 3, 4, 5]))
            if self._rng.random() < 0.2 and len(self._book_words[language]) > 8:
                words = list(self._rng.choice(self._book_words[language], size=max(2, count)))
            else:
                words = [
                    self.invented(language)
                    if self._rng.random() < 0.45
                    else str(self._rng.choice(self._words[language]))
                    for _ in range(count)
                ]
            text = " ".join(words)
            if not self.is_known(language, text):
                return text
