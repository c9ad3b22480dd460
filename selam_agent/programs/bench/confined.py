"""A limit of memory for the measured server, by a control group (cgroup v2) where one may be made."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
# Names the groups of this process.
_OWN = Path("/proc/self/cgroup")
_ONE_PROCESSOR = "100000 100000"
_LEAVES_S = 3.0


@contextlib.contextmanager
def control_group(limit_mb: int, root: Path = _ROOT, own: Path = _OWN) -> Iterator[Path | None]:
    """A group with this memory, no swap and one processor, beside this process' own; None: not permitted.

    What still runs in it at the end is killed.
    """
    group = _beside(root, own)
    try:
        if group is not None:
            group.mkdir()
            (group / "memory.max").write_text(str(limit_mb << 20))
            # Without these two the server has what the machine has, and its own pinning.
            for name, value in (("memory.swap.max", "0"), ("cpu.max", _ONE_PROCESSOR)):
                with contextlib.suppress(OSError):
                    (group / name).write_text(value)
    except OSError:
        if group is not None:
            _remove(group)
        group = None
    try:
        yield group
    finally:
        if group is not None:
            _remove(group)


def enter(group: Path) -> tuple[str, ...]:
    """A command that goes into the group and becomes the command that follows."""
    return ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group))


def killed_for_memory(group: Path) -> int:
    """How many processes of the group the kernel has killed."""
    for line in (group / "memory.events").read_text().splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill":
            return int(number)
    return 0


def _beside(root: Path, own: Path) -> Path | None:
    """Where the group is to be; None without cgroup v2."""
    if not (root / "cgroup.controllers").is_file():
        return None
    try:
        named = [line for line in own.read_text().splitlines() if line.startswith("0::")]
    except OSError:
        return None
    path = named[0].removeprefix("0::").strip("/") if named else ""
    if ".." in path.split("/"):  # outside of what this process may see
        return None
    at = root / path
    # Processes may only live in the leaves (cgroups(7), "no internal processes"): a sibling, not a child.
    return (at if at == root else at.parent) / f"selam-bench-{os.getpid()}"


def _remove(group: Path) -> None:
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    until = time.monotonic() + _LEAVES_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)
