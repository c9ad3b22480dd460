from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.dialogue.sentences import FLUSH_CHARACTERS, Fragmenter


def fragments(*pieces: str) -> list[str]:
    fragmenter = Fragmenter()
    done = [fragment for piece in pieces for fragment in fragmenter.push(piece)]
    return done + fragmenter.finish()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.", ["Hello."]),
        # The first may end at a clause mark from 12 letters on, later ones only at a sentence's end.
        (
            "Of course, I can do that, and very gladly so, on any day. "
            "Which day shall it be, please? Thanks.",
            [
                "Of course, I can do that, ",
                "and very gladly so, on any day. ",
                "Which day shall it be, please? ",
                "Thanks.",
            ],
        ),
        ("ቀጠሮዎን መያዝ እችላለሁ፣ ለየትኛው ቀን?", ["ቀጠሮዎን መያዝ እችላለሁ፣ ", "ለየትኛው ቀን?"]),
        ("ጥሩ ነው፡፡ ቀጠሮዎ ተይዟል፡፡ እናመሰግናለን።", ["ጥሩ ነው፡፡ ቀጠሮዎ ተይዟል፡፡ ", "እናመሰግናለን።"]),
        ("It costs 1,000.50 birr at 9:00 today", ["It costs 1,000.50 birr at 9:00 today"]),
        ("You will see Dr. Abebe on Monday. Good?", ["You will see Dr. Abebe on Monday. ", "Good?"]),
        ("Write to us at selam.example today. Bye", ["Write to us at selam.example today. ", "Bye"]),
        ('She said "come in the morning." Then left', ['She said "come in the morning." ', "Then left"]),
        ("   ", []),
    ],
)
def test_cuts(text: str, expected: list[str]) -> None:
    assert fragments(text) == expected
    assert fragments(*text) == expected, "the same when it comes letter by letter"


def test_text_without_marks_is_flushed_between_words() -> None:
    first, *_ = fragments("word " * 100)
    assert len(first) <= FLUSH_CHARACTERS
    assert first.endswith(" ")


@given(st.lists(st.text(alphabet="ab ስ።፡.,?!1 \n", max_size=40), max_size=12))
def test_nothing_is_lost_or_changed(pieces: list[str]) -> None:
    text = "".join(pieces)
    joined = "".join(fragments(*pieces))
    assert text.startswith(joined)
    assert not text[len(joined) :].strip()
