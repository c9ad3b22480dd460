"""Plays a tape to a new turn-taker, with the settings of then or with others.

With the settings of then every call is repeated as it was, and so are the decisions. With others, the new
turn-taker asks at other times; each question is answered as the recorded one nearest to it in the audio was,
after as long a delay. What the agent did (when it was audible) stays as recorded, since nobody knows what it
would have done; a difference after the first one is therefore a hint and no proof.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.decisions import FRAME_MS, Decision, Listen, Speculate, TurnSettings
from selam_agent.dialogue.interruption import Verdict
from selam_agent.dialogue.tape import VERSION, Entry, described
from selam_agent.dialogue.turns import TurnTaker
from selam_agent.errors import ValidationError

# A question this far (ms of audio) from every recorded one was never answered.
_NEAR_MS = 600
_USUAL_DELAY_MS = 200
_CALLS = frozenset(
    {
        "tick",
        "flush",
        "frozen",
        "next_turn",
        "reconfigure",
        "agent_started",
        "agent_stopped",
        "forget_reopenable",
    }
)


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision: at ``audio_ms``, ``name`` for ``reason`` about ``turn`` (0: none)."""

    audio_ms: int
    name: str
    reason: str
    turn: int


@dataclass(frozen=True, slots=True)
class Replay:
    """``recorded`` and ``now``: the decisions of then and of this run. ``audio_ms``: the tape's length."""

    recorded: tuple[Decided, ...]
    now: tuple[Decided, ...]
    audio_ms: int


def settings_of(tape: Sequence[Entry]) -> TurnSettings:
    """The settings of the recorded session.

    Raises:
        ValidationError: this is no tape, or one of another version.
    """
    head = tape[0] if tape else None
    if not isinstance(head, list) or len(head) != 3 or head[0] != "tape":
        raise ValidationError("This is no recorded session: its first line is no header.", code="no_tape")
    if head[1] != VERSION:
        raise ValidationError(f"This tape has version {head[1]!r}; {VERSION} is known.", code="tape_version")
    return _settings(head[2])


def changed(settings: TurnSettings, changes: Iterable[str]) -> TurnSettings:
    """``settings`` with ``name=value`` (or ``turns.name=value``) applied; ``none`` unsets one.

    Raises:
        ValidationError: no such setting, or no such value.
    """
    known = {each.name: getattr(settings, each.name) for each in dataclasses.fields(settings)}
    given: dict[str, Any] = {}
    for each in changes:
        name, equals, text = each.partition("=")
        name = name.strip().removeprefix("turns.")
        if not equals or name not in known:
            raise ValidationError(f"{each!r}: known settings are {', '.join(known)}.", code="unknown_setting")
        try:
            given[name] = None if text == "none" else text if name == "interruption" else int(text)
        except ValueError:
            raise ValidationError(f"{each!r}: must be a whole number.", code="invalid_value") from None
    return dataclasses.replace(settings, **given)


def replay(tape: Sequence[Entry], settings: TurnSettings | None = None) -> Replay:
    """Plays the tape; None: with the settings of then.

    Raises:
        ValidationError: this is no tape, or it is damaged.
    """
    then = settings_of(tape)
    run = _Run(settings or then, exact=settings is None or settings == then)
    run.learn(tape)
    for number, entry in enumerate(tape[1:], 2):
        try:
            run.play(entry)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ValidationError(f"line {number} of the tape is damaged: {error}", code="no_tape") from error
    recorded = tuple(Decided(*entry[1:5]) for entry in tape if entry[0] == "d")
    return Replay(recorded, tuple(run.decided), run.turns.audio_ms)


@dataclass
class _Run:
    settings: TurnSettings
    exact: bool
    decided: list[Decided] = field(default_factory=list)
    # What was answered then: (end of the audio asked about, answer, delay), all in ms of audio time.
    _endings: list[tuple[int, Ending, int]] = field(default_factory=list)
    _verdicts: list[tuple[int, Verdict, int]] = field(default_factory=list)
    # Answers to this run's questions, by the audio time at which they come.
    _due: list[tuple[int, Decision, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.turns = TurnTaker(self.settings)

    def learn(self, tape: Sequence[Entry]) -> None:
        """Collects what was answered then."""
        audio_ms, asked = 0, dict[int, int]()  # by turn: when its last guess was asked for
        for entry in tape[1:]:
            if entry[0] == "f":
                audio_ms += FRAME_MS * len(entry[2])
            elif entry[0] == "d" and entry[2] == "Speculate":
                asked[entry[4]] = entry[1]
            elif entry[0] == "w":
                at = asked.get(entry[1], audio_ms)
                self._endings.append((at, Ending(entry[3]), audio_ms - at))
            elif entry[0] == "v":
                end_ms = entry[1]["end_ms"]
                self._verdicts.append((end_ms, Verdict(entry[2]), max(0, audio_ms - end_ms)))

    def play(self, entry: Entry) -> None:
        match entry:
            case ["f", [*arrived], str(bits)]:
                for at, bit in zip(arrived, bits, strict=True):
                    self._done(self.turns.frame(bit == "1", at, fading=bit == "~"))
                    self._answer()
            case ["w", turn, revision, ending] if self.exact:
                self._done(self.turns.words(turn, revision, Ending(ending)))
            case ["v", asked, verdict] if self.exact:
                self._done(self.turns.verdict(Listen(**asked), Verdict(verdict)))
            case ["is", str(name), bool(value)] if hasattr(self.turns.known, name):
                setattr(self.turns.known, name, value)
            case ["do", "reconfigure", settings]:
                if self.exact:
                    self.turns.reconfigure(_settings(settings))
            case ["do", name, *arguments] if name in _CALLS:
                made = getattr(self.turns, name)(*arguments)
                self._done(made if isinstance(made, list) else [])
            case ["w" | "v" | "d", *_]:
                pass
            case _:
                raise ValueError(f"unknown entry {entry!r}")

    def _done(self, decisions: list[Decision]) -> None:
        for each in decisions:
            self.decided.append(Decided(*described(each, self.turns.audio_ms)))
            if self.exact:
                continue
            if isinstance(each, Speculate):
                answer, delay = _nearest(self._endings, self.turns.audio_ms, Ending.UNKNOWN)
                self._due.append((self.turns.audio_ms + delay, each, answer))
            elif isinstance(each, Listen):
                verdict, delay = _nearest(self._verdicts, each.end_ms, Verdict.NOTHING)
                self._due.append((self.turns.audio_ms + delay, each, verdict))

    def _answer(self) -> None:
        now = self.turns.audio_ms
        due = [each for each in self._due if each[0] <= now]
        self._due = [each for each in self._due if each[0] > now]
        for _, asked, answer in due:
            if isinstance(asked, Listen):
                self._done(self.turns.verdict(asked, answer))
            elif isinstance(asked, Speculate):
                self._done(self.turns.words(asked.turn, asked.revision, answer))


def _nearest(answers: list[tuple[int, Any, int]], at_ms: int, otherwise: Any) -> tuple[Any, int]:
    """The recorded answer to the question nearest to ``at_ms``, and how long it took."""
    near = min(answers, key=lambda each: abs(each[0] - at_ms), default=None)
    if near is None or abs(near[0] - at_ms) > _NEAR_MS:
        return otherwise, _USUAL_DELAY_MS
    return near[1], near[2]


def _settings(values: Any) -> TurnSettings:
    try:
        return TurnSettings(**values)
    except TypeError as error:
        raise ValidationError(f"The tape's settings cannot be used: {error}", code="no_tape") from error
