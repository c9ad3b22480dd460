"""What do words mean that are spoken over the agent: stop, go on, or something to answer?

A person stops at "wait" and talks on through "mm-hm" (field.md §3.3; matching rules: languages.md §8).
The lists are in the pack; they hold the forms of every gender and number, and the English loans.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import ceil

from selam_agent.dialogue.completeness import CLOSERS, QUESTION_MARKS, Words, begins, contains, covered
from selam_agent.languages.normalise import sentences, similar, words
from selam_agent.languages.pack import Pack

# Speech that is neither stop word nor backchannel interrupts from here on (DESIGN §4).
SPEECH_WORDS = 2
SPEECH_MS = 600

# Echo of a few words must be exact to the letter or so; of a longer piece the recogniser loses some.
_ECHO_ALL_BELOW = 4
_ECHO_SHARE = 0.75
_ECHO_SKIPS = 2
# Letters that tell something; in Ethiopic two are two syllables.
_BEGINNING = 2
# As much as is ever compared, so that rambling costs nothing: of the utterance its two ends.
_LONGEST_HEARD = 24
_LONGEST_SAID = 60


class Verdict(StrEnum):
    """STOP and SPEECH interrupt, the others do not; after BACKCHANNEL and ECHO play on at once.

    PERHAPS: a backchannel has begun, as far as one can hear.
    """

    STOP = "stop"
    BACKCHANNEL = "backchannel"
    PERHAPS = "perhaps"
    ECHO = "echo"
    SPEECH = "speech"
    NOTHING = "nothing"


def judge(
    text: str | None,
    pack: Pack,
    *,
    speech_ms: int,
    agent_asked: bool,
    finished: bool = False,
    being_said: str = "",
) -> Verdict:
    """What the words over the agent mean.

    Args:
        text: the utterance so far; None while the recogniser has not answered. An empty text is an
            answer: sounds without words are no interruption, however long.
        speech_ms: voiced milliseconds of the utterance.
        agent_asked: the reply that is playing, or the last one, ends in a question (``asks``). Then a
            backchannel is an answer, and one word of anything else is enough.
        finished: the caller has fallen silent again: one word that is no backchannel ("no", "Monday")
            was then all they had to say.
        being_said: what the agent has just been saying, around the playhead. Only for sessions that
            have echo: a caller who repeats the agent's words is not heard then.
    """
    if text is None:
        return Verdict.SPEECH if speech_ms >= SPEECH_MS else Verdict.NOTHING
    heard = words(text, pack.code)
    if not heard:
        return Verdict.NOTHING
    if len(heard) > _LONGEST_HEARD:
        heard = heard[: _LONGEST_HEARD // 2] + heard[-_LONGEST_HEARD // 2 :]
    lists = _lists(pack)
    said = words(being_said, pack.code)[-_LONGEST_SAID:]
    if any(not _echoed(phrase, said) for phrase in _stops(heard, lists)):
        return Verdict.STOP
    if _echoed(heard, said):
        return Verdict.ECHO
    if not finished and _begins(heard, lists.stops, lists):
        # "Ee" may be the beginning of "eegi".
        return Verdict.NOTHING
    if covered(len(heard), lambda i: _fitting(heard, i, lists.kindly, lists)):
        only_fillers = covered(len(heard), lambda i: _fitting(heard, i, lists.fillers, lists))
        if not only_fillers:
            return Verdict.SPEECH if agent_asked else Verdict.BACKCHANNEL
    if not agent_asked and not finished and _begins_kindly(heard, lists):
        return Verdict.PERHAPS
    content = _content(heard, lists)
    enough = 1 if agent_asked or finished else SPEECH_WORDS
    return Verdict.SPEECH if content >= enough or speech_ms >= SPEECH_MS else Verdict.NOTHING


def asks(text: str, pack: Pack) -> bool:
    """Whether the last sentence of what the agent says is a question, by its mark or its words."""
    last = next((each for each in reversed(sentences(text)) if words(each, pack.code)), "")
    tokens = words(last, pack.code)
    lists = _lists(pack)
    if last.rstrip(CLOSERS).endswith(QUESTION_MARKS):
        return True
    if contains(tokens, lists.quoting):
        return False
    return (
        begins(tokens, lists.question_openers)
        or contains(tokens, lists.question_words)
        or any(tokens[-len(each) :] == each for each in lists.question_endings)
    )


# ---------------------------------------------------------------- inside


@dataclass(frozen=True, eq=False, slots=True)
class _Lists:
    """``kindly``: backchannels and fillers. ``known``: words that are themselves, not a slip of another."""

    stops: tuple[Words, ...]
    kindly: tuple[Words, ...]
    fillers: tuple[Words, ...]
    known: frozenset[str]
    harmless: tuple[Words, ...]
    question_openers: tuple[Words, ...]
    question_words: tuple[Words, ...]
    question_endings: tuple[Words, ...]
    quoting: tuple[Words, ...]


@lru_cache(maxsize=16)
def _lists(pack: Pack) -> _Lists:
    def phrases(*lists: Iterable[str]) -> tuple[Words, ...]:
        return tuple(found for each in lists for entry in each if (found := words(entry, pack.code)))

    turns = pack.turns
    lookalikes = phrases(turns.lookalikes)
    everything = phrases(
        *pack.phrases.values(),
        *pack.slots.values(),
        pack.says.values(),
        pack.stop_words,
        pack.backchannels,
        turns.complete_alone,
        turns.complete_words,
        turns.incomplete_words,
        turns.stranded_words,
        turns.question_openers,
        turns.question_words,
        turns.lookalikes,
        pack.calendar.weekdays,
        pack.calendar.months,
        pack.numbers.small,
        pack.numbers.tens,
        pack.numbers.also,
    )
    fillers = phrases(turns.fillers)
    return _Lists(
        stops=phrases(pack.stop_words),
        kindly=phrases(pack.backchannels) + fillers,
        fillers=fillers,
        known=frozenset(word for phrase in everything for word in phrase),
        harmless=tuple(phrase for phrase in lookalikes if len(phrase) > 1),
        question_openers=phrases(turns.question_openers),
        question_words=phrases(turns.question_words),
        question_endings=phrases(turns.question_endings),
        quoting=phrases(turns.quoting),
    )


def _same(heard: str, listed: str, lists: _Lists) -> bool:
    """Edit distance 1 from four letters on; "want" is not a slip of "wait", because it is a word."""
    return heard == listed or (heard not in lists.known and similar(heard, listed))


def _fitting(heard: Words, i: int, phrases: Iterable[Words], lists: _Lists) -> Iterable[int]:
    """Lengths of the phrases that the words from i on begin with."""
    for phrase in phrases:
        if i + len(phrase) <= len(heard) and all(
            _same(word, listed, lists) for word, listed in zip(heard[i:], phrase, strict=False)
        ):
            yield len(phrase)


def _stops(heard: Words, lists: _Lists) -> list[Words]:
    """The stop words that count: the utterance's first or last words, not within "don't stop"."""
    excused: set[int] = set()
    for i in range(len(heard)):
        for size in _fitting(heard, i, lists.harmless, lists):
            excused.update(range(i, i + size))
    return [
        phrase
        for phrase in lists.stops
        for i in (0, len(heard) - len(phrase))
        if i >= 0 and i not in excused and len(phrase) in _fitting(heard, i, (phrase,), lists)
    ]


def _begins_kindly(heard: Words, lists: _Lists) -> bool:
    """Whether the words may become backchannels: "oka", "okay waa" of "okay waa yahay"."""

    def kindly_before(end: int) -> bool:
        return covered(end, lambda i: _fitting(heard[:end], i, lists.kindly, lists))

    return any(
        _begins(heard[i:], lists.kindly, lists, least=1 if i else _BEGINNING) and kindly_before(i)
        for i in range(len(heard))
    )


def _begins(heard: Words, phrases: Iterable[Words], lists: _Lists, *, least: int = _BEGINNING) -> bool:
    """Whether one of the phrases begins so, and goes on; ``least``: letters that tell."""
    last = len(heard) - 1
    return sum(map(len, heard)) >= least and any(
        last < len(phrase)
        and heard != phrase
        and all(_same(word, listed, lists) for word, listed in zip(heard[:-1], phrase, strict=False))
        and _starts(heard[last], phrase[last])
        for phrase in phrases
    )


def _starts(heard: str, listed: str) -> bool:
    """Whether a word begins so; of four letters and more one may be wrong."""
    return listed.startswith(heard) or (len(heard) < len(listed) and similar(heard, listed[: len(heard)]))


def _content(heard: Words, lists: _Lists) -> int:
    """How many words are not fillers."""
    count, i = 0, 0
    while i < len(heard):
        size = max(_fitting(heard, i, lists.fillers, lists), default=0)
        count += 0 if size else 1
        i += size or 1
    return count


def _echoed(heard: Words, said: Words) -> bool:
    """Whether the words occur, fuzzily, in order and close together, in what is being said."""
    if not said:
        return False
    needed = len(heard) if len(heard) < _ECHO_ALL_BELOW else ceil(len(heard) * _ECHO_SHARE)
    places = {word: [i for i, other in enumerate(said) if similar(word, other)] for word in set(heard)}
    if sum(bool(places[word]) for word in heard) < needed:
        return False
    may_miss = len(heard) - needed
    starts = {place for word in heard[: may_miss + 1] for place in places[word]}
    return any(_follow(heard, places, start) >= needed for start in starts)


def _follow(heard: Words, places: dict[str, list[int]], start: int) -> int:
    """How many of the words are met on the way from ``start``, skipping little."""
    at, matched = start - 1, 0
    for word in heard:
        reach = at + 1 + _ECHO_SKIPS if matched else start
        step = next((place for place in places[word] if at < place <= reach), None)
        if step is not None:
            at, matched = step, matched + 1
    return matched
