"""The demo says only what the built-in recogniser can know, and knows what must come out."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from selam_agent.programs.story import AMHARIC, STORIES, Story, same_words

VOICES = Path(__file__).parents[2] / "voices"


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_every_line_is_made_of_phrases_of_the_pack(story: Story) -> None:
    pack = tomllib.loads((VOICES / f"{story.language}.toml").read_text(encoding="utf-8"))
    known = {
        phrase for table in ("phrases", "slots") for phrases in pack[table].values() for phrase in phrases
    }
    for line in story.lines:
        parts = [line.text] if line.text in known else re.findall(r"[^።.?]+[።.?]", line.text)
        assert parts and all(part.strip() in known for part in parts), line.text


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_the_caller_is_not_the_agent(story: Story) -> None:
    pack = tomllib.loads((VOICES / f"{story.language}.toml").read_text(encoding="utf-8"))
    voices = {voice["name"]: [engine["voice"] for engine in voice["engines"]] for voice in pack["voices"]}
    assert story.voice in voices
    assert all(story.caller not in engines for engines in voices.values())


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        # A Friday, a Sunday evening that is Monday in Addis Ababa, a Monday, a Tuesday.
        ("2026-11-20T12:00", ("2026-11-23T09:00+03:00",)),
        ("2026-11-22T22:00", ("2026-11-23T09:00+03:00", "2026-11-30T09:00+03:00")),
        ("2026-11-23T12:00", ("2026-11-23T09:00+03:00", "2026-11-30T09:00+03:00")),
        ("2026-12-29T12:00", ("2027-01-04T09:00+03:00",)),
    ],
)
def test_next_monday(now: str, accepted: tuple[str, ...]) -> None:
    assert AMHARIC.accepted(datetime.fromisoformat(now).replace(tzinfo=UTC)) == accepted


def test_words_are_compared_without_punctuation() -> None:
    assert same_words("አይ። ሰኞ።", "አይ ሰኞ")
    assert same_words("Three o'clock.", "three o'clock")
    assert not same_words("ሰኞ።", "ማክሰኞ።")
    assert not same_words("Yes.", "")
