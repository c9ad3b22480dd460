"""A few counts for ``/metrics``, in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter

_HELP = {
    "selam_connections_total": "Socket.IO connections, by outcome.",
    "selam_sessions_started_total": "Sessions started.",
    "selam_sessions_resumed_total": "Sessions taken up again by a client whose connection broke.",
    "selam_errors_total": "Error events sent to clients, by type.",
    "selam_slow_clients_total": "Connections cut because the client did not read.",
}


class Counters:
    """Monotonic counts, keyed by metric and one optional label."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, name: str, label: str = "", value: str = "") -> None:
        self._counts[name, label, value] += 1

    def exposition(self, gauges: dict[str, tuple[str, float]]) -> str:
        """``gauges``: name → (help, value) of what is measured at this moment."""
        lines: list[str] = []
        for name, (text, value) in gauges.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {value:g}"]
        for name, text in _HELP.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} counter"]
            rows = sorted((key, count) for key, count in self._counts.items() if key[0] == name)
            lines += [f"{name}{_label(key)} {count}" for key, count in rows] or [f"{name} 0"]
        return "\n".join(lines) + "\n"


def _label(key: tuple[str, str, str]) -> str:
    return f'{{{key[1]}="{key[2]}"}}' if key[1] else ""
