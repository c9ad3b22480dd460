"""What a caller meant: intents and values in an utterance, without any randomness.

Each sentence is read from left to right, always for the longest phrase that fits, exactly or with one
letter wrong per word, and for values. What remains is compared with the examples by its telling words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from selam_agent.engines.flow_format import Flow, Intent
from selam_agent.engines.flow_slots import Collector, Label, Mentions, slot_phrases
from selam_agent.languages.normalise import sentences, similar, words
from selam_agent.languages.pack import Pack

Tokens = tuple[str, ...]

# Share of an example's telling words that must occur. "I want to see my mother" shares 0.53 of
# "I want to see a doctor", "I'd like to book an appointment" 0.82 of "I want to book an appointment".
_OVERLAP = 0.6
_LONGEST = 60  # words; what follows in so long a sentence is no command


@dataclass(frozen=True, slots=True)
class Understanding:
    """``pack``: the language it was understood in."""

    pack: Pack
    intents: tuple[Intent, ...] = ()
    mentions: Mentions = field(default_factory=Mentions)

    def __bool__(self) -> bool:
        return bool(self.intents or self.mentions)


class Matcher:
    """Knows everything that can be said to one flow in one language."""

    def __init__(self, flow: Flow, pack: Pack) -> None:
        self.pack = pack
        self._intents = {intent.name: intent for intent in flow.intents}
        self._phrases: dict[Tokens, Label] = {}
        examples: list[tuple[Tokens, str]] = []
        for intent in flow.intents:
            for example in intent.examples.get(pack.code, ()):
                tokens = words(example, pack.code)
                if tokens:
                    self._phrases.setdefault(tokens, ("intent", intent.name))
                    examples.append((tokens, intent.name))
        for task in flow.tasks.values():
            for slot in task.slots:
                for phrase in slot.names.get(pack.code, ()):
                    self._add(phrase, ("name", slot.name))
                for value, phrases in slot.choices.items():
                    for phrase in phrases.get(pack.code, ()):
                        self._add(phrase, ("choice", f"{slot.name}={value}"))
        for tokens, label in slot_phrases(pack).items():
            self._phrases.setdefault(tokens, label)
        self._by_length: dict[int, list[Tokens]] = {}
        for tokens in self._phrases:
            self._by_length.setdefault(len(tokens), []).append(tokens)
        numbers = (*pack.numbers.small, *pack.numbers.tens, *pack.numbers.tens_joined)
        self._known = {word for tokens in self._phrases for word in tokens}
        self._known.update(word for number in numbers for word in words(number, pack.code))
        self._near = lru_cache(maxsize=2048)(self._near_words)
        frequency = Counter(word for tokens, _ in examples for word in set(tokens))
        self._examples = [
            ({word: 1 / frequency[word] for word in tokens}, name)
            for tokens, name in examples
            if len(tokens) > 1
        ]

    def understand(self, text: str) -> Understanding:
        """Everything found in the text, in the order it was said. Never raises."""
        intents: list[Intent] = []
        mentions = Mentions()
        for sentence in sentences(text[: _LONGEST * 30]):
            tokens = words(sentence, self.pack.code)[:_LONGEST]
            if tokens:
                names, found = self._sentence(tokens)
                intents += [self._intents[name] for name in names]
                mentions = mentions.then(found)
        return Understanding(self.pack, tuple(dict.fromkeys(intents)), mentions)

    def says_exactly(self, text: str) -> bool:
        """Whether every sentence is a known phrase, letter for letter."""
        heard = [words(sentence, self.pack.code) for sentence in sentences(text)]
        return bool(heard) and all(tokens in self._phrases for tokens in heard)

    def _add(self, phrase: str, label: Label) -> None:
        tokens = words(phrase, self.pack.code)
        if tokens:
            self._phrases.setdefault(tokens, label)

    def _sentence(self, tokens: Tokens) -> tuple[list[str], Mentions]:
        collector = Collector(self.pack)
        intents: list[str] = []
        rest: list[str] = []
        at = 0
        while at < len(tokens):
            found = self._longest(tokens, at)
            if found is None:
                taken = collector.number(tokens[at:])
                if not taken:
                    rest.append(tokens[at])
                at += taken or 1
                continue
            length, (kind, value) = found
            if kind == "intent":
                intents.append(value)
            elif not collector.label((kind, value)):
                # "Thirty" was no part of a time; it may be a number.
                length = collector.number(tokens[at:]) or 1
            at += length
        close = self._overlap(tuple(rest)) if len(rest) > 1 else None
        if close and close not in intents:
            intents.append(close)
        return intents, collector.done()

    def _longest(self, tokens: Tokens, at: int) -> tuple[int, Label] | None:
        for length in sorted(self._by_length, reverse=True):
            piece = tokens[at : at + length]
            if len(piece) < length:
                continue
            label = self._phrases.get(piece) or self._fuzzy(piece)
            if label is None:
                continue
            # One word such as "no" or "help" is meant only at the edge of a sentence.
            inside = length == 1 and 0 < at < len(tokens) - 1
            if inside and label[0] in ("intent", "name"):
                continue
            return length, label
        return None

    def _fuzzy(self, piece: Tokens) -> Label | None:
        """The one phrase of this length whose words are all similar; known words must be equal."""
        if all(word in self._known or len(word) < 4 for word in piece):
            return None
        labels = set()
        for tokens in self._by_length.get(len(piece), ()):
            if all(
                heard == word or word in self._near(heard) for heard, word in zip(piece, tokens, strict=True)
            ):
                labels.add(self._phrases[tokens])
        return labels.pop() if len(labels) == 1 else None

    def _near_words(self, heard: str) -> frozenset[str]:
        """Words one letter away from an unknown one: "want" is known, so it is no slip of "wait"."""
        if heard in self._known:
            return frozenset()
        return frozenset(
            word for word in self._known if abs(len(word) - len(heard)) < 2 and similar(heard, word)
        )

    def _overlap(self, tokens: Tokens) -> str | None:
        heard = set(tokens).union(*(self._near(word) for word in tokens))
        best, second, name = 0.0, 0.0, None
        for weights, intent in self._examples:
            shared = [weight for word, weight in weights.items() if word in heard]
            score = sum(shared) / sum(weights.values()) if len(shared) > 1 else 0.0
            if score > best:
                second = best if intent != name else second
                best, name = score, intent
            elif intent != name:
                second = max(second, score)
        return name if best >= _OVERLAP and best > second else None
