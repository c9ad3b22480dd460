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
        "about which could should "
        "again against almost along already also although answer apple area around arrive ask baby bank "
        "bath beach become bed before begin behind believe below best better big birthday black blood "
        "blue boat body break breakfast bridge bring build bus buy cake call camera carry cat catch "
        "center chance cheap cheese chicken child church class clean clear climb close cloud coat coffee "
        "color company cook corner count course cover cross crowd cut dance danger dark daughter dead "
        "deal decide deep desk different difficult dinner dirty discover dish distance door double draw "
        "dream dress drink drive drop dry dust early earth east easy eat edge egg empty engine enjoy "
        "enter equal example eye face fact fall far farm fast father feel few field fight fill film find "
        "finger finish fire first fish floor flower fly follow food foot forest forget free friend front "
        "fruit full game gate gentle girl give glass goat gold grass great green ground group grow guess "
        "hair half hall hand happy hard hate head health hear heart heavy height hide hill history hit "
        "hold hole holiday home horse hospital hotel house hurry hurt ice idea island job join juice jump "
        "just keep kind king knee knife know lake land large last late laugh law leaf learn leave lemon "
        "letter library lie life line lion list listen live long look lose lost love low lunch mail main "
        "make many map mark marry matter meal mean measure meat medicine member metal middle milk mind "
        "mirror miss mix month moon most mouse mouth move much muscle nail narrow nature neck needle "
        "neighbor nephew nest new newspaper next nice north nose note notice number nurse object ocean "
        "office often oil old onion only open order other out outside oven own page pain paint pair park "
        "part party pass past path pay peace pen pencil perfect person photo piano picture piece place "
        "plan plane plant plate play pocket point police poor popular port possible potato pound power "
        "prepare present press price print private promise proud pull pupil push put queen question quiet "
        "rabbit race radio rain raise reach read receive record red relax rent report rest rice rich ride "
        "ring road rock roof room round rule sad safe sail salt same sand save school science season "
        "second secret sell sentence serious serve shade shape share sharp sheep shine ship shirt shoe "
        "shop short shoulder shout show shower sick side sign silver simple sing sister sit size skin sky "
        "sleep slow small smell smile smoke snow soap soft soldier some song soon sound soup south space "
        "speak special spell spend spoon sport spring square stage stairs stand star start state steal "
        "step stick stomach stone store storm story straight strange street string strong student study "
        "sugar suit sun sure surprise sweet swim system take talk tall taste tax teach team tell tennis "
        "test than thick thin thing think thirsty thousand throw tie time tired together tomato tongue "
        "tool tooth top total touch town toy train tree trip trouble truck true trust try twice type ugly "
        "uncle uniform union university until upstairs use useful usual valley value vegetable village "
        "visit voice wait walk wall war warm wash waste watch wave weak wear week weight welcome west wet "
        "wheel white whole why wide wife wild win wind wine wing wire wise wish woman wonder wood wool "
        "word work world worry worse write wrong year young doctor forward charge speech gear badge judge "
        "arrange manage image cabbage damage"
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

UNSEEN: Final[dict[str, tuple[str, ...]]] = {
    "en": ("Check my balance.", "Transfer me to an operator.", "Send the invoice.", "Change my address."),
    "am": ("ሒሳቤን አሳየኝ።", "አድራሻ ቀይርልኝ።", "ደረሰኝ ላክልኝ።", "ከሠራተኛ ጋር አገናኘኝ።"),
    "so": ("Ciwaanka beddel.", "Xisaabtayda i tus.", "Shaqaale ii xir.", "Rasiidh ii dir."),
    "om": ("Herrega koo agarsiisi.", "Nagahee naaf ergi.", "Hojjetaa natti fidi.", "Iddoo naaf jijjiiri."),
    "ti": ("ሕሳበይ ኣርእየኒ።", "ኣድራሻይ ቀይር።", "ቅብሊት ስደደለይ።", "ምስ ሰራሕተኛ ኣራኽበኒ።"),
}
"""Phrases that a flow may add later, for the examination only. Those that are not English await review."""

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
