"""What has the caller heard? Words with their places in the reply's audio, against the playhead.

A word counts as heard when its middle has been played. A fragment whose engine gives no word times
is spread by characters over its duration, as vocode does; that is right to a word or so. While that
is not known, people's usual pace stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from selam_agent.ports import Word

# Characters per ms of unhurried speech; an Ethiopic letter is a syllable.
_PACE, _ETHIOPIC_PACE = 0.015, 0.008


def usual_pace(text: str) -> float:
    """How many characters of this text are spoken in a ms, usually. An estimate for want of word times."""
    if not text.isascii() and any("\u1200" <= each <= "\u139f" for each in text):
        return _ETHIOPIC_PACE
    return _PACE


@dataclass(slots=True)
class _Fragment:
    text: str
    start_ms: float
    end_ms: float | None = None
    # (index after the word in ``text``, start, end) in reply time, in order of the text.
    words: list[tuple[int, float, float]] = field(default_factory=list)
    # Its text grows with its audio: where it is must be estimated.
    streamed: bool = False
    _cursor: int = 0
    # How many of its words were found to have begun.
    _begun: int = 0

    def add(self, word: Word) -> None:
        at = self.text.find(word.text, self._cursor)
        if at < 0 or not word.text:
            return
        self._cursor = at + len(word.text)
        self.words.append((self._cursor, self.start_ms + word.start_ms, self.start_ms + word.end_ms))

    def cut(self, length: int, end_ms: float) -> None:
        self.text, self.end_ms = self.text[:length], end_ms
        self.words = [each for each in self.words if each[0] <= length]
        self._begun = min(self._begun, len(self.words))

    def over(self, ms: float) -> bool:
        # Chunks are whole samples: the last one may end a moment before the fragment.
        return self.end_ms is not None and ms >= self.end_ms - 1

    def begun(self, ms: float) -> int:
        """How much of the text has begun before ``ms``, or before an earlier ``ms``, in characters."""
        if self.over(ms):
            return len(self.text)
        words = self.words
        while self._begun < len(words) and words[self._begun][1] < ms:
            self._begun += 1
        if self._begun:
            return words[self._begun - 1][0]
        return len(self.heard(ms)) if self.end_ms is not None or self.streamed else 0

    def heard(self, played_ms: float) -> str:
        if self.end_ms is not None and played_ms >= self.end_ms:
            return self.text
        if self.words:
            ends = [end for end, start, stop in self.words if (start + stop) / 2 <= played_ms]
            return self.text[: ends[-1]] if ends else ""
        played = max(0.0, played_ms - self.start_ms)
        if self.end_ms is None:
            cut = int(played * usual_pace(self.text))
        elif self.end_ms <= self.start_ms:
            return ""
        else:
            cut = int(len(self.text) * min(1.0, played / (self.end_ms - self.start_ms)))
        return self.text[:cut].rpartition(" ")[0]


class SpokenText:
    """The text of one reply, laid out along its audio."""

    def __init__(self) -> None:
        self._fragments: list[_Fragment] = []
        # What ``next_text`` and ``next_words`` have returned: all of the fragments before this one, and so
        # many characters or words of it. Where a fragment was cut it may be more than that has.
        self._text_at, self._text_given = 0, 0
        self._words_at, self._words_given = 0, 0

    def begin(self, text: str, start_ms: float) -> None:
        """A fragment's audio begins at ``start_ms`` of the reply."""
        self._fragments.append(_Fragment(text, start_ms))

    def words(self, words: Sequence[Word]) -> None:
        """Words of the fragment begun last, in ms from its beginning."""
        for word in words:
            self._fragments[-1].add(word)

    def extend(self, text: str) -> None:
        """More text of the fragment begun last, which is being spoken as it is made."""
        self._fragments[-1].text += text
        self._fragments[-1].streamed = True

    def cut(self, length: int, end_ms: float) -> None:
        """The fragment begun last ends here, after ``length`` of its characters."""
        self._fragments[-1].cut(length, end_ms)

    def end(self, end_ms: float) -> None:
        """The fragment begun last ends at ``end_ms`` of the reply."""
        self._fragments[-1].end_ms = end_ms

    def next_words(self, end_ms: float) -> tuple[Word, ...]:
        """The words that begin before ``end_ms`` and were not returned yet, in ms of the reply."""
        fresh: list[Word] = []
        while self._words_at < len(self._fragments):
            fragment = self._fragments[self._words_at]
            words = fragment.words
            while self._words_given < len(words) and words[self._words_given][1] < end_ms:
                end, start, stop = words[self._words_given]
                word = fragment.text[:end].rsplit(None, 1)[-1]
                fresh.append(Word(word, round(start), round(stop)))
                self._words_given += 1
            # The last fragment may get more words.
            if self._words_given < len(words) or self._words_at + 1 == len(self._fragments):
                break
            self._words_at += 1
            self._words_given -= len(words)
        return tuple(fresh)

    def next_text(self, end_ms: float) -> str:
        """The text whose audio begins before ``end_ms`` and that was not returned yet.

        Concatenated it is the whole text. A word comes when its place is known, which may be a
        moment after its audio has begun.
        """
        fresh = ""
        while self._text_at < len(self._fragments):
            fragment = self._fragments[self._text_at]
            if fragment.start_ms >= end_ms:
                break
            begun = fragment.begun(end_ms)
            if begun > self._text_given:
                fresh += fragment.text[self._text_given : begun]
                self._text_given = begun
            # The last fragment may be cut, or get more text.
            if not fragment.over(end_ms) or self._text_at + 1 == len(self._fragments):
                break
            self._text_at += 1
            self._text_given -= len(fragment.text)
        return fresh

    def phrase_start(self, played_ms: float) -> float:
        """Where the phrase begins that is being played, in ms of the reply."""
        starts = [each.start_ms for each in self._fragments if each.start_ms < played_ms]
        return max(0.0, starts[-1]) if starts else 0.0

    def heard(self, played_ms: float) -> str:
        """The text heard when ``played_ms`` of the reply have been played, without trailing space."""
        text = ""
        for fragment in self._fragments:
            piece = fragment.heard(played_ms)
            text += piece
            if piece != fragment.text:
                break
        return text.rstrip()
