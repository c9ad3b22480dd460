"""What a flow file says, and the reader that checks it.

A flow has intents (what a caller may say, with an answer) and tasks (slots to fill, confirm and hand
over). Every text is given per language: ``ask = { en = "Which day?", am = "በየትኛው ቀን?" }``. See
``voices/flows/clinic_booking.toml`` for a whole one.
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import time
from pathlib import Path

from selam_agent.errors import SettingsError
from selam_agent.languages.packs import Packs
from selam_agent.languages.tables import Table, read_toml

KINDS = ("date", "time", "number", "digits", "choice", "yes_no")
ROLES = ("say", "yes", "no", "wait", "repeat", "cancel")
Texts = Mapping[str, str]
Phrases = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False, slots=True)
class Intent:
    """Something a caller may say. ``starts``: the task it begins. ``role``: one of ROLES.

    ``suggest``: worth naming when the caller does not know what to say.
    """

    name: str
    examples: Phrases
    reply: Texts
    starts: str
    role: str
    suggest: bool


@dataclass(frozen=True, eq=False, slots=True)
class Slot:
    """A value to ask for. ``again``: the reprompt. ``names``: what callers call it ("the day").

    ``choices``: per value the phrases that mean it; ``minimum``/``maximum``: bounds of a number, or of
    the count of digits.
    """

    name: str
    kind: str
    ask: Texts
    again: Texts
    names: Phrases
    choices: Mapping[str, Phrases]
    minimum: int | None
    maximum: int | None


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """Slots to fill, to confirm and to hand over as ``result`` (templates over the slots' names)."""

    name: str
    slots: tuple[Slot, ...]
    opens: time
    closes: time
    says: Mapping[str, Texts]
    result: Mapping[str, str]

    def slot(self, name: str) -> Slot | None:
        return next((slot for slot in self.slots if slot.name == name), None)


@dataclass(frozen=True, eq=False, slots=True)
class Flow:
    """A whole flow with what it includes. ``languages``: all in which it can say something."""

    name: str
    languages: tuple[str, ...]
    opening: Texts
    agent_name: Texts
    intents: tuple[Intent, ...]
    tasks: Mapping[str, Task]

    def phrases(self, language: str) -> tuple[str, ...]:
        """All that this file lists as something a caller may say."""
        slots = [slot for task in self.tasks.values() for slot in task.slots]
        listed = [
            *(intent.examples for intent in self.intents),
            *(slot.names for slot in slots),
            *(choice for slot in slots for choice in slot.choices.values()),
        ]
        return tuple(dict.fromkeys(phrase for each in listed for phrase in each.get(language, ())))


_TASK_TEXTS = ("confirm", "done", "change", "cancelled", "closed", "past")
_ANYWHERE = ("time", "date", "agent_name", "examples")


def find_flow(flow: str | Path, packs: Packs) -> Path:
    """The file of a flow: a path as it is, a name in ``voices/flows``."""
    if isinstance(flow, Path) or flow.endswith(".toml") or "/" in flow:
        return Path(flow)
    folders = [each / "flows" for each in packs.directories]
    for folder in folders:
        path = folder / f"{flow}.toml"
        if path.is_file():
            return path
    known = ", ".join(sorted({each.stem for folder in folders for each in folder.glob("*.toml")})) or "none"
    raise SettingsError(f"llm.flow: there is no flow {flow!r} in {folders[0]}; there are: {known}")


def _beside_or_ours(path: Path, name: str, packs: Packs) -> Path | None:
    folders = [path.parent, *(each / "flows" for each in packs.directories)]
    return next((file for folder in folders if (file := folder / f"{name}.toml").is_file()), None)


def load_flow(path: Path, packs: Packs, _including: tuple[Path, ...] = ()) -> Flow:
    """Reads a flow file and those it includes; its own intents come first and replace included ones.

    Raises:
        SettingsError: naming the file and the key.
    """
    table = read_toml(path)
    if path in _including:
        raise table.error("include", f"{path.stem} includes itself")
    languages = table.strings("languages")
    for code in languages:
        if code not in packs:
            raise table.error("languages", f"there is no language pack {code!r}")
    reader = _Reader(packs, languages)
    intents = {}
    intent_tables = table.table("intents", optional=True)
    for name in intent_tables.keys():  # noqa: SIM118
        intents[name] = reader.intent(name, intent_tables.table(name))
    tasks = {}
    task_tables = table.table("tasks", optional=True)
    for name in task_tables.keys():  # noqa: SIM118
        tasks[name] = reader.task(name, task_tables.table(name))
    for name, intent in intents.items():
        if intent.starts and intent.starts not in tasks:
            raise intent_tables.table(name).error("starts", f"there is no task {intent.starts!r}")
    flow = Flow(
        name=table.text("name"),
        languages=languages,
        opening=reader.texts(table, "opening", _ANYWHERE, optional=True),
        agent_name=reader.texts(table, "agent_name", (), optional=True),
        intents=tuple(intents.values()),
        tasks=tasks,
    )
    if "needs_review" in table:
        table.strings("needs_review")
    for name in table.strings("include", optional=True):
        other = _beside_or_ours(path, name, packs)
        if other is None:
            raise table.error("include", f"there is no flow {name!r}, neither beside this file nor ours")
        flow = _merged(flow, load_flow(other, packs, (*_including, path)))
    table.finish()
    return flow


def _merged(flow: Flow, other: Flow) -> Flow:
    own = {intent.name for intent in flow.intents}
    return replace(
        flow,
        languages=tuple(dict.fromkeys([*flow.languages, *other.languages])),
        opening={**other.opening, **flow.opening},
        agent_name={**other.agent_name, **flow.agent_name},
        intents=(*flow.intents, *(intent for intent in other.intents if intent.name not in own)),
        tasks={**other.tasks, **flow.tasks},
    )


class _Reader:
    """Reads parts of one file, whose ``languages`` every text must cover."""

    def __init__(self, packs: Packs, languages: tuple[str, ...]) -> None:
        self._packs = packs
        self._languages = languages

    def intent(self, name: str, table: Table) -> Intent:
        examples: dict[str, tuple[str, ...]] = dict.fromkeys(self._languages, ())
        keys = table.raw("phrases") if "phrases" in table else []
        for key in [keys] if isinstance(keys, str) else keys:
            for code in self._languages:
                phrases = self._packs[code].phrases.get(key)
                if phrases is None:
                    raise table.error("phrases", f"{code}.toml has no phrases {key!r}")
                examples[code] += phrases
        for code, phrases in self.phrases(table, "examples").items():
            examples[code] += phrases
        missing = [code for code, phrases in examples.items() if not phrases]
        if missing:
            raise table.error("examples", f"there is neither an example nor a phrase for {missing[0]!r}")
        starts = table.text("starts") if "starts" in table else ""
        role = table.text("role", "say", choices=ROLES)
        silent = bool(starts) or role in ("repeat", "cancel")
        reply = self.texts(table, "reply", _ANYWHERE, optional=silent)
        intent = Intent(name, examples, reply, starts, role, table.flag("suggest", False))
        table.finish()
        return intent

    def task(self, name: str, table: Table) -> Task:
        opens, closes = self._hours(table)
        slot_tables = table.table("slots")
        slots = tuple(self._slot(each, slot_tables.table(each)) for each in slot_tables.keys())  # noqa: SIM118
        if not slots:
            raise table.error("slots", "must have at least one slot")
        names = tuple(slot.name for slot in slots)
        timed = any(slot.kind in ("date", "time") for slot in slots)
        says = {
            key: self.texts(
                table,
                key,
                (*_ANYWHERE, "open", "close", *(names if key in ("confirm", "done") else ())),
                optional=key in ("closed", "past") and not timed,
            )
            for key in _TASK_TEXTS
        }
        result = table.texts("result")
        for key, template in result.items():
            _check(table, f"result.{key}", template, names)
        table.finish()
        return Task(name, slots, opens, closes, says, result)

    def _hours(self, table: Table) -> tuple[time, time]:
        text = table.text("hours", "00:00-23:59")
        match = re.fullmatch(r"(\d\d:\d\d)-(\d\d:\d\d)", text)
        try:
            opens, closes = map(time.fromisoformat, match.groups() if match else ("00:00", "00:00"))
        except ValueError:
            opens = closes = time(0)
        if opens >= closes:
            raise table.error("hours", f'must be like "08:00-17:00", not {text!r}')
        return opens, closes

    def _slot(self, name: str, table: Table) -> Slot:
        if not name.isidentifier() or name in (*_ANYWHERE, "open", "close"):
            raise table.error("name", f"{name!r} cannot name a slot")
        kind = table.text("kind", choices=KINDS)
        choice_tables = table.table("choices", optional=kind != "choice")
        choices = {}
        for value in choice_tables.keys():  # noqa: SIM118
            choices[value] = self.phrases(choice_tables, value)
            missing = [code for code in self._languages if code not in choices[value]]
            if missing:
                raise choice_tables.error(value, f"there is no phrase for {missing[0]!r}")
        if kind == "choice" and not choices:
            raise table.error("choices", "must have at least one entry")
        bounds = {}
        for key in ("minimum", "maximum"):
            bounds[key] = table.raw(key) if key in table else None
            if bounds[key] is not None and not isinstance(bounds[key], int):
                raise table.error(key, f"must be a whole number, not {bounds[key]!r}")
        ask = self.texts(table, "ask", (*_ANYWHERE, "open", "close"))
        again = self.texts(table, "again", (*_ANYWHERE, "open", "close"), optional=True) or ask
        slot = Slot(name, kind, ask, again, self.phrases(table, "names"), choices, **bounds)
        table.finish()
        return slot

    def phrases(self, table: Table, key: str) -> dict[str, tuple[str, ...]]:
        """An optional table of lists per language."""
        lists = table.table(key, optional=True)
        self._known_languages(lists)
        return {code: lists.strings(code) for code in lists.keys()}  # noqa: SIM118

    def texts(
        self, table: Table, key: str, placeholders: Collection[str], optional: bool = False
    ) -> dict[str, str]:
        """A table of texts for all languages of the file, with known placeholders only."""
        if optional and key not in table:
            return {}
        under = table.table(key)
        self._known_languages(under)
        texts = {code: under.text(code) for code in self._languages}
        for code, text in texts.items():
            _check(under, code, text, placeholders)
        return texts

    def _known_languages(self, table: Table) -> None:
        for code in table.keys():  # noqa: SIM118
            if code not in self._languages:
                raise table.error(code, f"is not among the flow's languages ({', '.join(self._languages)})")


def _check(table: Table, key: str, text: str, placeholders: Collection[str]) -> None:
    try:
        used = [
            (name, spec, how) for _, name, spec, how in string.Formatter().parse(text) if name is not None
        ]
    except ValueError as error:
        raise table.error(key, f"{error}: {text!r}") from None
    for name, spec, how in used:
        if name not in placeholders or spec or how:
            known = ", ".join(f"{{{each}}}" for each in placeholders) or "no placeholders"
            raise table.error(key, f"may use {known}, not {{{name}}}")
