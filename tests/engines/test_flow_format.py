"""Flow files that cannot be used are refused with the file and the key."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from selam_agent.engines.flow import FlowModel
from selam_agent.engines.flow_format import load_flow
from selam_agent.errors import SettingsError
from selam_agent.languages.packs import load
from selam_agent.ports import ChatRequest, Message, Result, Text

PACKS = load()

GOOD = """
name = "pizza"
languages = ["en"]
[intents.order]
examples = { en = ["I want a pizza."] }
starts = "order"
[intents.hello]
phrases = "greeting"
reply = { en = "Hello at {time}." }
[intents.yes]
phrases = "yes"
role = "yes"
reply = { en = "Okay." }
[intents.no]
phrases = "no"
role = "no"
reply = { en = "Okay." }
[tasks.order]
confirm = { en = "{count} {size}?" }
done = { en = "Done." }
change = { en = "What else?" }
cancelled = { en = "Gone." }
[tasks.order.result]
size = "{size}"
count = "{count}"
phone = "{phone}"
pickup = "{pickup}"
note = "{count} x {size}"
[tasks.order.slots.size]
kind = "choice"
ask = { en = "Which size?" }
choices = { small = { en = ["Small."] }, large = { en = ["Large.", "A big one."] } }
[tasks.order.slots.count]
kind = "number"
ask = { en = "How many?" }
minimum = 1
maximum = 9
[tasks.order.slots.phone]
kind = "digits"
ask = { en = "Your number?" }
minimum = 4
[tasks.order.slots.pickup]
kind = "yes_no"
ask = { en = "Will you fetch it?" }
"""


def write(folder: Path, text: str, name: str = "pizza") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def converse(model: FlowModel, *texts: str) -> tuple[list[str], Mapping[str, Any] | None]:
    async def talk() -> tuple[list[str], Mapping[str, Any] | None]:
        messages: list[Message] = []
        replies, result = [], None
        for text in texts:
            messages.append(Message(role="user", content=text))
            now = datetime(2026, 11, 20, 11, tzinfo=UTC)
            request = ChatRequest(messages=tuple(messages), language="en", now=now)
            items = [item async for item in model.reply(request)]
            replies.append("".join(item.text for item in items if isinstance(item, Text)))
            result = next((item.data for item in items if isinstance(item, Result)), None)
            messages.append(Message(role="assistant", content=replies[-1]))
        return replies, result

    return asyncio.run(talk())


def test_all_kinds_of_slots(tmp_path: Path) -> None:
    replies, result = converse(
        FlowModel(write(tmp_path, GOOD), PACKS),
        *("I want a pizza.", "a big one", "twelve", "two", "zero nine", "0911 22", "Yes.", "Yes."),
    )
    assert replies == [
        "Which size?",
        "How many?",
        "How many?",
        "Your number?",
        "Your number?",
        "Will you fetch it?",
        "2 Large?",
        "Done.",
    ]
    assert result == {"size": "large", "count": 2, "phone": "091122", "pickup": True, "note": "2 x large"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "pizza"', "", "name: is missing"),
        ('languages = ["en"]', 'languages = ["xx"]', "languages: there is no language pack 'xx'"),
        ('languages = ["en"]', 'languages = ["en", "am"]', "intents.order.examples: there is neither"),
        ('languages = ["en"]', "languages = []", "languages: must have at least one"),
        ('starts = "order"', 'starts = "lunch"', "intents.order.starts: there is no task 'lunch'"),
        ('phrases = "greeting"', 'phrases = "greetings"', "intents.hello.phrases: en.toml has no phrases"),
        ("{time}", "{tim}", "intents.hello.reply.en: may use {time}"),
        ("{time}", "{time", "intents.hello.reply.en: expected"),
        ("{time}", "{time!r}", "intents.hello.reply.en: may use"),
        ('kind = "number"', 'kind = "numbers"', "tasks.order.slots.count.kind: must be one of"),
        ("minimum = 1", 'minimum = "1"', "tasks.order.slots.count.minimum: must be a whole number"),
        ('role = "yes"', 'role = "maybe"', "intents.yes.role: must be one of"),
        ('role = "yes"', 'rolle = "yes"', "intents.yes.rolle: is not known here; did you mean 'role'?"),
        ('done = { en = "Done." }', "", "tasks.order.done: is missing"),
        ('done = { en = "Done." }', 'done = { om = "Done." }', "tasks.order.done.om: is not among"),
        ('"{count} x {size}"', '"{toppings}"', "tasks.order.result.note: may use"),
        ("[tasks.order]", '[tasks.order]\nhours = "17:00-08:00"', "tasks.order.hours: must be like"),
        ("[tasks.order]", '[tasks.order]\nhours = "99:00-99:30"', "tasks.order.hours: must be like"),
        ('name = "pizza"', 'name = "pizza"\ninclude = ["none"]', "include: there is no flow 'none'"),
        ('name = "pizza"', 'name = "pizza"\ninclude = ["pizza"]', "include: pizza includes itself"),
        ('name = "pizza"', 'name = "pizza', "pizza.toml: "),
        ('kind = "yes_no"', 'kind = "time"', "tasks.order.closed: is missing"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(SettingsError) as caught:
        load_flow(path, PACKS)
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_flow(tmp_path / "none.toml", PACKS)
