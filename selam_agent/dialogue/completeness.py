"""How finished do the words sound, and how long to wait after them?

Amharic, Tigrinya and Oromo end their sentences in a finite verb; conjunctions, converbs and fillers say
that more will come (languages.md §8). The words decide, not the marks: CTC engines write none, and
others put a full stop after everything. Every list is in the pack's ``[turns]``; this module knows no
language. What nothing is known about is UNKNOWN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from selam_agent.languages.normalise import sentences, words
from selam_agent.languages.numbers import number_values, parse_number
from selam_agent.languages.pack import Pack

Words = tuple[str, ...]

CLOSERS = "\"'”’»)] "
QUESTION_MARKS = ("?", "፧")
_UNFINISHED_MARKS = ("…", "..", ",", "፣", "፤", "፥", "፦", ";", ":", "-", "–", "—")
_CLOCK = re.compile(r"\d{1,2}:\d\d")
_STRETCHED = re.compile(r"(.)\1+")

# Shorter than a telephone number's groups; longer runs are cut so that rambling costs nothing.
_LONGEST_NUMBER = 24
_LONGEST_ANSWER = 16

# Of the caller's own pauses: how much longer to wait than they usually are, and how far this goes
# for endings that do not ask for more (DESIGN §4).
_PAUSE_MARGIN = 1.2
_LEARNED_LIMIT_MS = 1500
_KEEP = 0.9


# Letters and marks per second of speech that hardly anybody says. espeak at 160 words a minute says 8 (a
# Ge'ez letter is a syllable) and 17, at 220 11 and 23; a phrase of which a third is missing has 14 and 24.
_HURRIED = {"Ethiopic": 13.5, "Latin": 21.5}


class Ending(StrEnum):
    """COMPLETE: answer soon. INCOMPLETE: more will come. UNKNOWN: the words do not tell."""

    COMPLETE = "complete"
    UNKNOWN = "unknown"
    INCOMPLETE = "incomplete"


def judge(text: str, pack: Pack) -> Ending:
    """How the text ends, from its last sentence. Takes text with or without punctuation.

    A mark that leaves the sentence open ("…", a comma) makes it incomplete, a question mark complete
    unless its last word forbids; a full stop says nothing.
    """
    text = text.strip().rstrip(CLOSERS)
    if text.endswith(_UNFINISHED_MARKS) and not text.endswith("::"):
        return Ending.INCOMPLETE
    last = next((each for each in reversed(sentences(text)) if words(each, pack.code)), "")
    tokens = words(last, pack.code)
    cues = _cues(pack)
    if not tokens:
        return Ending.UNKNOWN
    if tokens in cues.whole:
        return Ending.COMPLETE
    marked = last.endswith((*QUESTION_MARKS, "!"))
    question = begins(tokens, cues.openers)
    found = cues.ending(tokens)
    if found == _STRANDED and question:
        return Ending.COMPLETE if marked else Ending.UNKNOWN
    if found is not None:
        return Ending.COMPLETE if found == _COMPLETE else Ending.INCOMPLETE
    number = _number_at_end(tokens, words(text, pack.code), cues, pack)
    if number is not None:
        return number
    if len(tokens) <= _LONGEST_ANSWER and covered(len(tokens), lambda i: _items(tokens, i, cues, pack)):
        return Ending.COMPLETE
    form = None if tokens[-1] in cues.lookalikes else cues.form(tokens[-1])
    if form is Ending.INCOMPLETE and contains(tokens, cues.asking):
        form = Ending.UNKNOWN  # "What shall I do" ends in a form that is subordinate elsewhere.
    if marked:
        return Ending.UNKNOWN if form is Ending.INCOMPLETE else Ending.COMPLETE
    if form is None and question and len(tokens) >= 3:
        return Ending.COMPLETE
    return form or Ending.UNKNOWN


def hurried(text: str, pack: Pack, spoken_ms: int) -> bool:
    """Whether the text is longer than what is said in that time.

    A recogniser with a closed vocabulary hears a whole phrase where its last word is still missing.
    """
    return len(text) * 1000 > _HURRIED[pack.script] * max(spoken_ms, 1)


def wait_ms(
    ending: Ending,
    *,
    complete: int = 400,
    unknown: int = 800,
    incomplete: int = 1800,
    learned_pause_ms: float | None = None,
    min_silence: int | None = None,
    max_silence: int | None = None,
    limit: int = 3000,
) -> int:
    """Silence, in ms after the end of speech, that ends the turn.

    Adaptive: the table's value, lengthened to 1.2 × the caller's learned pause, which reaches at most
    1500 ms unless the words are incomplete; never above ``limit``.

    Stated by the client, exactly and whatever was learned: ``min_silence`` after complete words,
    ``max_silence`` after incomplete ones, and their mean, rounded down, after unknown ones. With one
    stated, the rest stays adaptive, but on its side of the stated one.
    """
    if ending is Ending.COMPLETE and min_silence is not None:
        return min_silence
    if ending is Ending.INCOMPLETE and max_silence is not None:
        return max_silence
    if ending is Ending.UNKNOWN and min_silence is not None and max_silence is not None:
        return (min_silence + max_silence) // 2
    table = {Ending.COMPLETE: complete, Ending.UNKNOWN: unknown, Ending.INCOMPLETE: incomplete}[ending]
    learned = round(_PAUSE_MARGIN * (learned_pause_ms or 0))
    if ending is not Ending.INCOMPLETE:
        learned = min(learned, _LEARNED_LIMIT_MS)
    wait = min(max(table, learned), limit)
    wait = wait if min_silence is None else max(wait, min_silence)
    return wait if max_silence is None else min(wait, max_silence)


class LearnedPause:
    """This caller's own pauses within turns, as an exponential average (0.9; field.md §3.1).

    The first pause counts in full: somebody who speaks slowly should be cut off once at most.
    """

    def __init__(self) -> None:
        self.value: float | None = None

    def add(self, pause_ms: float) -> None:
        """A pause after which the caller went on with the same turn."""
        self.value = pause_ms if self.value is None else _KEEP * self.value + (1 - _KEEP) * pause_ms


# ---------------------------------------------------------------- phrases


def covered(length: int, items_at: Callable[[int], Iterable[int]]) -> bool:
    """Whether items laid end to end cover ``length`` words; ``items_at(i)``: lengths that fit at i."""
    reached = {0}
    for i in range(length):
        if i in reached:
            reached.update(i + size for size in items_at(i))
    return length in reached


def begins(tokens: Words, phrases: Iterable[Words]) -> bool:
    return any(tokens[: len(phrase)] == phrase for phrase in phrases)


def contains(tokens: Words, phrases: Iterable[Words]) -> bool:
    return any(begins(tokens[i:], phrases) for i in range(len(tokens)))


# ---------------------------------------------------------------- what the pack knows

_COMPLETE, _INCOMPLETE, _STRANDED = "complete", "incomplete", "stranded"


@dataclass(frozen=True, eq=False, slots=True)
class _Cues:
    """A pack's cues, normalised as transcripts are."""

    whole: frozenset[Words]
    parts: frozenset[Words]
    endings: dict[Words, str]
    longest_ending: int
    forms: tuple[tuple[str, str, Ending], ...]
    lookalikes: frozenset[str]
    openers: tuple[Words, ...]
    asking: tuple[Words, ...]
    leads: tuple[Words, ...]
    longest_part: int

    def ending(self, tokens: Words) -> str | None:
        """What the longest listed ending says. A drawn-out "ummm" is an "um"."""
        for size in range(min(self.longest_ending, len(tokens)), 0, -1):
            if found := self.endings.get(tokens[-size:]):
                return found
        short = _STRETCHED.sub(r"\1", tokens[-1])
        if len(tokens[-1]) >= 3 and len(short) <= 2 and short != tokens[-1]:
            return self.endings.get((short,))
        return None

    def form(self, word: str) -> Ending | None:
        """What the longest matching form says; UNKNOWN if both kinds match equally."""
        best, found = 0, None
        for start, end, ending in self.forms:
            size = len(start) + len(end)
            if size >= max(best, 1) and len(word) > size and word.startswith(start) and word.endswith(end):
                found = Ending.UNKNOWN if size == best and found not in (None, ending) else ending
                best = size
        return found


@lru_cache(maxsize=16)
def _cues(pack: Pack) -> _Cues:
    def phrases(*lists: Iterable[str]) -> list[Words]:
        return [found for each in lists for entry in each if (found := words(entry, pack.code))]

    turns = pack.turns
    whole = phrases(
        *pack.phrases.values(), *pack.slots.values(), pack.stop_words, pack.backchannels, turns.complete_alone
    )
    parts = phrases(
        pack.time.hour_words,
        pack.time.half,
        pack.time.quarter,
        *pack.time.parts_heard.values(),
        (part.say for part in pack.time.parts),
        pack.calendar.weekdays,
        pack.calendar.months,
    )
    endings = {
        **dict.fromkeys(phrases(turns.complete_words), _COMPLETE),
        **dict.fromkeys(phrases(turns.stranded_words), _STRANDED),
        **dict.fromkeys(phrases(turns.incomplete_words, turns.fillers), _INCOMPLETE),
    }
    forms = [
        ("".join(words(start, pack.code)), "".join(words(end, pack.code)), ending)
        for entries, ending in (
            (turns.complete_forms, Ending.COMPLETE),
            (turns.incomplete_forms, Ending.INCOMPLETE),
        )
        for start, _, end in (entry.partition("-") for entry in entries)
    ]
    return _Cues(
        whole=frozenset(whole),
        parts=frozenset(parts) | frozenset(whole),
        endings=endings,
        longest_ending=max(map(len, endings), default=0),
        forms=tuple(forms),
        lookalikes=frozenset(word for phrase in phrases(turns.lookalikes) for word in phrase),
        openers=tuple(phrases(turns.question_openers)),
        asking=tuple(phrases(turns.question_words)),
        leads=tuple(phrases(turns.number_leads)),
        longest_part=max(map(len, [*whole, *parts]), default=0),
    )


def _items(tokens: Words, i: int, cues: _Cues, pack: Pack) -> Iterable[int]:
    """Lengths of the answers that begin at word i: listed phrases, times, dates and numbers."""
    for size in range(1, min(cues.longest_part, len(tokens) - i) + 1):
        if tokens[i : i + size] in cues.parts:
            yield size
    if _CLOCK.fullmatch(tokens[i]):
        yield 1
    for end in range(i + 1, len(tokens) + 1):
        if not _is_number(tokens[end - 1], pack):
            break
        if parse_number(" ".join(tokens[i:end]), pack) is not None:
            yield end - i


def _is_number(token: str, pack: Pack) -> bool:
    return token.isdecimal() or bool(number_values((token,), pack))


def _number_at_end(tokens: Words, everything: Words, cues: _Cues, pack: Pack) -> Ending | None:
    """A number being said digit by digit, or after "my number is", lasts until it is long enough.

    None: no number at the end, or one that may be an answer by itself.
    """
    start = len(tokens)
    while start > max(0, len(tokens) - _LONGEST_NUMBER) and _is_number(tokens[start - 1], pack):
        start -= 1
    while start < len(tokens) and number_values(tokens[start : start + 1], pack) == (None,):
        start += 1  # a joiner belongs to what stands before
    run = tokens[start:]
    if not run:
        return None
    digits = sum(len(token) if token.isdecimal() else 1 for token in run)
    values = [int(token) if token.isdecimal() else number_values((token,), pack)[0] for token in run]
    written = all(token.isdecimal() for token in run)
    in_a_row = len(run) >= 2 and (written or all(value is not None and value < 10 for value in values))
    from_zero = digits >= 2 and (values[0] == 0 or run[0].startswith("0"))
    if in_a_row or from_zero or contains(everything[: -len(run)], cues.leads):
        return Ending.INCOMPLETE if digits < pack.turns.phone_digits else Ending.UNKNOWN
    if (written and digits >= 3) or parse_number(" ".join(run), pack) is None:
        return Ending.UNKNOWN
    return None
