from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from selam_agent.errors import SettingsError
from selam_agent.languages.packs import load
from selam_agent.languages.preamble import preamble
from selam_agent.settings_file import load as load_settings

PACKS = load()
NOW = datetime(2026, 11, 20, 9, tzinfo=ZoneInfo("Africa/Addis_Ababa"))


@pytest.mark.parametrize("code", PACKS.languages)
def test_every_language_has_its_own(code: str) -> None:
    pack = PACKS[code]
    text = preamble(pack, NOW)
    assert f"Answer in {pack.name}" in text and "at most two short sentences" in text and "no lists" in text
    assert "names" in text and "2026-11-20 09:00+03:00" in text and "{" not in text
    assert pack.name in pack.strict and pack.says["wrong_language"]


@pytest.mark.parametrize(
    ("code", "said"),
    [("am", "ከጠዋቱ 3 ሰዓት"), ("ti", "ንግሆ ሰዓት 3"), ("om", "ganama sa'aatii 3"), ("so", ""), ("en", "")],
)
def test_both_clocks_where_the_region_has_them(code: str, said: str) -> None:
    text = preamble(PACKS[code], NOW).splitlines()[-1]
    assert said in text and ("people say" in text) is bool(said)


def test_the_callers_clock_in_another_language() -> None:
    assert "ከጠዋቱ 3 ሰዓት" in preamble(PACKS["en"], NOW, region=PACKS["am"])


def test_a_template_of_ones_own() -> None:
    assert preamble(PACKS["so"], NOW, template="{language}; {now}") == "Somali; Friday 2026-11-20 09:00+03:00"
    with pytest.raises(SettingsError, match=r"llm\.preamble: .*may only use \{language\} and \{now\}"):
        load_settings(environ={}, llm__preamble="Hello {name}")
