"""What to say to a caller who was not understood, and when to say nothing."""

from __future__ import annotations

from collections.abc import Callable

from selam_agent import events
from selam_agent.session.pending import PendingTurn
from selam_agent.session.recognition import WORDLESS
from selam_agent.session.replies import Replies

# Voiced ms below which a rejected turn was a cough or a knock: longer for a sound in which the recogniser
# found no words at all. Coughs of half a second have up to 460 voiced ms, "yes" and "no" 240 to 500.
_NOISE_MS = 300
_WORDLESS_NOISE_MS = 500


class Misunderstood:
    """Asks to say it again; the second time in a row it says what the caller could say."""

    def __init__(self, replies: Replies, emit: Callable[[events.Event], None]) -> None:
        self._replies = replies
        self._emit = emit
        self._in_a_row = 0

    def forget(self) -> None:
        """The caller was understood."""
        self._in_a_row = 0

    def answer(self, turn: PendingTurn, reason: str) -> None:
        """``reason``: the transcript's ``rejected``. A sound without words is a notice and no more."""
        assert turn.commit is not None
        noise_ms = _WORDLESS_NOISE_MS if reason in WORDLESS else _NOISE_MS
        noise = turn.commit.voiced_ms < noise_ms
        self._emit(
            events.Notice(
                code="not_understood",
                message="A sound without words was ignored." if noise else "The caller was not understood.",
                details={"reason": reason, "turn_id": turn.turn, "ignored": noise},
            )
        )
        if noise or turn.muted:
            return
        self._in_a_row += 1
        pack = self._replies.speaker.pack
        phrases = self._replies.suggestions()
        if self._in_a_row < 2 or not phrases:
            self._replies.say(pack.says["say_again"], turn)
            return
        separator = "፣ " if pack.script == "Ethiopic" else ", "
        examples = separator.join(phrase.rstrip(".።?!") for phrase in phrases)
        self._replies.say(pack.says["can_say"].format(examples=examples), turn)
