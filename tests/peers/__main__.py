"""Ours beside LiveKit's agent core and Pipecat: the same audio, instant engines, one machine, one run.

    python -m venv peers && peers/bin/pip install -r tests/peers/requirements.txt
    python -m tests.peers --python peers/bin/python --sessions 8 12 --seconds 20 --max

Each keeps its own defaults; its figures are over *its* configured silence and threshold. With --max
also the largest number of sessions of each in real time, by the same rule.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from selam_agent.event_loop import run
from selam_agent.programs.bench.crowd import CrowdFailed
from selam_agent.programs.bench.program import rows
from selam_agent.programs.bench.run import (
    ServerFailed,
    level,
    machine,
    measure,
    measured_server,
    pinned,
    processors,
)
from selam_agent.programs.bench.search import largest, window
from selam_agent.programs.bench.speech import Speech, speak
from tests.peers.compared import OURS, PEERS, Peer, failed, markdown, ratios
from tests.peers.raw_audio import RawDialect

_ROOT = Path(__file__).resolve().parents[2]


async def peer_level(
    python: str, peer: Peer, speeches: Sequence[Speech], sessions: int, seconds: float
) -> dict[str, Any]:
    """Measures a peer as ``bench`` measures ours."""
    places = processors()
    place = "-" if places.server is None else str(places.server)
    command = (python, "-m", f"tests.peers.{peer.server}_server", place, *peer.arguments)
    # No look-ups over the network, and one thread for each model: there is one processor.
    environment = {"PYTHONPATH": str(_ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    async with measured_server(*command, environment=environment) as server:
        with pinned(places.callers):
            return await measure(server, RawDialect(), peer.profile, speeches, sessions, seconds)


class _Field:
    """All of them, measured in turn."""

    def __init__(self, python: str, seconds: float) -> None:
        self._python, self._seconds = python, seconds
        self._speeches = speak(OURS)

    def level(self, name: str, sessions: int, seconds: float | None = None) -> dict[str, Any]:
        """One level of one of them; a server that could not hold it has no figures."""
        seconds = seconds or self._seconds
        print(f"{name}: {sessions} sessions, {seconds:.0f} s …", file=sys.stderr)
        try:
            if name == "ours":
                return run(level(OURS, self._speeches, sessions, seconds))
            return run(peer_level(self._python, PEERS[name], self._speeches, sessions, seconds))
        except (ServerFailed, CrowdFailed) as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            return failed(sessions, str(error))

    def most(self, name: str) -> dict[str, Any]:
        """The largest number of sessions in real time."""
        guess, finest = (64, 8) if name == "ours" else (8, 1)
        return largest(
            lambda sessions: self.level(name, sessions, window(self._seconds, sessions)),
            first_guess=guess,
            finest=finest,
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.peers", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--python", required=True, help="the peers' own interpreter")
    parser.add_argument("--sessions", type=int, nargs="*", default=[8], help="levels")
    parser.add_argument("--seconds", type=float, default=20, help="per level")
    parser.add_argument("--max", dest="find_max", action="store_true", help="also the most sessions of each")
    parser.add_argument("--only", choices=["ours", *PEERS], action="append")
    parser.add_argument("--json", dest="json_to", type=Path)
    parser.add_argument("--markdown", dest="markdown_to", type=Path)
    chosen = parser.parse_args()
    names = chosen.only or ["ours", *PEERS]
    field = _Field(chosen.python, chosen.seconds)
    report: dict[str, Any] = {
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
        "seconds": chosen.seconds,
        "profiles": {name: (OURS if name == "ours" else PEERS[name].profile).as_dict() for name in names},
        "figures": {name: {"levels": []} for name in names},
    }
    # All of them at a level before the next one: the machine's moods are then the same for each.
    steps = [(name, sessions) for sessions in chosen.sessions for name in names]
    steps += [(name, 0) for name in names if chosen.find_max]
    for name, sessions in steps:
        if sessions:
            report["figures"][name]["levels"].append(field.level(name, sessions))
        else:
            report["figures"][name]["max"] = field.most(name)
        report["ratios"] = ratios(report["figures"])
        if chosen.json_to:
            chosen.json_to.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        if chosen.markdown_to:
            chosen.markdown_to.write_text(markdown(report), encoding="utf-8")
    print(markdown(report))
    return 0 if all(each["valid"] for each in rows(report["figures"])) else 3


if __name__ == "__main__":
    raise SystemExit(main())
