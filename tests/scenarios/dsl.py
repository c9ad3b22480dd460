"""Scenarios: who says what when, over what noise and which network, and what must come of it.

A TOML file holds a list of ``[[scenario]]``. The script ``say`` is a list in which

- a string is something said; ``"{key}"`` is an entry of ``words.toml`` in the scenario's language and
  ``"{key.0}"`` a part of it;
- a number is a pause in ms within the same turn;
- a table is anything else: ``{ say = "…", dbfs = -40, rate = 200 }``, ``{ sound = "cough", ms = 300,
  dbfs = -20 }``, ``{ next_turn = 900 }`` (a pause after which a new turn begins), ``{ into_reply = 600 }``
  and ``{ after_reply = 400 }`` (wait for the agent: ms after it began, or after it was silent),
  ``{ stall = 1500 }`` (for so long nothing arrives; then all of it at once).

Everything else: :class:`Scenario`. What a file gets wrong is said in a sentence that names file and key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

HERE = Path(__file__).parent
LANGUAGES = ("en", "am", "so", "ti", "om")

SoundKind = Literal["cough", "click", "door", "burst", "hum"]
NoiseKind = Literal["white", "pink", "babble", "hum"]
Sends = Literal["real time", "at once", "push to talk"]
Count: TypeAlias = "int | Literal['any']"


class ScenarioError(Exception):
    """A scenario file cannot be used; the message names file, scenario and key."""


@dataclass(frozen=True, slots=True)
class Words:
    """Something said. ``dbfs``: RMS level; ``rate``: words per minute; ``voice``: an espeak variant."""

    text: str
    dbfs: float = -20.0
    rate: int = 160
    voice: str = "m7"


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound without words."""

    kind: SoundKind
    ms: int = 300
    dbfs: float = -20.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence; ``new_turn``: what follows is another turn."""

    ms: int
    new_turn: bool = False


@dataclass(frozen=True, slots=True)
class Cue:
    """Wait until ``ms`` after the agent's answer to the last words began, or ended."""

    of: Literal["begin", "end"]
    ms: int


@dataclass(frozen=True, slots=True)
class Stall:
    """From here on nothing arrives for so long; then all of it at once."""

    ms: int


Step: TypeAlias = Words | Sound | Pause | Cue | Stall


@dataclass(frozen=True, slots=True)
class Network:
    """``loss``: share of packets that never arrive. ``jitter``: ms by which each is late, at most."""

    loss: float = 0.0
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Noise:
    """Background for the whole call."""

    kind: NoiseKind
    dbfs: float


@dataclass(frozen=True, slots=True)
class Echo:
    """The agent in the caller's microphone, ``db`` against how it was sent, ``delay`` ms later.

    ``jump``: from the fifth second of the call on it comes so many ms later still. ``swing``: its
    level goes up and down by so many dB within four seconds.
    """

    db: float
    delay: int
    jump: int = 0
    swing: float = 0.0


@dataclass(frozen=True, slots=True)
class Delays:
    """Of the scripted engines, in ms: a transcript, the model's first token, a fragment's first audio."""

    stt: int = 150
    llm: int = 250
    tts: int = 150


@dataclass(frozen=True, slots=True)
class Expect:
    """``turns`` understood and answered; ``interrupted`` replies; ``cut_offs``: replies that began in a
    pause; ``replies`` heard (default: as many as turns); ``heard``: the transcripts; ``words``: all of
    them together, in whatever turns; ``notices``: codes of warnings that must come; "any" is reported only.
    """

    turns: Count
    replies: Count | None = None
    interrupted: Count = 0
    cut_offs: Count = 0
    heard: tuple[str, ...] | None = None
    words: str | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """In ms, reported and not asserted: v2v, stop latency, the longest gap within a reply."""

    v2v: int | None = None
    stop: int | None = None
    gap: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario in one language."""

    name: str
    language: str
    steps: tuple[Step, ...]
    expect: Expect
    file: str = ""
    # The scripted model's answer: "short", "long", "question", or a text.
    reply: str = "short"
    sends: Sends = "real time"
    playback: Literal["buffered", "immediate"] = "buffered"
    network: Network = Network()
    noise: Noise | None = None
    echo: Echo | None = None
    engines: Delays = Delays()
    # Fields of settings.Turns.
    settings: Mapping[str, Any] = field(default_factory=dict)
    # Of the session.
    vad_threshold: float = 600.0
    min_silence_ms: int | None = None
    max_silence_ms: int | None = None
    bounds: Bounds = Bounds()
    # A fault of the product that makes it fail, or a part that is not built yet; in a file also per language.
    known: str = ""
    # Why the real server with its embedded engines cannot run it.
    only_scripted: str = ""

    @property
    def id(self) -> str:
        return f"{self.language}: {self.name}"

    def utterances(self) -> list[str]:
        """The texts, pieces of one turn joined."""
        texts: list[str] = [""]
        for step in self.steps:
            if isinstance(step, Words):
                texts[-1] = f"{texts[-1]} {step.text}".strip()
            elif isinstance(step, Cue) or (isinstance(step, Pause) and step.new_turn):
                texts.append("")
        return [text for text in texts if text]


# ---------------------------------------------------------------- reading


def load(folder: Path = HERE) -> list[Scenario]:
    """All scenarios of all files, one per language. Raises ScenarioError."""
    found = [
        each for path in sorted(folder.glob("*.toml")) if path.name != "words.toml" for each in read(path)
    ]
    seen: dict[str, str] = {}
    for each in found:
        if each.id in seen:
            raise ScenarioError(f"{each.file}: scenario {each.name!r} is in {seen[each.id]} already.")
        seen[each.id] = each.file
    return found


def read(path: Path) -> list[Scenario]:
    """The scenarios of one file. Raises ScenarioError."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path.name}: {error}") from error
    _only(tree, {"scenario"}, path.name)
    return [each for table in tree.get("scenario", []) for each in _expand(table, path.name)]


@cache
def lexicon() -> Mapping[str, Mapping[str, Any]]:
    """words.toml."""
    return tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))


_TOP = {
    "name", "languages", "say", "reply", "sends", "playback", "network", "noise", "echo", "engines",
    "settings", "vad_threshold", "min_silence_ms", "max_silence_ms", "expect", "bounds", "known",
    "only_scripted",
}  # fmt: skip


def _expand(table: Mapping[str, Any], file: str) -> Iterator[Scenario]:
    where = f"{file}: scenario {table.get('name', '?')!r}"
    _only(table, _TOP, where)
    for key in ("name", "say", "expect"):
        if key not in table:
            raise ScenarioError(f"{where}: {key} is missing.")
    languages = table.get("languages", "all")
    languages = LANGUAGES if languages == "all" else tuple(languages)
    for language in languages:
        if language not in LANGUAGES:
            raise ScenarioError(f"{where}: languages: {language!r} is none of {', '.join(LANGUAGES)}.")
        yield _scenario(table, language, where, file)


def _scenario(table: Mapping[str, Any], language: str, where: str, file: str) -> Scenario:
    steps = tuple(_step(entry, language, f"{where}: say[{n}]") for n, entry in enumerate(table["say"]))
    expect = _record(Expect, table["expect"], f"{where}: expect")
    if expect.heard is not None:
        heard = tuple(_fill(text, language, f"{where}: expect.heard") for text in expect.heard)
        expect = replace(expect, heard=heard)
    if expect.words is not None:
        expect = replace(expect, words=_fill(expect.words, language, f"{where}: expect.words"))
    if expect.replies is None:
        expect = replace(expect, replies=expect.turns)
    scenario = Scenario(
        name=table["name"],
        language=language,
        steps=steps,
        expect=expect,
        file=file,
        reply=_fill(table.get("reply", "short"), language, f"{where}: reply"),
        sends=_one_of(table.get("sends", "real time"), get_args(Sends), f"{where}: sends"),
        playback=_one_of(table.get("playback", "buffered"), ("buffered", "immediate"), f"{where}: playback"),
        network=_record(Network, table.get("network", {}), f"{where}: network"),
        noise=_record(Noise, table["noise"], f"{where}: noise") if "noise" in table else None,
        echo=_record(Echo, table["echo"], f"{where}: echo") if "echo" in table else None,
        engines=_record(Delays, table.get("engines", {}), f"{where}: engines"),
        settings=table.get("settings", {}),
        vad_threshold=float(table.get("vad_threshold", 600)),
        min_silence_ms=table.get("min_silence_ms"),
        max_silence_ms=table.get("max_silence_ms"),
        bounds=_record(Bounds, table.get("bounds", {}), f"{where}: bounds"),
        known=_known(table.get("known", ""), language, f"{where}: known"),
        only_scripted=table.get("only_scripted", ""),
    )
    if scenario.noise is not None:
        _one_of(scenario.noise.kind, get_args(NoiseKind), f"{where}: noise.kind")
    if scenario.sends == "at once" and any(isinstance(step, Cue | Stall) for step in steps):
        raise ScenarioError(f'{where}: sends: what is sent "at once" cannot wait for the agent or stall.')
    return scenario


def _step(entry: Any, language: str, where: str) -> Step:
    if isinstance(entry, str):
        return Words(_fill(entry, language, where))
    if isinstance(entry, int) and not isinstance(entry, bool):
        return Pause(entry)
    if not isinstance(entry, dict):
        raise ScenarioError(f"{where}: {entry!r} is neither words nor a pause in ms nor a table.")
    if "say" in entry:
        named = {"text": _fill(entry["say"], language, where)} | {
            k: v for k, v in entry.items() if k != "say"
        }
        words: Words = _record(Words, named, where)
        return words
    if "sound" in entry:
        named = {"kind": entry["sound"]} | {k: v for k, v in entry.items() if k != "sound"}
        sound: Sound = _record(Sound, named, where)
        _one_of(sound.kind, get_args(SoundKind), f"{where}: sound")
        return sound
    makers: dict[str, Any] = {
        "next_turn": lambda ms: Pause(ms, new_turn=True),
        "into_reply": lambda ms: Cue("begin", ms),
        "after_reply": lambda ms: Cue("end", ms),
        "stall": Stall,
    }
    if len(entry) != 1 or (key := next(iter(entry))) not in makers:
        raise ScenarioError(
            f"{where}: {sorted(entry)} is no step; known are say, sound, {', '.join(makers)}."
        )
    if not isinstance(entry[key], int) or entry[key] < 0:
        raise ScenarioError(f"{where}: {key} must be a number of ms, not {entry[key]!r}.")
    step: Step = makers[key](entry[key])
    return step


def _known(value: Any, language: str, where: str) -> str:
    if isinstance(value, dict):
        _only(value, set(LANGUAGES), where)
        value = value.get(language, "")
    return str(value)


def _fill(text: str, language: str, where: str) -> str:
    def entry(match: re.Match[str]) -> str:
        key, _, part = match[1].partition(".")
        found = lexicon()[language].get(key)
        if found is None:
            raise ScenarioError(f"{where}: words.toml has no {key!r} in [{language}].")
        if isinstance(found, str):
            return found
        if not part:
            raise ScenarioError(f"{where}: {key!r} has several parts; name one, such as {{{key}.0}}.")
        return str(found[int(part) % len(found)])

    return re.sub(r"\{([a-z_.0-9]+)\}", entry, text)


def _record(kind: type[Any], table: Mapping[str, Any], where: str) -> Any:
    known = {each.name for each in fields(kind)}
    _only(table, known, where)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return kind(**values)
    except TypeError:
        missing = [each.name for each in fields(kind) if each.name not in table]
        raise ScenarioError(f"{where}: something is missing; it has also {', '.join(missing)}.") from None


def _only(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ScenarioError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}.")


def _one_of(value: Any, allowed: tuple[str, ...], where: str) -> Any:
    if value not in allowed:
        raise ScenarioError(f"{where} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value
