"""Maps the words an engine spoke back to the words that are shown: "9:00" was "nine o'clock"."""

from __future__ import annotations

from collections.abc import Sequence

from selam_agent.languages.speakable import Speakable
from selam_agent.ports import Word


class WordMapper:
    """For one fragment; words come in the order in which they are spoken."""

    def __init__(self, display: str, speakable: Speakable) -> None:
        self._display = display
        self._speakable = speakable
        self._cursor = 0
        self._span = 0
        # The shown word being spoken: (index of its span, start ms, end ms).
        self._current: tuple[int, int, int] | None = None

    def push(self, words: Sequence[Word]) -> list[Word]:
        """Returns the shown words that are complete."""
        done: list[Word] = []
        for word in words:
            at = self._speakable.text.find(word.text, self._cursor)
            if at < 0 or not word.text:
                continue
            self._cursor = at + len(word.text)
            span = self._span_at(at)
            if span is None:
                continue
            if self._current is not None and self._current[0] == span:
                self._current = (span, self._current[1], word.end_ms)
            else:
                done += self.finish()
                self._current = (span, word.start_ms, word.end_ms)
        return done

    def finish(self) -> list[Word]:
        """Returns the last word."""
        if self._current is None:
            return []
        span, start, end = self._current
        self._current = None
        first, last, _, _ = self._speakable.spans[span]
        return [Word(self._display[first:last], start, end)]

    def _span_at(self, spoken: int) -> int | None:
        spans = self._speakable.spans
        while self._span < len(spans) and spans[self._span][3] <= spoken:
            self._span += 1
        if self._span < len(spans) and spans[self._span][2] <= spoken:
            return self._span
        return None
