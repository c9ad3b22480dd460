"""One translation: what is hidden from the translator, what comes back, what is not asked at all."""

from __future__ import annotations

import pytest

from selam_agent.session.translating import Translated, Translating
from tests.fakes import FakeTranslator
from tests.session.calls import PACKS
from tests.virtual_clock import run

SCRIPT = {
    "ነገ ጠዋት <x1/> ሰዓት ይምጡ።": "Come tomorrow morning at <x1/>.",
    "ጽባሕ ንግሆ ሰዓት <x1/> ንዑ።": "Come tomorrow morning at <x1/>.",
    "Axad kaalay, <x1/>.": "Come on Sunday, <x1/>.",
}


@pytest.mark.parametrize(
    ("text", "source", "locale", "made"),
    [
        ("ነገ ጠዋት ሦስት ሰዓት ይምጡ።", "am", "", "Come tomorrow morning at 9."),
        ("ጽባሕ ንግሆ ሰዓት ሰለስተ ንዑ።", "ti", "ti-ET", "Come tomorrow morning at 9."),
        ("ጽባሕ ንግሆ ሰዓት 3 ንዑ።", "ti", "ti-ER", "Come tomorrow morning at 3."),
        # A weekday has a capital letter and is no name.
        ("Axad kaalay, Xaawo.", "so", "", "Come on Sunday, Xaawo."),
    ],
)
def test_into_english(text: str, source: str, locale: str, made: str) -> None:
    translating = Translating(FakeTranslator(SCRIPT), PACKS, 5.0)
    translating.locale = locale
    assert run(translating.translate(text, source, "en")) == Translated(made, "en")


@pytest.mark.parametrize(
    ("text", "source", "target", "made"),
    [
        ("9:30.", "en", "am", "3:30."),
        ("+251 911 234567", "en", "am", "+251 911 234567"),
        ("ሰላም ነው።", "am", "am", "ሰላም ነው።"),
        ("  ", "en", "so", ""),
    ],
)
def test_what_needs_no_translator(text: str, source: str, target: str, made: str) -> None:
    translator = FakeTranslator({})
    assert run(Translating(translator, PACKS, 5.0).translate(text, source, target)) == Translated(
        made, target
    )
    assert not translator.requests
