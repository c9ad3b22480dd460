"""What stands in several words and is said as one thing: telephone numbers, money, percents, years."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from selam_agent.languages.normalise import words
from selam_agent.languages.pack import Pack

# Groups of digits; whether they are a telephone number is decided by their shape.
_GROUPS = re.compile(
    r"(?<![\w.])\+\d{7,15}(?!\w)|"
    r"(?<![\w.,/:–-])(?:\+\d{1,3}[ -]?)?(?:\(\d{1,4}\)[ -]?)?\d{2,7}(?:[ -]\d{2,7}){1,5}(?![\w:/%–-]|[.,]\d)"
)
_LOCAL_PHONE = re.compile(r"\d{3}[- ]\d{3}[- ]\d{4}|\d{3}-\d{4}")
_DATE = re.compile(r"\d{1,2}-\d{1,2}-\d{4}|\d{4}-\d{2}-\d{2}")
_MARKS = ".,;:!?።፣፤፥፧…)"
_AMOUNT = re.compile(r"\d[\d,]*(?:\.\d+)?")
YEAR = re.compile(r"(?:1[1-9]|20)\d\d")
_PLAIN = re.compile(r"\d{4,}")
# How far back the words that lead to a number are looked for, in characters.
_LEAD_SPAN = 48


@dataclass(frozen=True, slots=True)
class Part:
    """What a word of the text is part of.

    ``phone``: digits one by one, ``value`` is the pause after them. ``digits``: the same, a code.
    ``money``: an amount of the currency ``value``. ``said``: spoken as ``value``, which may be empty.
    ``percent``, ``year``: an amount of per cent, a year.
    """

    kind: Literal["phone", "digits", "money", "percent", "year", "said"]
    value: str = ""


def expressions(text: str, tokens: Sequence[re.Match[str]], pack: Pack) -> dict[int, Part]:
    """By index of the token (a word between spaces)."""
    if not any(char.isdigit() for char in text):
        return {}
    parts = _phones(text, tokens, pack)
    for index, token in enumerate(tokens):
        if index in parts:
            continue
        bare = token.group().rstrip(_MARKS)
        after = tokens[index + 1].group().rstrip(_MARKS) if index + 1 < len(tokens) else ""
        if _currency(bare, pack) and _AMOUNT.match(after) and index + 1 not in parts:
            # "ETB 500" is said as "500 birr"; "ETB 1.5 million" as "1.5 million birr".
            parts[index] = Part("said")
            parts |= _amount(index + 1, tokens, _currency(bare, pack), pack)
        elif token.group() in pack.speech.before_numbers and after[:1].isdigit():
            parts[index] = Part("said", pack.speech.before_numbers[token.group()])
        elif _AMOUNT.fullmatch(bare) and after == "%":
            parts[index], parts[index + 1] = Part("percent"), Part("said", _marks(tokens[index + 1]))
        elif _AMOUNT.fullmatch(bare) and after in pack.speech.currencies:
            name = pack.speech.currencies[after]
            parts[index + 1] = Part("said", name[0 if bare == "1" else -1] + _marks(tokens[index + 1]))
        elif _AMOUNT.fullmatch(bare) and after in pack.speech.units:
            parts[index + 1] = Part("said", pack.speech.units[after] + _marks(tokens[index + 1]))
        elif bare[:1] in pack.speech.currencies and _AMOUNT.fullmatch(bare[1:]):
            parts |= _amount(index, tokens, bare[0], pack)
        elif bare[-1:] in pack.speech.currencies and _AMOUNT.fullmatch(bare[:-1]):
            parts[index] = Part("money", bare[-1])
        elif YEAR.fullmatch(bare) and _follows(text[: token.start()], _year_leads(pack), pack):
            parts[index] = Part("year")
        elif _PLAIN.fullmatch(bare) and _follows(text[: token.start()], pack.turns.number_leads, pack):
            parts[index] = Part("digits")
    return parts


def _phones(text: str, tokens: Sequence[re.Match[str]], pack: Pack) -> dict[int, Part]:
    parts: dict[int, Part] = {}
    comma = "፣" if pack.script == "Ethiopic" else ","
    for match in _GROUPS.finditer(text):
        said = match.group()
        digits = sum(char.isdigit() for char in said)
        shaped = said[0] in "+0(" or _LOCAL_PHONE.fullmatch(said)
        if not shaped or not 7 <= digits <= 15 or _DATE.fullmatch(said):
            continue
        inside = [
            i for i, each in enumerate(tokens) if match.start() < each.end() and each.start() < match.end()
        ]
        parts |= {index: Part("phone", comma if index != inside[-1] else "") for index in inside}
    return parts


def _currency(word: str, pack: Pack) -> str:
    return next((each for each in (word, f"{word}.") if each in pack.speech.currencies), "")


def _amount(index: int, tokens: Sequence[re.Match[str]], currency: str, pack: Pack) -> dict[int, Part]:
    following = tokens[index + 1].group() if index + 1 < len(tokens) else ""
    scales = (pack.numbers.thousand, pack.numbers.million, pack.numbers.billion)
    if following.rstrip(_MARKS).lower() in scales:
        bare = tokens[index].group().lstrip(currency)
        name = pack.speech.currencies[currency][-1]
        said = f"{following.rstrip(_MARKS)} {name}{_marks(tokens[index + 1])}"
        return {index: Part("money", f"={bare}"), index + 1: Part("said", said)}
    return {index: Part("money", currency)}


def _marks(token: re.Match[str]) -> str:
    whole = token.group()
    return whole[len(whole.rstrip(_MARKS)) :]


def _year_leads(pack: Pack) -> tuple[str, ...]:
    return (*pack.speech.year_leads, *pack.calendar.months) if pack.speech.year_leads else ()


def _follows(before: str, leads: Sequence[str], pack: Pack) -> bool:
    """Whether the text before ends in one of these phrases; a day's number may stand between."""
    if not leads:
        return False
    heard = words(before[-_LEAD_SPAN:], pack.code)
    if heard and heard[-1].isdigit() and len(heard[-1]) <= 2:
        heard = heard[:-1]
        leads = [each for each in leads if each in pack.calendar.months]
    return any((lead := words(each, pack.code)) and heard[-len(lead) :] == lead for each in leads)
