"""The rule-based model as a whole: conversations as lists of messages."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_agent.engines.flow import FlowModel
from selam_agent.errors import EngineError, SettingsError
from selam_agent.languages.numbers import parse_number
from selam_agent.languages.packs import load
from selam_agent.ports import ChatItem, ChatModel, ChatRequest, Message, Result, Text

PACKS = load()
CLINIC = FlowModel("clinic_booking", PACKS)
TALK = FlowModel("small_talk", PACKS)
EAST = timezone(timedelta(hours=3))
NOW = datetime(2026, 11, 20, 11, 0, tzinfo=EAST)  # a Friday


def request(messages: Sequence[Message], language: str = "en", now: datetime = NOW) -> ChatRequest:
    return ChatRequest(messages=tuple(messages), language=language, now=now)


def run(model: FlowModel, messages: Sequence[Message], language: str, now: datetime = NOW) -> list[ChatItem]:
    """``reply`` never waits for anything, so it can be driven without an event loop."""
    items, stream = [], model.reply(request(messages, language, now))
    while True:
        try:
            stream.__anext__().send(None)
        except StopIteration as item:
            items.append(item.value)
        except StopAsyncIteration:
            return items


class Call:
    """A conversation that grows; the agent's words are heard whole unless cut."""

    def __init__(self, language: str, model: FlowModel = CLINIC, now: datetime = NOW) -> None:
        self.language, self.model, self.now = language, model, now
        self.messages: list[Message] = []
        self.result: Any = None

    def say(self, text: str, heard: int | None = None) -> str:
        self.messages.append(Message(role="user", content=text))
        items = run(self.model, self.messages, self.language, self.now)
        results = [item for item in items if isinstance(item, Result)]
        self.result = results[0].data if results else None
        reply = "".join(item.text for item in items if isinstance(item, Text))
        cut = reply if heard is None else reply[:heard]
        if cut:
            self.messages.append(Message(role="assistant", content=cut, interrupted=heard is not None))
        return reply

    def all(self, *texts: str) -> str:
        return [self.say(text) for text in texts][-1]

    @property
    def suggestions(self) -> tuple[str, ...]:
        return self.model.suggestions(request(self.messages, self.language, self.now))


STORY = {
    "am": ("ቀጠሮ መያዝ እፈልጋለሁ።", "ማክሰኞ።", "ሦስት ሰዓት።", "አይ። ሰኞ።", "አዎ።"),
    "so": ("Waxaan rabaa inaan ballan qabsado.", "Talaado.", "Sagaalka.", "Maya. Isniin.", "Haa."),
    "en": ("I want to book an appointment.", "Tuesday.", "Nine o'clock.", "No. Monday.", "Yes."),
    "om": ("Beellama qabachuu nan barbaada.", "Kibxata.", "Sa'aatii sadii.", "Lakki. Wiixata.", "Eeyyee."),
    "ti": ("ቆጸራ ክሕዝ እደሊ።", "ሰሉስ።", "ሰዓት ሰለስተ።", "ኣይፋል። ሰኑይ።", "እወ።"),
}
SHOWN = {
    "am": ("ከጠዋቱ 3 ሰዓት", "9:00", "ማክሰኞ", "ሰኞ"),
    "so": ("9:00 subaxnimo", "9:00", "Talaado", "Isniin"),
    "en": ("9:00 in the morning", "9:00", "Tuesday", "Monday"),
    "om": ("ganama sa'aatii 3", "9:00", "Kibxata", "Wiixata"),
    "ti": ("ንግሆ ሰዓት 3", "9:00", "ሰሉስ", "ሰኑይ"),
}


@pytest.mark.parametrize("language", STORY)
@pytest.mark.parametrize("heard", [None, 5, 0])
def test_the_booking_story(language: str, heard: int | None) -> None:
    call = Call(language)
    book, day, hour, correction, yes = STORY[language]
    time, international, tuesday, monday = SHOWN[language]
    call.all(book, day)
    confirmation = call.say(hour, heard)  # interrupted or not, the correction comes out right
    assert time in confirmation and international in confirmation and tuesday in confirmation
    confirmation = call.say(correction)
    assert time in confirmation and international in confirmation and monday in confirmation.split()[0]
    assert call.result is None
    call.say(yes)
    assert call.result == {"at": "2026-11-23T09:00+03:00"}
    # The same list again gives the same answer, and the next turn does not book again.
    assert run(CLINIC, call.messages[:-1], language) == run(CLINIC, call.messages[:-1], language)
    call.say(PACKS[language].phrases["thanks"][0])
    assert call.result is None


def test_it_is_a_chat_model() -> None:
    assert isinstance(CLINIC, ChatModel)
    assert CLINIC.info.name == "flow:clinic_booking"
    assert not CLINIC.info.generative and not CLINIC.info.follows_instructions
    assert set(CLINIC.info.languages or ()) == {"en", "am", "so", "om", "ti"}


@pytest.mark.parametrize("heard", [0, 3, 12])
def test_yes_settles_only_what_was_heard(heard: int) -> None:
    call = Call("en")
    call.all("I want to book an appointment.", "Tuesday.")
    confirmation = call.say("Nine o'clock.", heard)
    assert call.say("Yes.") == confirmation
    assert call.result is None
    call.say("Yes.")
    assert call.result == {"at": "2026-11-24T09:00+03:00"}


def test_the_last_question_may_be_cut_off() -> None:
    call = Call("am")
    call.all("ቀጠሮ መያዝ እፈልጋለሁ።", "ማክሰኞ።")
    call.say("ሦስት ሰዓት።", len("ማክሰኞ ከጠዋቱ 3 ሰዓት፣ 9:00 ነው።"))
    call.say("አዎ።")
    assert call.result == {"at": "2026-11-24T09:00+03:00"}


def test_spoken_words_count_as_heard() -> None:
    call = Call("am")
    call.all("ቀጠሮ መያዝ እፈልጋለሁ።", "ማክሰኞ።", "ሦስት ሰዓት።")
    call.messages[-1] = Message(role="assistant", content="ማክሰኞ ከጠዋቱ ሦስት ሰዓት፣ ዘጠኝ ዜሮ ዜሮ ነው።")
    call.say("አዎ።")
    assert call.result == {"at": "2026-11-24T09:00+03:00"}


@pytest.mark.parametrize(
    ("language", "turns", "at"),
    [
        (
            "en",
            ("I want to see a doctor. Tuesday.", "Three o'clock.", "Yes."),
            "2026-11-24T15:00+03:00",
        ),
        ("en", ("I'd like to book an appointment on tuesday at three", "yes"), "2026-11-24T15:00+03:00"),
        ("en", ("book an apointment", "tusday", "10", "okay"), "2026-11-24T10:00+03:00"),
        ("en", ("Book an appointment.", "Tomorrow.", "half", "11:30", "Right."), "2026-11-21T11:30+03:00"),
        ("en", ("Book an appointment.", "Today.", "3 p.m.", "Yes."), "2026-11-20T15:00+03:00"),
        ("en", ("Book an appointment.", "Friday.", "Nine o'clock.", "Yes."), "2026-11-27T09:00+03:00"),
        ("en", ("Book an appointment.", "Friday.", "Three o'clock.", "Yes."), "2026-11-20T15:00+03:00"),
        ("en", ("Book an appointment.", "December 3", "nine", "No", "ten", "Yes."), "2026-12-03T10:00+03:00"),
        (
            "en",
            ("An appointment.", "Monday", "nine", "Monday.", "Yes, Monday."),
            "2026-11-23T09:00+03:00",
        ),
        (
            "en",
            ("An appointment", "Monday", "9", "No", "the day", "Tuesday", "yes"),
            "2026-11-24T09:00+03:00",
        ),
        ("am", ("ቀጠሮ", "ሰኞ", "3 ሰአት", "እሺ"), "2026-11-23T09:00+03:00"),
        ("am", ("ቀጠሮ", "ሰኞ", "3:00 ሰዓት", "አዎ"), "2026-11-23T09:00+03:00"),
        ("am", ("ቀጠሮ", "ሰኞ", "ሶስት ሰአት ተኩል", "አዎ"), "2026-11-23T09:30+03:00"),
        ("am", ("ቀጠሮ", "ነገ", "ዘጠኝ ሰዓት። ከሰዓት በኋላ።", "ልክ ነው።"), "2026-11-21T15:00+03:00"),
        ("am", ("ቀጠሮ", "11 ታኅሣሥ", "አራት", "አዎ"), "2026-12-20T10:00+03:00"),
        ("so", ("Waxaan rabaa dhakhtar.", "Berri.", "Saddexda.", "Haa."), "2026-11-21T15:00+03:00"),
        ("so", ("ballan", "khamiis", "kow iyo tobanka", "haye"), "2026-11-26T11:00+03:00"),
        # Ethiopian hours: the third from dawn is 9:00, the ninth 15:00.
        ("om", ("Beellama.", "Bor.", "Sa'aatii sadii.", "Tole."), "2026-11-21T09:00+03:00"),
        ("om", ("beellama", "kamisa", "sa'aatii sagal", "eeyyee"), "2026-11-26T15:00+03:00"),
        (
            "om",
            ("Doktara arguu nan barbaada. Dilbata.", "Ganama.", "Sa'aatii afur.", "Eeyyee."),
            "2026-11-22T10:00+03:00",
        ),
        ("ti", ("ቆጸራ።", "ጽባሕ።", "ሰዓት ኣርባዕተ።", "ሕራይ።"), "2026-11-21T10:00+03:00"),
        ("ti", ("ሓኪም ክርኢ እደሊ።", "ሓሙስ", "ሰዓት ትሽዓተ", "ልክዕ"), "2026-11-26T15:00+03:00"),
    ],
)
def test_bookings(language: str, turns: tuple[str, ...], at: str) -> None:
    call = Call(language)
    call.all(*turns)
    assert call.result == {"at": at}


def test_office_hours() -> None:
    call = Call("en")
    reply = call.all("I want to book an appointment. Tuesday.", "Three o'clock. In the morning.")
    assert "open from 8:00 to 5:00" in reply and reply.endswith("What time?")
    call = Call("am")
    assert "ከ2 እስከ 11 ሰዓት" in call.all("ቀጠሮ", "ሰኞ", "አንድ ሰዓት")


def test_an_hour_of_today_that_has_passed() -> None:
    assert "has passed" in Call("en").all("Book an appointment.", "Today.", "Nine o'clock.")
    late = Call("en", now=NOW.replace(hour=18))
    assert "has passed" in late.all("Book an appointment.", "Today.")
    assert "November 27" in late.all("Friday.", "Nine o'clock.")


def test_midnight_does_not_move_what_was_confirmed() -> None:
    call = Call("en", now=NOW.replace(hour=23, minute=59))
    call.all("Book an appointment.", "Tomorrow.", "Nine o'clock.")
    call.now += timedelta(minutes=2)
    assert call.say("Yes.").startswith("Sunday")
    assert call.result is None
    call.say("Yes.")
    assert call.result == {"at": "2026-11-22T09:00+03:00"}
    call.now += timedelta(days=1)
    assert "booked" not in call.say("Thank you.") and call.result is None


def test_no_alone_asks_what_to_change() -> None:
    call = Call("en")
    assert call.all("Book an appointment.", "Monday.", "Nine o'clock.", "No.") == "What should I change?"
    assert call.say("In the afternoon.") == "What time?"  # nine is not
    assert call.say("Two o'clock.").startswith("Monday, 2:00 in the afternoon")


def test_small_talk_within_a_task_comes_back_to_the_question() -> None:
    call = Call("en")
    assert call.all("Book an appointment.", "What time is it?") == "It is 11:00 in the morning. Which day?"
    assert call.say("Wait.") == "Okay."
    assert call.say("Please repeat that.") == "Okay."
    assert call.say("Monday.") == "What time?"


def test_misses() -> None:
    call = Call("en")
    call.say("Book an appointment.")
    assert "such as Monday" in call.say("xyzzy")
    assert call.say("xyzzy") == "I did not understand. You can say: Monday, Tuesday."
    assert call.say("Monday.") == "What time?"


@pytest.mark.parametrize("language", PACKS.languages)
def test_a_phrase_of_every_pack_cancels(language: str) -> None:
    phrases = PACKS[language].phrases
    call = Call(language)
    call.all(phrases["book"][0], PACKS[language].slots["days"][0])
    cancelled = call.say(phrases["cancel"][0])
    assert cancelled and call.suggestions[0] == phrases["book"][0]
    assert call.say(phrases["cancel"][0]) not in ("", cancelled)


@pytest.mark.parametrize(("language", "hour"), [("am", 9), ("om", 9), ("ti", 9), ("so", 3), ("en", 3)])
def test_the_third_hour_is_the_clocks_of_the_country(language: str, hour: int) -> None:
    """Counted from dawn in Ethiopia, from noon and midnight in Somalia: 3 is 15:00 where 3:00 is closed."""
    slots, phrases = PACKS[language].slots, PACKS[language].phrases
    call = Call(language)
    call.all(phrases["book"][0], slots["days"][0], slots["hours"][2], phrases["yes"][0])
    assert call.result == {"at": f"2026-11-23T{hour if hour > 3 else 15:02}:00+03:00"}


@pytest.mark.parametrize("language", PACKS.languages)
def test_digits_are_numbers(language: str) -> None:
    digits = [
        parse_number(each.strip(".።").lower(), PACKS[language]) for each in PACKS[language].slots["digits"]
    ]
    assert digits == list(range(10))


def test_cancel() -> None:
    call = Call("en")
    assert call.all("Book an appointment.", "Monday.", "Cancel.") == "Okay, cancelled."
    assert call.say("Yes.") == "Okay. How can I help?"
    assert call.say("Cancel.") == "Okay."


def test_the_language_may_change_in_mid_call() -> None:
    call = Call("en")
    call.all("Book an appointment.", "Tuesday.")
    call.language = "am"
    assert call.say("ሦስት ሰዓት።").startswith("ማክሰኞ ከጠዋቱ 3 ሰዓት፣ 9:00")
    call.say("አዎ።")
    assert call.result == {"at": "2026-11-24T09:00+03:00"}


@pytest.mark.parametrize("language", PACKS.languages)
def test_small_talk_answers_every_phrase(language: str) -> None:
    pack = PACKS[language]
    missed = pack.says["can_say"].partition("{")[0]
    for key, phrases in pack.phrases.items():
        for phrase in phrases:
            if key != "book":
                assert not Call(language, TALK).say(phrase).startswith(missed), phrase
                assert not Call(language).say(phrase).startswith(missed), phrase
    assert Call(language).say("zzz qqq").startswith(missed)


@pytest.mark.parametrize(
    ("language", "key", "reply"),
    [
        ("am", "time", "ከጠዋቱ 5 ሰዓት፣ 11:00 ነው።"),
        ("am", "date", "ዛሬ ዓርብ፣ 11 ኅዳር 2019 ነው።"),
        ("en", "date", "Today is Friday, November 20, 2026."),
        ("so", "time", "Waa 11:00 subaxnimo."),
        ("om", "name", "Maqaan koo Selaam."),
        ("ti", "time", "ንግሆ ሰዓት 5፣ 11:00 እዩ።"),
        ("en", "help", "You can say: I want to book an appointment, What is your name."),
    ],
)
def test_answers(language: str, key: str, reply: str) -> None:
    assert Call(language).say(PACKS[language].phrases[key][0]) == reply


def test_suggestions_follow_the_conversation() -> None:
    call = Call("am")
    assert call.suggestions[0] == "ቀጠሮ መያዝ እፈልጋለሁ።"
    call.say("ቀጠሮ መያዝ እፈልጋለሁ።")
    assert call.suggestions == ("ሰኞ።", "ማክሰኞ።", "ረቡዕ።", "ነገ።")
    call.say("ዛሬ።")
    assert call.suggestions[0] == "ስድስት ሰዓት።"
    call.say("ስምንት ሰዓት።")
    assert call.suggestions == ("አዎ።", "አይ።")
    call.say("አይ።")
    assert len(call.suggestions) == 4
    assert CLINIC.suggestions(request((), "fr")) == ()


def test_without_messages_it_opens() -> None:
    system = Message(role="system", content="Be kind.")
    assert run(CLINIC, (), "en") == run(CLINIC, (system,), "en") == [Text("Hello. "), Text("How can I help?")]


def test_a_language_it_does_not_speak() -> None:
    with pytest.raises(EngineError, match="'fr'") as caught:
        run(CLINIC, (), "fr")
    assert caught.value.code == "language_unsupported"


def test_an_unknown_flow() -> None:
    with pytest.raises(SettingsError, match=r"'pizza'.*clinic_booking, small_talk"):
        FlowModel("pizza", PACKS)


WORDS = st.sampled_from(
    [phrase for pack in PACKS for group in (*pack.phrases.values(), *pack.slots.values()) for phrase in group]
    + [
        "half",
        "3",
        "9:30",
        "25:99",
        "pm",
        "thirty",
        "the time",
        "31 December",
        "99999999999999",
        "፼፼",
        "٣",
        "²",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(WORDS, st.text(max_size=30), st.lists(WORDS).map(" ".join)), max_size=6),
    st.sampled_from(PACKS.languages),
)
def test_whatever_is_said_gets_an_answer(texts: list[str], language: str) -> None:
    call = Call(language)
    for text in texts:
        assert call.say(text, heard=len(text)).strip()
        assert len(call.suggestions) <= 4
