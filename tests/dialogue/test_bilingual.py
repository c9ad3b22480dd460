import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.dialogue.bilingual import Bilingual

PAIRS = {
    "ሰላም ነው።": "Hello.",
    "ነገ ጠዋት ይምጡ።": "Please come tomorrow morning.",
    "ካርድዎን ይዘው ይምጡ።": "Bring your card with you, please.",
}


def memory() -> Bilingual:
    made = Bilingual()
    for said, meant in PAIRS.items():
        made.remember(said, meant)
    return made


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("ሰላም ነው።", "Hello."),
        ("ሰላም ነው።  ነገ ጠዋት ይምጡ። ", "Hello. Please come tomorrow morning."),
        # Cut in the middle of the second sentence.
        ("ሰላም ነው። ነገ ጠዋት", "Hello. Please come"),
        ("ነገ", "Please"),
        ("ሰላም ነው። ሌላ", None),
        ("ሌላ", None),
        ("", ""),
    ],
)
def test_table(heard: str, meant: str | None) -> None:
    assert memory().meaning(heard) == meant


def test_the_longest_known_text_counts_and_not_half_a_word() -> None:
    made = Bilingual()
    made.remember("haa", "yes")
    made.remember("haa haa", "yes, yes")
    assert made.meaning("haa haa haa") == "yes, yes yes"
    assert made.meaning("haan") is None


def test_the_oldest_go_first() -> None:
    made = Bilingual(max_pairs=2)
    for number in range(3):
        made.remember(f"w{number}.", f"m{number}.")
    assert made.meaning("w0.") is None and made.meaning("w1. w2.") == "m1. m2."


@given(st.lists(st.tuples(st.text(), st.text())), st.text())
def test_never_raises(pairs: list[tuple[str, str]], heard: str) -> None:
    made = Bilingual()
    for said, meant in pairs:
        made.remember(said, meant)
    made.meaning(heard)
