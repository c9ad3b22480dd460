"""Text as it must reach a voice: every digit in words, no markup, and where each word came from.

espeak reads digits badly in Somali and Amharic, and knows nothing of the Ethiopian clock, so nothing
with a digit is left to it. ``spans`` lead from what was spoken back to what is shown.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from selam_agent.languages.clock import say_date
from selam_agent.languages.numbers import LARGEST, say_digits, say_number
from selam_agent.languages.pack import Pack


@dataclass(frozen=True, slots=True)
class Speakable:
    """``text``: what the voice says. ``spans``: one per whitespace word of the display text, in order.

    A span is (display start, display end, spoken start, spoken end) in characters; a word that is not
    spoken has an empty spoken range.
    """

    text: str
    spans: tuple[tuple[int, int, int, int], ...]

    def display_end(self, spoken: int) -> int:
        """Where the display text ends when ``spoken`` characters of ``text`` were heard.

        A word counts when all of it was heard; unspoken words after it do not.
        """
        end = 0
        for _, display_end, start, stop in self.spans:
            if start < stop:
                if stop > spoken:
                    break
                end = display_end
        return end

    def after(self, spoken: int) -> tuple[int, Speakable]:
        """What is left when the first ``spoken`` characters have been spoken.

        Returns where the rest of the display text begins, and the rest; a display word that was spoken
        in part belongs to the rest, with what is missing of it.
        """
        cut = self.display_end(spoken)
        rest = tuple(
            (first - cut, last - cut, max(0, start - spoken), max(0, stop - spoken))
            for first, last, start, stop in self.spans
            if first >= cut
        )
        return cut, Speakable(self.text[spoken:], rest)


def speakable(text: str, pack: Pack) -> Speakable:
    """Makes display text speakable; total, and free of digits for any input."""
    spoken = ""
    spans = []
    for token in re.finditer(r"\S+", text):
        said = " ".join(_token(token.group(), pack).split())
        if not re.search(r"\w", said):
            # Bare punctuation still shapes the sentence before it, but is no word of its own.
            said = "" if not spoken or said not in _PAUSES else said
            spoken += said
            spans.append((token.start(), token.end(), len(spoken), len(spoken)))
            continue
        spoken += " " if spoken else ""
        spans.append((token.start(), token.end(), len(spoken), len(spoken) + len(said)))
        spoken += said
    return Speakable(spoken, tuple(spans))


_PAUSES = frozenset({".", ",", "?", "!", "…", "።", "፣", "፤", "፥", "፧", ":", ";"})
_URL = re.compile(r"(?:https?://|www\.)\S+?(?=[)\]>]*[.,;:!?።፣]*$|[)\]>])", re.IGNORECASE)
_LINK_TARGET = re.compile(r"\]\([^)\s]*\)")
_LIST_ITEM = re.compile(r"^(?:[-*+•>#]+|\|+|`{3,}\w*|[-_*=]{3,})$")
_MARKUP = str.maketrans("", "", "*_`#~|<>[]{}\\^")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)")
_CLOCK = re.compile(r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?!\d)")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w.])[-−])?(?P<money>[$€£])?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.(?P<decimals>\d+))?(?P<percent>%)?"
)
_ETHIOPIC_DIGITS = re.compile("[\u1369-\u137c]+")


def _token(token: str, pack: Pack) -> str:
    token = unicodedata.normalize("NFC", token)
    if _LIST_ITEM.match(token):
        return ""
    token = _URL.sub("", _LINK_TARGET.sub("", token)).translate(_MARKUP)
    for short, long in pack.speech.abbreviations.items():
        if token.rstrip(",;:!?።፣") == short:
            return long + token[len(short) :]
    token = _ETHIOPIC_DIGITS.sub(lambda match: str(geez_number(match.group())), token)
    token = "".join(_plain_digit(char) for char in token)
    token = _ISO_DATE.sub(lambda match: _date(match, pack), token)
    token = _CLOCK.sub(lambda match: _between(match, _clock(match, pack)), token)
    token = _NUMBER.sub(lambda match: _between(match, _number(match, pack)), token)
    token = "".join(_symbol(char, pack) for char in token)
    # An emoji is made of several characters; what is left of one must not be spelt out.
    return "".join(" " if unicodedata.category(c) in _UNSPOKEN else c for c in token)


_UNSPOKEN = frozenset({"So", "Sk", "Sm", "Sc", "Cs", "Co", "Cn", "Cf", "Cc", "No", "Nl", "Me"})


def _plain_digit(char: str) -> str:
    # Superscripts and other scripts' digits have a value; a fraction such as ½ has none and is dropped.
    digit = unicodedata.digit(char, -1)
    return str(digit) if digit >= 0 else char


def _symbol(char: str, pack: Pack) -> str:
    said = pack.speech.symbols.get(char)
    return char if said is None else f" {said} "


def _between(match: re.Match[str], said: str) -> str:
    """Ethiopic prefixes and endings belong to the number's word; Latin letters stand apart from it."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    left = " " if before.isalnum() and not "\u1200" <= before <= "\u137f" else ""
    right = " " if after.isalnum() and not "\u1200" <= after <= "\u137f" else ""
    return f"{left}{said}{right}"


def _number(match: re.Match[str], pack: Pack) -> str:
    whole = match["whole"].replace(",", "")
    after = match.string[match.end() :]
    telephone = match.string[: match.start()].endswith("+")
    if telephone or (len(whole) > 1 and whole[0] == "0") or int(whole) > LARGEST:
        said = say_digits(whole, pack)
    else:
        said = say_number(int(whole), pack)
    if match["decimals"]:
        said += f" {pack.numbers.point} {say_digits(match['decimals'], pack)}"
    if match["sign"] and not after.startswith("-"):
        said = f"{pack.numbers.minus} {said}"
    if match["percent"]:
        said = pack.speech.percent.format(number=said)
    if match["money"]:
        said = f"{said} {pack.speech.symbols.get(match['money'], '')}"
    return said.strip()


def _clock(match: re.Match[str], pack: Pack) -> str:
    """A time in figures is international everywhere; where the clock is Ethiopian it is read as figures,

    "ዘጠኝ ዜሮ ዜሮ", so that it cannot be taken for the ninth Ethiopian hour, "ዘጠኝ ሰዓት" (15:00).
    """
    hour, minute = int(match[1]), int(match[2])
    figures = say_digits(match[2], pack) if minute < 10 else say_number(minute, pack)
    if pack.clock == "international" and 1 <= hour <= 12:
        full = pack.slots.get("hours")
        if full and not minute:
            return full[hour - 1].rstrip(".!?").lower()
        if pack.code == "so" and full:
            return f"{full[hour - 1].rstrip('.!?').lower()} {pack.numbers.joiner} {say_number(minute, pack)}"
    return f"{say_number(hour, pack)} {figures}"


def _date(match: re.Match[str], pack: Pack) -> str:
    try:
        return say_date(date(int(match[1]), int(match[2]), int(match[3])), pack)
    except ValueError:
        return match.group().replace("-", " ")


def geez_number(numerals: str) -> int:
    """The value of Ge'ez numerals: ፲፱፻፺፱ is 1999. ፻ and ፼ multiply what stands before them.

    Source: languages.md §7.2; ``int()`` does not read them.
    """
    total, group, units = 0, 0, 0
    for char in numerals:
        if char == "፻":
            group, units = group + (units or 1) * 100, 0
        elif char == "፼":
            total, group, units = (total + group + units or 1) * 10_000, 0, 0
        else:
            units += int(unicodedata.numeric(char))
    return total + group + units
