"""The demo's conversations and what must come out of them.

The caller's lines are word for word phrases of ``voices/*.toml``: the built-in recogniser knows no
others. ``tests/programs/test_story.py`` holds this file to them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class StoryLine:
    """``gloss``: the line in English. The cues: see :class:`selam_agent.programs.caller.Say`.

    ``sound``: of ``caller_voice.SOUNDS``, instead of words; ``text`` is then only its name.
    """

    text: str
    gloss: str = ""
    cut_in_ms: float | None = None
    goes_on: bool = False
    sound: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One call. ``weekday`` (0 = Monday) and ``time`` with its offset are what must be booked."""

    language: str
    title: str
    voice: str
    caller: str
    greeting: str
    lines: tuple[StoryLine, ...]
    weekday: int
    time: str
    timezone: str
    pitch: int = 45

    def accepted(self, now: datetime) -> tuple[str, ...]:
        """The results that are right at ``now``: the weekday within the next seven days.

        On that very weekday, the same day and the one a week later are both a fair reading.
        """
        today = now.astimezone(ZoneInfo(self.timezone)).date()
        ahead = (self.weekday - today.weekday()) % 7
        days = [today + timedelta(days=ahead)] + ([today + timedelta(days=7)] if ahead == 0 else [])
        return tuple(self._at(day) for day in days)

    def _at(self, day: date) -> str:
        moment = datetime.fromisoformat(f"{day.isoformat()}T{self.time}").replace(
            tzinfo=ZoneInfo(self.timezone)
        )
        return moment.isoformat(timespec="minutes")


AMHARIC = Story(
    language="am",
    title="Amharic",
    voice="mekdes",
    caller="am+m1",
    greeting="ሰላም፣ ምን ልርዳዎት?",
    lines=(
        StoryLine("ቀጠሮ መያዝ እፈልጋለሁ።", "I want to book an appointment."),
        StoryLine("ማክሰኞ።", "Tuesday."),
        StoryLine("ሦስት ሰዓት።", "Three o'clock (nine in the morning by the international clock)."),
        # Over the confirmation: a sign of listening, a cough, and then a word that is meant.
        # The cough comes so late that it is heard as a sound of its own, not as the end of the word.
        StoryLine("እሺ።", "Okay.", cut_in_ms=650, goes_on=True),
        StoryLine("cough", cut_in_ms=1100, goes_on=True, sound="cough"),
        StoryLine("ቆይ። ሰኞ።", "Wait. Monday.", cut_in_ms=1500),
        StoryLine("አዎ።", "Yes."),
    ),
    weekday=0,
    time="09:00",
    timezone="Africa/Addis_Ababa",
)

SOMALI = Story(
    language="so",
    title="Somali",
    voice="ubax",
    caller="so+m1",
    greeting="Salaan, sideen kuu caawin karaa?",
    lines=(
        StoryLine("Waxaan rabaa dhakhtar.", "I want to see a doctor."),
        StoryLine("Arbaco.", "Wednesday."),
        StoryLine("Tobanka.", "Ten o'clock."),
        StoryLine("Haa.", "Yes."),
    ),
    weekday=2,
    time="10:00",
    timezone="Africa/Mogadishu",
)

ENGLISH = Story(
    language="en",
    title="English",
    voice="aria",
    caller="en-us+m1",
    greeting="Hello, how can I help?",
    lines=(
        StoryLine("I want to see a doctor."),
        StoryLine("Thursday."),
        StoryLine("Eleven o'clock."),
        StoryLine("Yes."),
    ),
    weekday=3,
    time="11:00",
    timezone="Africa/Addis_Ababa",
)

STORIES = {story.language: story for story in (AMHARIC, SOMALI, ENGLISH)}


def same_words(one: str, other: str) -> bool:
    """Whether two texts have the same words; case, punctuation and spacing do not count."""
    return _words(one) == _words(other)


def _words(text: str) -> list[str]:
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c == "'" else " " for c in text)
    return unicodedata.normalize("NFC", kept).casefold().split()
