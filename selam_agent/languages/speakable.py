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
from selam_agent.languages.expressions import YEAR, Part, expressions
from selam_agent.languages.numbers import LARGEST, say_digits, say_number, say_ordinal, say_year
from selam_agent.languages.pack import Pack
from selam_agent.languages.transliterate import readable


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
    tokens = list(re.finditer(r"\S+", text))
    parts = expressions(text, tokens, pack)
    for index, token in enumerate(tokens):
        said = " ".join(_token(token.group(), pack, parts.get(index)).split())
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
_ADDRESS = re.compile(r"(?<=\w)@(?=\w+\.\w)\S*?(?=[.,;:!?።፣]*$)")
_LINK_TARGET = re.compile(r"\]\([^)\s]*\)")
_LIST_ITEM = re.compile(r"^(?:[-*+•>#]+|\|+|`{3,}\w*|[-_*=]{3,})$")
_MARKUP = str.maketrans("", "", "*_`#~|<>[]{}\\^")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)")
_SHORT_DATE = re.compile(r"(?<![\d/.])(\d{1,2})([/.])(\d{1,2})\2(\d{4})(?!\d)")
_CLOCK = re.compile(r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?!\d)")
_RANGE = re.compile(r"(?<![\w.,:/-])(\d{1,9}|\d\d?:[0-5]\d)[-–—](\d{1,9}|\d\d?:[0-5]\d)(?![\w:/–-]|[.,]\d)")
_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,9})(?:st|nd|rd|th)(?!\w)")
_DECADE = re.compile(r"(?<![\w.,])((?:1[1-9]|20)[1-9]0)s(?!\w)")
_VERSION = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d])")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w.])[-−])?(?P<money>[$€£])?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.(?P<decimals>\d+))?(?P<percent>%)?"
)
_DIGIT = re.compile(r"\d")
_ETHIOPIC_DIGITS = re.compile("[\u1369-\u137c]+")
_MARKS = ",;:!?።፣"


def _token(token: str, pack: Pack, part: Part | None) -> str:
    token = unicodedata.normalize("NFC", token)
    if part is not None and part.kind == "said":
        return part.value
    if part is not None and part.kind in ("phone", "digits"):
        return _digit_by_digit(token, pack, part)
    if _LIST_ITEM.match(token):
        return ""
    token = _URL.sub("", _LINK_TARGET.sub("", token)).translate(_MARKUP)
    whole = _abbreviation(token, pack)
    if whole is not None:
        return whole
    token = _ETHIOPIC_DIGITS.sub(lambda match: str(geez_number(match.group())), token)
    token = "".join(_plain_digit(char) for char in token)
    # The old wordspace is typed for a colon.
    token = re.sub(r"(?<=\d)፡(?=\d)", ":", token)
    token = _ADDRESS.sub(lambda match: f" @ {match.group()[1:].replace('.', f' {_dot(pack)} ')}", token)
    if _DIGIT.search(token):
        token = _figures(token, pack, part)
    token = "".join(_symbol(char, pack) for char in token)
    # An emoji is made of several characters; what is left of one must not be spelt out.
    return readable("".join(" " if unicodedata.category(c) in _UNSPOKEN else c for c in token), pack)


def _figures(token: str, pack: Pack, part: Part | None) -> str:
    token = _ISO_DATE.sub(lambda match: _date(match, pack), token)
    token = _SHORT_DATE.sub(lambda match: _short_date(match, pack), token)
    token = _RANGE.sub(lambda match: _between(match, _range(match, pack)), token)
    token = _CLOCK.sub(lambda match: _between(match, _clock(match, pack)), token)
    if pack.code == "en":
        token = _ORDINAL.sub(lambda match: say_ordinal(int(match[1]), pack), token)
        token = _DECADE.sub(lambda match: say_year(int(match[1]), pack).removesuffix("y") + "ies", token)
    token = re.sub(r"(?<=\d)/(?=\d)", " ", token)
    token = _VERSION.sub(lambda match: _between(match, _version(match, pack)), token)
    return _NUMBER.sub(lambda match: _between(match, _number(match, pack, part)), token)


_UNSPOKEN = frozenset({"So", "Sk", "Sm", "Sc", "Cs", "Co", "Cn", "Cf", "Cc", "No", "Nl", "Me"})


def _abbreviation(token: str, pack: Pack) -> str | None:
    """The words it stands for; Ethiopic prefixes (ለዶ/ር) stay in front of them."""
    bare = token.rstrip(_MARKS)
    for short, long in pack.speech.abbreviations.items():
        prefix = bare.removesuffix(short)
        attached = len(prefix) == 1 and "\u1200" <= prefix <= "\u135a" and len(short) > 2
        if bare == short or (attached and bare != prefix):
            return prefix + long + token[len(bare) :]
    return None


def _digit_by_digit(token: str, pack: Pack, part: Part) -> str:
    groups = [say_digits(group, pack) for group in re.findall(r"\d+", token)]
    comma = "፣ " if pack.script == "Ethiopic" else ", "
    plus = f"{pack.speech.phone_plus} " if token.startswith("+") else ""
    return plus + comma.join(groups) + (part.value or token[len(token.rstrip(f".{_MARKS}")) :])


def _dot(pack: Pack) -> str:
    return pack.speech.symbols.get(".", pack.numbers.point)


def _range(match: re.Match[str], pack: Pack) -> str:
    years = pack.speech.year_leads and all(YEAR.fullmatch(each) for each in match.groups())
    said = [
        say_year(int(each), pack)
        if years
        else _clock(clock, pack)
        if (clock := _CLOCK.fullmatch(each))
        else _plain_number(each, pack)
        for each in match.groups()
    ]
    return pack.speech.range.format(first=said[0], last=said[1])


def _plain_number(digits: str, pack: Pack) -> str:
    return say_digits(digits, pack) if digits[0] == "0" and len(digits) > 1 else say_number(int(digits), pack)


def _version(match: re.Match[str], pack: Pack) -> str:
    said = [
        _plain_number(each, pack) if len(each) < 10 else say_digits(each, pack)
        for each in match.group().split(".")
    ]
    return f" {pack.numbers.point} ".join(said)


def _short_date(match: re.Match[str], pack: Pack) -> str:
    """20/11/2026. Which calendar is meant is open where the Ethiopian one is used: read as it stands."""
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    if pack.calendar.kind == "ethiopian":
        return f"{first} {second} {year}"
    american = pack.locale == "en-US" and first <= 12
    day, month = (second, first) if american or second > 12 else (first, second)
    try:
        date(year, month, day)
    except ValueError:
        return f"{first} {second} {year}"
    said = pack.calendar.say.format(weekday="", day=day, month=pack.calendar.months[month - 1], year=year)
    return said.strip(" ,፣").replace(f"{year}", say_year(year, pack))


def _plain_digit(char: str) -> str:
    # Superscripts and other scripts' digits have a value; a fraction such as ½ has none and is dropped.
    digit = unicodedata.digit(char, -1)
    return str(digit) if digit >= 0 else char


def _symbol(char: str, pack: Pack) -> str:
    # A full stop is one; in an address it is said.
    said = pack.speech.symbols.get(char) if char != "." else None
    return char if said is None else f" {said} "


def _between(match: re.Match[str], said: str) -> str:
    """Ethiopic prefixes and endings belong to the number's word; Latin letters stand apart from it."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    left = " " if before.isalnum() and not "\u1200" <= before <= "\u137f" else ""
    right = " " if after.isalnum() and not "\u1200" <= after <= "\u137f" else ""
    return f"{left}{said}{right}"


def _number(match: re.Match[str], pack: Pack, part: Part | None) -> str:
    whole = match["whole"].replace(",", "")
    after = match.string[match.end() :]
    telephone = match.string[: match.start()].endswith("+")
    if part is not None and part.kind == "year":
        return say_year(int(whole), pack)
    if telephone or (len(whole) > 1 and whole[0] == "0") or int(whole) > LARGEST:
        said = say_digits(whole, pack)
    else:
        said = say_number(int(whole), pack)
    currency = match["money"] or ""
    if part is not None and part.kind == "money":
        currency = "" if part.value.startswith("=") else part.value
    names = pack.speech.currencies.get(currency)
    cents = names is not None and len(match["decimals"] or "") == 2 and int(match["decimals"]) > 0
    if match["decimals"] and not cents and not (names and not int(match["decimals"])):
        said += f" {pack.numbers.point} {say_digits(match['decimals'], pack)}"
    if match["sign"] and not after.startswith("-"):
        said = f"{pack.numbers.minus} {said}"
    if match["percent"] or (part is not None and part.kind == "percent"):
        said = pack.speech.percent.format(number=said)
    if names:
        said = f"{said} {names[0 if whole == '1' and not cents else -1]}"
        if cents:
            said += f" {pack.speech.cents.format(number=say_number(int(match['decimals']), pack))}"
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
        said = say_date(date(int(match[1]), int(match[2]), int(match[3])), pack)
    except ValueError:
        return match.group().replace("-", " ")
    return (
        said if pack.calendar.kind == "ethiopian" else said.replace(match[1], say_year(int(match[1]), pack))
    )


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
