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
    return _ETHIOPIC_PACE if any("\u1200" <= each <= "\u139f" for each in text) else _PACE


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

    def add(self, word: Word) -> None:
        at = self.text.find(word.text, self._cursor)
        if at < 0 or not word.text:
            return
        self._cursor = at + len(word.text)
        self.words.append((self._cursor, self.start_ms + word.start_ms, self.start_ms + word.end_ms))

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
        self._text_given = 0
        self._words_given = 0

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
        fragment = self._fragments[-1]
        fragment.text, fragment.end_ms = fragment.text[:length], end_ms
        fragment.words = [each for each in fragment.words if each[0] <= length]

    def end(self, end_ms: float) -> None:
        """The fragment begun last ends at ``end_ms`` of the reply."""
        self._fragments[-1].end_ms = end_ms

    def next_words(self, end_ms: float) -> tuple[Word, ...]:
        """The words that begin before ``end_ms`` and were not returned yet, in ms of the reply."""
        words = [
            Word(fragment.text[:end].rsplit(None, 1)[-1], round(start), round(stop))
            for fragment in self._fragments
            for end, start, stop in fragment.words
            if start < end_ms
        ]
        fresh = tuple(words[self._words_given :])
        self._words_given = max(self._words_given, len(words))
        return fresh

    def next_text(self, end_ms: float) -> str:
        """The text whose audio begins before ``end_ms`` and that was not returned yet.

        Concatenated it is the whole text. A word comes when its place is known, which may be a
        moment after its audio has begun.
        """
        text = self._upto(end_ms)
        fresh = text[self._text_given :]
        self._text_given = max(self._text_given, len(text))
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

    def _upto(self, ms: float) -> str:
        text = ""
        for fragment in self._fragments:
            if fragment.start_ms >= ms:
                break
            # Chunks are whole samples: the last one may end a moment before the fragment.
            if fragment.end_ms is not None and ms >= fragment.end_ms - 1:
                text += fragment.text
                continue
            begun = [end for end, start, _ in fragment.words if start < ms]
            if begun:
                text += fragment.text[: begun[-1]]
            elif fragment.end_ms is not None or fragment.streamed:
                text += fragment.heard(ms)
            break
        return text
