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
    ``language`` and ``caller``: where they are not the story's. ``answer``: what must be said to it.
    """

    text: str
    gloss: str = ""
    cut_in_ms: float | None = None
    goes_on: bool = False
    sound: str | None = None
    language: str = ""
    caller: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """One call.

    ``weekday`` (0 = Monday) and ``time`` in ``timezone`` are what must be booked; None: nothing.
    ``detect``: the session is not told the language, which is then only the first line's.
    ``between``: no assistant; what is said in one of the two languages is said again in the other.
    """

    language: str
    title: str
    voice: str
    caller: str
    greeting: str
    lines: tuple[StoryLine, ...]
    weekday: int | None = None
    time: str = ""
    timezone: str = "Africa/Addis_Ababa"
    pitch: int = 45
    name: str = ""
    detect: bool = False
    between: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What its files are called."""
        return self.name or self.language

    def spoken(self, line: StoryLine) -> str:
        """The language of a line."""
        return line.language or self.language

    def accepted(self, now: datetime) -> tuple[str, ...]:
        """The results that are right at ``now``: the weekday within the next seven days.

        On that very weekday, the same day and the one a week later are both a fair reading.
        """
        if self.weekday is None:
            return ()
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
        StoryLine("Jooji. Isniin.", "Stop. Monday.", cut_in_ms=1500),
        StoryLine("Haa.", "Yes."),
    ),
    weekday=0,
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
        StoryLine("Wait. Friday.", cut_in_ms=1500),
        StoryLine("Yes."),
    ),
    weekday=4,
    time="11:00",
)

OROMO = Story(
    language="om",
    title="Afaan Oromo",
    voice="ibsaa",
    caller="om+f4",
    pitch=55,
    greeting="Nagaa. Maal isin gargaaru?",
    lines=(
        StoryLine("Doktara arguu nan barbaada.", "I want to see a doctor."),
        StoryLine("Kamisa.", "Thursday."),
        StoryLine("Sa'aatii afur.", "Four o'clock (ten in the morning by the international clock)."),
        StoryLine("Eegi. Roobii.", "Wait. Wednesday.", cut_in_ms=1500),
        StoryLine("Eeyyee.", "Yes."),
    ),
    weekday=2,
    time="10:00",
)

TIGRINYA = Story(
    language="ti",
    title="Tigrinya",
    voice="sami",
    caller="ti+f4",
    pitch=55,
    greeting="ሰላም። እንታይ ክሕግዘኩም?",
    lines=(
        StoryLine("ቆጸራ ክሕዝ እደሊ።", "I want to book an appointment."),
        StoryLine("ሰሉስ።", "Tuesday."),
        StoryLine("ሰዓት ሓሙሽተ።", "Five o'clock (eleven in the morning by the international clock)."),
        StoryLine("ጽናሕ። ሓሙስ።", "Wait. Thursday.", cut_in_ms=1500),
        StoryLine("እወ።", "Yes."),
    ),
    weekday=3,
    time="11:00",
)

# The caller goes over to English in the middle of the booking, and the agent with them.
SWITCHING = Story(
    name="am-en",
    language="am",
    title="Amharic, then English",
    voice="mekdes",
    caller="am+m1",
    greeting="ሰላም፣ ምን ልርዳዎት?",
    detect=True,
    lines=(
        StoryLine("ቀጠሮ መያዝ እፈልጋለሁ።", "I want to book an appointment."),
        StoryLine("ማክሰኞ።", "Tuesday."),
        StoryLine("Three o'clock.", language="en", caller="en-us+m1"),
        StoryLine("Yes.", language="en", caller="en-us+m1"),
    ),
    weekday=1,
    time="15:00",
)

# Nobody books anything: a patient and a clinic, and the agent between them.
INTERPRETED = Story(
    name="so-en",
    language="so",
    title="Somali and English, interpreted",
    voice="ubax",
    caller="so+m1",
    greeting="",
    detect=True,
    between=("so", "en"),
    lines=(
        StoryLine("Waxaan rabaa dhakhtar.", "I want to see a doctor.", answer="I want to see a doctor."),
        StoryLine("Monday.", language="en", caller="en-us+f4", answer="Isniin."),
        StoryLine("Mahadsanid.", "Thank you.", answer="Thank you."),
        StoryLine("Goodbye.", language="en", caller="en-us+f4", answer="Nabad gelyo."),
    ),
)

STORIES = {story.language: story for story in (AMHARIC, SOMALI, ENGLISH, OROMO, TIGRINYA)}
QUICK = ("am", "so", "en")
"""What ``make demo`` tells: within a minute and a half."""


def same_words(one: str, other: str) -> bool:
    """Whether two texts have the same words; case, punctuation and spacing do not count."""
    return _words(one) == _words(other)


def _words(text: str) -> list[str]:
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c == "'" else " " for c in text)
    return unicodedata.normalize("NFC", kept).casefold().split()
