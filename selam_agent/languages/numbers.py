"""Whole numbers in words and back, for five languages, from the packs' own tables (languages.md §7.3).

No library knows them all; num2words fails on Amharic numbers such as 1234. The words live in the
packs, the grammar here:

- en, am: multiplier, scale, remainder, side by side.
- so: the unit before the ten, everything joined by "iyo"; a single hundred or thousand has no "one".
- ti: -ን on every addend when there are several.
- om: the multiplier follows its scale; "fi" closes each scale so that 105 000 and 100 005 differ.
"""

from __future__ import annotations

from functools import lru_cache

from selam_agent.languages.normalise import words
from selam_agent.languages.pack import Pack

LARGEST = 10**9


def say_number(number: int, pack: Pack) -> str:
    """The cardinal in words. Beyond ±10⁹ the digits are said one by one."""
    if number < 0:
        return f"{pack.numbers.minus} {say_number(-number, pack)}"
    if number > LARGEST:
        return say_digits(str(number), pack)
    if number == 0:
        return pack.numbers.small[0]
    addends = []
    rest = number
    table = pack.numbers
    for size, name in ((10**9, table.billion), (10**6, table.million), (1000, table.thousand)):
        count, rest = divmod(rest, size)
        if count:
            addends.append(_scaled(count, name, pack))
    if pack.code == "om":
        last = f" {table.joiner} ".join(_below_thousand(rest, pack))
        return f" {table.joiner} ".join([*addends, last] if last else addends)
    return _join([*addends, *_below_thousand(rest, pack)], pack)


def say_digits(digits: str, pack: Pack) -> str:
    """Digits one by one, as in telephone numbers; other characters are ignored."""
    return " ".join(pack.numbers.small[int(digit)] for digit in digits if digit in "0123456789")


def say_year(year: int, pack: Pack) -> str:
    """A year; where ``speech.year_leads`` stand, in pairs as in English: 1998 is "nineteen ninety eight"."""
    century, rest = divmod(year, 100)
    if not pack.speech.year_leads or not 11 <= century <= 20 or (century == 20 and rest < 10):
        return say_number(year, pack)
    if not rest:
        return f"{say_number(century, pack)} {pack.numbers.hundred}"
    last = say_number(rest, pack) if rest > 9 else f"oh {pack.numbers.small[rest]}"
    return f"{say_number(century, pack)} {last}"


_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def say_ordinal(number: int, pack: Pack) -> str:
    """The English ordinal: 21 is "twenty first". Other languages' are not written with letters."""
    before, _, last = say_number(number, pack).rpartition(" ")
    last = _ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return f"{before} {last}".strip()


def _scaled(count: int, name: str, pack: Pack) -> str:
    if pack.code == "om":
        return f"{name} {' '.join(_below_thousand(count, pack))}"
    if count == 1 and pack.code in ("so", "ti"):
        return name
    return f"{_join(_below_thousand(count, pack), pack)} {name}"


def _below_thousand(number: int, pack: Pack) -> list[str]:
    table = pack.numbers
    hundreds, rest = divmod(number, 100)
    addends = []
    if hundreds and pack.code == "om":
        addends.append(f"{table.hundred} {table.small[hundreds]}")
    elif hundreds:
        addends.append(
            table.hundred
            if hundreds == 1 and pack.code in ("so", "ti")
            else f"{table.small[hundreds]} {table.hundred}"
        )
    if 0 < rest < 20:
        addends.append(table.small[rest])
    elif rest:
        tens, unit = divmod(rest, 10)
        ten = table.tens[tens - 2]
        if not unit:
            addends.append(ten)
        elif pack.code == "so":
            addends += [table.small[unit], ten]
        elif pack.code == "om":
            addends.append(f"{table.tens_joined[tens - 2]} {table.small[unit]}")
        else:
            addends += [ten, table.small[unit]]
    return addends


def _join(addends: list[str], pack: Pack) -> str:
    if pack.code == "so":
        return f" {pack.numbers.joiner} ".join(addends)
    if pack.code == "ti" and len(addends) > 1:
        return " ".join(addend + pack.numbers.joiner for addend in addends)
    return " ".join(addends)


# ---------------------------------------------------------------- words to numbers


@lru_cache(maxsize=32)
def _vocabulary(pack: Pack) -> dict[str, int]:
    """Each single word that occurs in numbers, normalised, and its value."""
    table = pack.numbers
    named = {
        **{word: value for value, word in enumerate(table.small[:11])},
        **{word: (i + 2) * 10 for each in (table.tens, table.tens_joined) for i, word in enumerate(each)},
        table.hundred: 100,
        table.thousand: 1000,
        table.million: 10**6,
        table.billion: 10**9,
        **table.also,
    }
    known = {words(word, pack.code)[0]: value for word, value in named.items()}
    joiner = words(table.joiner, pack.code)[:1]
    for value, word in enumerate(table.small[11:], 11):
        parts = words(word, pack.code)
        for part in parts:
            if part not in known and (part,) != joiner:
                # "eleven" is a value of its own; "አሥራ" and "kudha" stand for the ten in front.
                known[part] = value if len(parts) == 1 else 10
    return known


@lru_cache(maxsize=32)
def _written(pack: Pack) -> dict[str, int | None]:
    """The same by the words exactly as the pack writes them; None for a joiner."""
    table = pack.numbers
    named = (*table.small, *table.tens, *table.tens_joined, table.joiner)
    scales = (table.hundred, table.thousand, table.million, table.billion)
    found: dict[str, int | None] = {}
    for token in {token for name in (*named, *scales) for token in name.split()}:
        for each in (token, token + table.joiner) if pack.code == "ti" else (token,):
            value = number_values(words(each, pack.code), pack)
            if value:
                found[each] = value[0]
    return found


def number_values(tokens: tuple[str, ...], pack: Pack) -> tuple[int | None, ...]:
    """The value of each normalised word by itself; None for a joiner. Unknown words end the list."""
    known, joiner = _vocabulary(pack), words(pack.numbers.joiner, pack.code)
    values: list[int | None] = []
    for token in tokens:
        value = known.get(token)
        if value is None and pack.code == "ti":
            value = known.get(token.removesuffix(pack.numbers.joiner))
        if value is None and (token,) != joiner:
            break
        values.append(value)
    return tuple(values)


def parse_number(text: str, pack: Pack) -> int | None:
    """The number that the text says, in words or in digits, and nothing else; else None.

    Left-out ones ("hundred") and spellings in ``also`` are accepted; words that do not make a number
    of the language ("five six") are not.
    """
    written = _written(pack)
    try:
        # As we write it ourselves; normalising costs ten times as much.
        values = tuple([written[token] for token in text.split()])
    except KeyError:
        tokens = words(text.replace(",", ""), pack.code)
        if len(tokens) == 1 and tokens[0].isdecimal():
            return int(tokens[0])
        values = number_values(tokens, pack)
        if len(values) < len(tokens):
            return None
    if not values:
        return None
    value = _after(values) if pack.code == "om" else _before(values)
    if value > LARGEST:
        return None
    if say_number(value, pack) == text:
        return value
    said = words(say_number(value, pack), pack.code)
    return value if _skeleton(values) == _skeleton(number_values(said, pack)) else None


def _before(values: tuple[int | None, ...]) -> int:
    """Multipliers stand before their scale."""
    total, current = 0, 0
    for value in values:
        if value is None:
            continue
        if value >= 1000:
            total, current = total + (current or 1) * value, 0
        elif value == 100:
            current = (current or 1) * 100
        else:
            current += value
    return total + current


def _after(values: tuple[int | None, ...]) -> int:
    """Multipliers follow their scale; a joiner closes a scale of a thousand or more."""
    total, scale, current, hundred = 0, 1, 0, False
    for value in values:
        if hundred and value is not None and 0 < value < 10:
            current, hundred = current + value * 100, False
            continue
        if hundred:
            current, hundred = current + 100, False
        if value is None or value >= 1000:
            if scale > 1:
                total, current = total + (current or 1) * scale, 0
            scale = value or 1
        elif value == 100:
            hundred = True
        else:
            current += value
    if hundred:
        current += 100
    return total + ((current or 1) * scale if scale > 1 else current)


def _skeleton(values: tuple[int | None, ...]) -> list[int]:
    """The values without joiners and without a one next to a scale, which may be left out."""
    plain = [value for value in values if value is not None]
    return [
        value
        for i, value in enumerate(plain)
        if not (value == 1 and any(0 <= j < len(plain) and plain[j] >= 100 for j in (i - 1, i + 1)))
    ]
