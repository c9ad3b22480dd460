"""Does what ``docker build`` and ``docker run`` would do, without Docker, without root and in one folder.

    python -m tests.docker.dry_run FOLDER

There is no image: the steps run with this machine's Python instead of the base's, and every absolute path
of the Dockerfile lies under FOLDER (its build argument ``ROOT``). What that leaves unproven is the base
image itself. As root, everything runs as the image's own user.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
_FLAG = re.compile(r"--(\S+?)=(\S+)\s+")


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a Dockerfile; ``flags`` as in ``--from=build``."""

    name: str
    text: str
    flags: dict[str, str]


def steps(dockerfile: str) -> list[Step]:
    """Comments left out, continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    found = []
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, text = line.strip().partition(" ")
            flags: dict[str, str] = {}
            while match := _FLAG.match(text):
                flags[match[1]] = match[2]
                text = text[match.end() :]
            found.append(Step(name, text, flags))
    return found


@dataclass
class Machine:
    """Where the steps happen: ``root`` holds what the image would hold; ``env`` what ENV and ARG said."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def do(self, step: Step) -> None:
        """Raises CalledProcessError."""
        match step.name:
            case "ARG":
                name, _, value = step.text.partition("=")
                self.env.setdefault(name, self._fill(value.strip('"')))
            case "ENV":
                for pair in shlex.split(self._fill(step.text)):
                    name, _, value = pair.partition("=")
                    self.env[name] = self._moved(value) if value in ("/data", "/models") else value
            case "WORKDIR":
                self.cwd = self.root / step.text.lstrip("/")
                self.cwd.mkdir(parents=True, exist_ok=True)
            case "COPY" if "from" not in step.flags:
                *sources, to = self._fill(step.text).split()
                for source in sources:
                    copy(ROOT / source, self.cwd / to)
            case "RUN":
                self.run(["sh", "-ec", step.text])
            case "HEALTHCHECK":
                self.health = json.loads(step.text[step.text.index("CMD") + 3 :])
            case "ENTRYPOINT" | "CMD":
                self.command += json.loads(step.text)

    def run(self, command: list[str]) -> None:
        print("+", *command, file=sys.stderr)
        subprocess.run(command, cwd=self.cwd, env=self.environment(), check=True, **self.user())

    def environment(self) -> dict[str, str]:
        # The package index of the machine's owner takes the place of the build secret.
        index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return {"PATH": os.environ["PATH"], "HOME": str(self.root)} | index | self.env

    def user(self) -> dict[str, int]:
        return {"user": 10001, "group": 10001} if os.geteuid() == 0 else {}

    def _fill(self, text: str) -> str:
        known = {"PATH": os.environ["PATH"], **self.env}
        return re.sub(r"\$\{(\w+)\}", lambda match: known[match[1]], text)

    def _moved(self, path: str) -> str:
        return str(self.root / path.lstrip("/"))


def copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to / source.name if to.is_dir() else to)


def build(root: Path) -> Machine:
    """Every step of the Dockerfile, under ``root``."""
    machine = Machine(root, {"ROOT": str(root)})
    for step in steps(DOCKERFILE.read_text(encoding="utf-8")):
        machine.do(step)
        if step.name == "WORKDIR" and os.geteuid() == 0:
            os.chown(root, 10001, 10001)
            os.chown(machine.cwd, 10001, 10001)
            for each in (root / "opt",):
                each.mkdir(exist_ok=True)
                os.chown(each, 10001, 10001)
    return machine


def serve(machine: Machine) -> None:
    """Starts the image's command on a read-only tree, asks for its health, and ends it as Docker does.

    Raises:
        RuntimeError: it was not healthy within a minute, or did not end by itself.
    """
    subprocess.run(["chmod", "-R", "a-w", str(machine.root / "opt")], check=True)
    command = [each if each != "8080" else "18080" for each in machine.command]
    health = [each.replace("8080", "18080") for each in machine.health]
    server = subprocess.Popen(command, cwd=machine.cwd, env=machine.environment(), **machine.user())
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(health, env=machine.environment(), stderr=subprocess.DEVNULL).returncode:
            if time.monotonic() > deadline or server.poll() is not None:
                raise RuntimeError("the server is not healthy")
            time.sleep(0.5)
        server.send_signal(signal.SIGTERM)
        if code := server.wait(20):
            raise RuntimeError(f"the server ended with {code}")
    finally:
        server.kill()
        server.wait()
        subprocess.run(["chmod", "-R", "u+w", str(machine.root / "opt")], check=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True)
    serve(build(folder))
    print("built, healthy, ended")
