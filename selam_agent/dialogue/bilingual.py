"""What a model wrote in its own language, found again by what the caller heard in theirs."""

from __future__ import annotations

from collections import OrderedDict

MAX_PAIRS = 400


class Bilingual:
    """Pairs of a text that was said and the same in the model's language; the oldest go first."""

    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        self._max = max_pairs
        self._pairs: OrderedDict[str, str] = OrderedDict()

    def remember(self, said: str, meant: str) -> None:
        """``said`` in the conversation's language is ``meant`` in the model's."""
        said = _plain(said)
        if not said:
            return
        self._pairs[said] = meant.strip()
        self._pairs.move_to_end(said)
        while len(self._pairs) > self._max:
            self._pairs.popitem(last=False)

    def meaning(self, heard: str) -> str | None:
        """The model's words for what was heard; None when a part of it is unknown.

        The last sentence may have been cut: its words in the model's language are cut at the same share.
        """
        rest = _plain(heard)
        found: list[str] = []
        while rest:
            known = max((said for said in self._pairs if _begins(rest, said)), key=len, default=None)
            if known is not None:
                found.append(self._pairs[known])
                rest = rest[len(known) :].lstrip()
                continue
            whole = next((said for said in reversed(self._pairs) if said.startswith(rest)), None)
            if whole is None:
                return None
            words = self._pairs[whole].split()
            found.append(" ".join(words[: round(len(words) * len(rest) / len(whole))]))
            rest = ""
        return " ".join(each for each in found if each)


def _begins(text: str, start: str) -> bool:
    """Whether the text begins with these words, not in the middle of one."""
    return text.startswith(start) and (len(text) == len(start) or text[len(start)] == " ")


def _plain(text: str) -> str:
    return " ".join(text.split())
