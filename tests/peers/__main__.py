"""Ours beside LiveKit's agent core and Pipecat's defaults: the same audio, instant engines, one machine.

    python -m venv peers && peers/bin/pip install -r tests/peers/requirements.txt
    python -m tests.peers --python peers/bin/python --sessions 8 --seconds 20

Each peer keeps its own defaults; its figures are over *its* configured silence and threshold.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from selam_agent.event_loop import run
from selam_agent.programs.bench.crowd import CrowdFailed
from selam_agent.programs.bench.profile import VARIANTS, Profile
from selam_agent.programs.bench.run import (
    ServerFailed,
    level,
    machine,
    measure,
    measured_server,
    pinned,
    processors,
)
from selam_agent.programs.bench.speech import Speech, make_speech
from tests.peers.raw_audio import RawDialect

_ROOT = Path(__file__).resolve().parents[2]
_OURS = VARIANTS["base"]
# LiveKit: the VAD's end of speech (550 ms, over the 500 ms of min_endpointing_delay) and
# min_interruption_duration. Pipecat: VADParams.stop_secs and start_secs; Smart Turn comes on top.
_PEERS = {
    "livekit": replace(_OURS, name="livekit", silence_ms=550, barge_in_ms=500),
    "pipecat": replace(_OURS, name="pipecat", silence_ms=200, barge_in_ms=200),
}
_COMPARED = (
    "cpu_ms_per_session_second",
    "rss_mb_per_session",
    "v2v_over_silence_ms_p50",
    "v2v_over_silence_ms_p95",
    "barge_in_over_threshold_ms_p50",
    "underruns",
    "silent_ms_per_reply_p95",
    "missed_turns",
    "missed_barge_ins",
)


async def peer_level(
    python: str, name: str, profile: Profile, speech: Speech, sessions: int, seconds: float
) -> dict[str, Any]:
    """Measures a peer as ``bench`` measures ours."""
    places = processors()
    place = "-" if places.server is None else str(places.server)
    command = (python, "-m", f"tests.peers.{name}_server", place)
    # No look-ups over the network, and one thread for each model: there is one processor.
    environment = {"PYTHONPATH": str(_ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    async with measured_server(*command, environment=environment) as server:
        with pinned(places.callers):
            return await measure(server, RawDialect(), profile, speech, sessions, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("--python", required=True, help="the peers' own interpreter")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", choices=["ours", *_PEERS], action="append")
    parser.add_argument("--json", dest="json_to")
    chosen = parser.parse_args()
    speech = make_speech(_OURS.packet_ms)
    figures: dict[str, dict[str, Any]] = {}
    for name in chosen.only or ["ours", *_PEERS]:
        print(f"{name}: {chosen.sessions} sessions, {chosen.seconds:g} s …", file=sys.stderr)
        try:
            if name == "ours":
                work = level(_OURS, speech, chosen.sessions, chosen.seconds)
            else:
                work = peer_level(chosen.python, name, _PEERS[name], speech, chosen.sessions, chosen.seconds)
            figures[name] = run(work)
        except (ServerFailed, CrowdFailed) as error:
            print(f"{name} failed: {error}", file=sys.stderr)
    _print(figures)
    if chosen.json_to:
        report = {"machine": machine(), "figures": figures}
        Path(chosen.json_to).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if all(each["valid"] for each in figures.values()) else 3


def _print(figures: dict[str, dict[str, Any]]) -> None:
    print(f"{'':34}" + "".join(f"{name:>12}" for name in figures))
    for key in _COMPARED:
        cells = [figures[name][key] for name in figures]
        print(f"{key:34}" + "".join(f"{'–' if each is None else format(each, 'g'):>12}" for each in cells))
    ours = figures.get("ours")
    for name in figures if ours else ():
        if name != "ours":
            ratio = figures[name]["cpu_ms_per_session_second"] / ours["cpu_ms_per_session_second"]
            print(f"CPU: {name} takes {ratio:.1f} times ours")


if __name__ == "__main__":
    raise SystemExit(main())
