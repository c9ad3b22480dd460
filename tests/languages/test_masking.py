import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.languages.masking import mask, restore


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Call +251911234567 at 9:30, please.", "Call <x1/> at <x2/>, please."),
        ("It costs 1,250.50 birr.", "It costs <x1/> birr."),
        ("On 20/11/2026 or 2026-11-20.", "On <x1/> or <x2/>."),
        ("ስልኬ 0911 ነው፤ ፲፱፻ ብር።", "ስልኬ <x1/> ነው፤ <x2/> ብር።"),
        ("Write to hana@clinic.example or https://clinic.example/a?b=1.", "Write to <x1/> or <x2/>."),
        ("Say {examples} and %s and %(name)s.", "Say <x1/> and <x2/> and <x3/>."),
        ("My name is Hana Bekele.", "My name is <x1/> <x2/>."),
        ("Ask Dr. Hana tomorrow.", "Ask Dr. <x1/> tomorrow."),
        ("Hana is ill. Please help Hana.", "<x1/> is ill. Please help <x2/>."),
        ("Is the clinic open on Sunday? I think so.", "Is the clinic open on Sunday? I think so."),
        ("Magacaygu waa Xaawo.", "Magacaygu waa <x1/>."),
        ("The 3rd of May", "The 3rd of May"),
        ("Room B12", "Room <x1/>"),
        ("a < b, and <x1/> too", "a < b, and <x1/> too"),
        ("", ""),
    ],
)
def test_table(text: str, masked: str) -> None:
    made = mask(text, ordinary={"Axad"})
    assert made.text == masked
    assert restore(made.text, made.hidden) == text


def test_ordinary_words_of_a_pack_are_translated() -> None:
    assert mask("Kaalay maalinta Axad.", ordinary={"Axad"}).hidden == ()
    assert mask("Kaalay maalinta Axad.").hidden == ("Axad",)


@pytest.mark.parametrize("words", ["", "Call", "ስልኬ ነው"])
def test_what_is_left_to_translate(words: str) -> None:
    assert mask(f"{words} 0911").words == words


@pytest.mark.parametrize(
    ("translated", "expected"),
    [
        ("<x2/> እና <x1/>", "9 እና Hana"),
        ("< X1 > <x2>", "Hana 9"),
        ("<x1/>", None),
        ("<x1/> <x1/> <x2/>", None),
        ("<x1/> <x2/> <x3/>", None),
        ("Hana 9", None),
    ],
)
def test_all_must_come_back(translated: str, expected: str | None) -> None:
    assert restore(translated, ("Hana", "9")) == expected


@given(st.text())
def test_masking_loses_nothing(text: str) -> None:
    made = mask(text)
    assert restore(made.text, made.hidden) == text
