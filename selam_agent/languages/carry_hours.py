"""The hours of a sentence, counted as the other language's region counts them, before it is translated.

"ነገ ጠዋት ሦስት ሰዓት" is tomorrow at nine; a translator that keeps the three is six hours wrong. Only the number
changes, so this is exact without knowing the part of the day: both clocks have twelve hours. What is said
as an hour is known by its form ("9:30"), by "a.m." and "p.m.", or by the word for "hour" beside it, which
also stands beside durations ("two hours" in Amharic): those come out wrong.
"""

from __future__ import annotations

import re

from selam_agent.languages.clock import day_part, ethiopian_hour
from selam_agent.languages.normalise import words
from selam_agent.languages.numbers import parse_number
from selam_agent.languages.pack import Pack

_HALF_DAY = r"(?P<noon>1[0-2]|0?[1-9])(?:[:.](?P<past>[0-5]\d))?\s*(?P<half>[ap])(?:\.\s?m\.?|m\b)"
_TIME = r"(?P<hour>[01]?\d|2[0-3])[:፡](?P<minute>[0-5]\d)(?![\d:])"
_CLOCK = re.compile(rf"(?<![\d:.,/-])(?:{_HALF_DAY}|{_TIME})", re.IGNORECASE)
_TOKEN = re.compile(r"[\w'’]+")


def carry_hours(text: str, source: Pack, target: Pack) -> str:
    """The text, still in the source's language, with the target's hours as digits."""
    if {source.clock, target.clock} != {"ethiopian", "international"}:
        return text
    text = _CLOCK.sub(lambda found: _carried(found, source), text)
    tokens = list(_TOKEN.finditer(text))
    hour_words = {word for each in source.time.hour_words for word in words(each, source.code)}
    for index in reversed(range(len(tokens))):
        if hour_words & set(words(tokens[index][0], source.code)):
            text = _beside(text, tokens, index, source)
    return text


def _carried(found: re.Match[str], source: Pack) -> str:
    if found["half"]:
        hour = int(found["noon"]) % 12 + (12 if found["half"].lower() == "p" else 0)
        minute = found["past"]
    else:
        hour, minute = int(found["hour"]), found["minute"]
        if source.clock == "ethiopian" and not 1 <= hour <= 12:
            return found[0]  # said on the international clock already
    # From either clock to the other it is the same step.
    number = str(ethiopian_hour(hour)) + (f":{minute}" if minute else "")
    if found["half"] or not 1 <= hour <= 12:
        # "3 a.m." would be in the night there.
        number += f" {day_part(hour, source).say}"
    return number


def _beside(text: str, tokens: list[re.Match[str]], index: int, source: Pack) -> str:
    """Carries the number beside the word for "hour": on its side in this language, of two words or one."""
    template = source.time.say
    before = "{hour}" in template.split(source.time.hour_words[0])[0]
    runs = ((index - 2, index - 1), (index - 1, index - 1))
    if not before:
        runs = ((index + 1, index + 2), (index + 1, index + 1))
    for first, last in runs:
        if first < 0 or last >= len(tokens):
            continue
        start, end = tokens[first].start(), tokens[last].end()
        number = parse_number(text[start:end], source)
        if number is not None and 1 <= number <= 12 and text[start - 1 : start] not in (":", "፡"):
            return text[:start] + str(ethiopian_hour(number)) + text[end:]
    return text
