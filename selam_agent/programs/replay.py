"""``selam-agent replay``: a recorded session's decisions once more, and what other settings would change."""

from __future__ import annotations

import json
import time
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from selam_agent.dialogue.replay import Decided, Replay, changed, replay, settings_of
from selam_agent.dialogue.tape import Entry
from selam_agent.errors import ValidationError

# The recogniser is asked every few frames: who reads the list wants to know what came of it.
_QUIET = frozenset({"Listen"})


def run(file: Path, changes: list[str], *, as_json: bool) -> int:
    """Prints the decisions; with ``changes`` ("name=value") beside those of then.

    Returns:
        0; 1 when the settings of then do not give the decisions of then.

    Raises:
        ValidationError: the file is no tape, or a setting is unknown.
    """
    tape = read(file)
    settings = changed(settings_of(tape), changes) if changes else None
    begun = time.perf_counter()
    result = replay(tape, settings)
    took_s = time.perf_counter() - begun
    rows = compared(result)
    if as_json:
        print(json.dumps({"audio_ms": result.audio_ms, "decisions": rows}, ensure_ascii=False))
    else:
        _show(rows, result, took_s, changes)
    return int(not changes and any(row["then"] != row["now"] for row in rows))


def read(file: Path) -> list[Entry]:
    """Reads a tape. Raises ValidationError, which names the line that cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationError(f"{file}: {error}", code="no_tape") from None
    tape: list[Entry] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, list) or not entry:
            raise ValidationError(f"{file}: line {number} is no entry of a tape.", code="no_tape")
        tape.append(entry)
    return tape


def compared(result: Replay) -> list[dict[str, Any]]:
    """One row per decision, or per pair of them: ``then`` and ``now``, each ``{at_ms, …}`` or None."""
    then = [each for each in result.recorded if each.name not in _QUIET]
    now = [each for each in result.now if each.name not in _QUIET]
    what = [[(each.name, each.reason, each.turn) for each in side] for side in (then, now)]
    rows: list[dict[str, Any]] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(a=what[0], b=what[1], autojunk=False).get_opcodes():
        left, right = then[i1:i2], now[j1:j2]
        longest = max(len(left), len(right))
        rows += [{"then": _row(left, at), "now": _row(right, at)} for at in range(longest)]
    return rows


def _row(side: list[Decided], at: int) -> dict[str, Any] | None:
    if at >= len(side):
        return None
    each = side[at]
    return {"at_ms": each.audio_ms, "decision": each.name, "reason": each.reason, "turn": each.turn}


def _show(rows: list[dict[str, Any]], result: Replay, took_s: float, changes: list[str]) -> None:
    console = Console(highlight=False)
    table = Table(
        "then", "now" if not changes else f"with {', '.join(changes)}", "", box=None, pad_edge=False
    )
    different = 0
    for row in rows:
        same = row["then"] == row["now"]
        different += not same
        table.add_row(
            _text(row["then"]), _text(row["now"]), "" if same else "differs", style="" if same else "yellow"
        )
    console.print(table)
    seconds = result.audio_ms / 1000
    console.print(
        f"{seconds:.1f} s of audio in {took_s * 1000:.0f} ms; {different} of {len(rows)} decisions differ.",
        markup=False,
    )
    if changes and different:
        console.print(
            "What the agent did stays as recorded: after the first difference these are hints.", style="dim"
        )


def _text(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "—"
    turn = f" turn {cell['turn']}" if cell["turn"] else ""
    reason = f" ({cell['reason']})" if cell["reason"] else ""
    return f"{cell['at_ms'] / 1000:8.2f} s  {cell['decision']}{turn}{reason}"
