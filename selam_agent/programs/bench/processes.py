"""What a process and all that it started use, as Linux tells it; elsewhere the process itself alone."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Used:
    """``rss_mb``: resident memory now; ``peak_rss_mb``: the most there was."""

    pid: int
    cpu_s: float
    rss_mb: float
    peak_rss_mb: float


def family(pid: int) -> list[Used]:
    """The process, then its living descendants. Empty if it is gone."""
    if not sys.platform.startswith("linux"):
        return [_self()]
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    members, found = [pid], {pid}
    while found:
        found = {child for child, parent in parents.items() if parent in found}
        members += sorted(found)
    used = []
    for each in members:
        with contextlib.suppress(OSError, KeyError):
            used.append(_used(each))
    return used


def _used(pid: int) -> Used:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    user, system = _stat(pid)[11:13]
    # A process that has ended, but whose parent has not looked, has no memory any more: KeyError.
    rss, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return Used(pid, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), rss, peak)


def _stat(pid: int) -> list[str]:
    """Fields of proc(5) after the name, which may hold anything: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _self() -> Used:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Used(os.getpid(), sum(os.times()[:2]), peak, peak)
