"""The house rules that a reader may rely on: who imports whom, and what stays pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "selam_agent"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "train" not in path.parts)

# Each part may import itself, the contracts, and these (DESIGN §2).
CONTRACTS = {"errors", "ports", "events", "settings"}
ALLOWED: dict[str, set[str]] = {
    "audio": set(),
    "languages": set(),
    "dialogue": {"languages"},
    "session": {"dialogue", "languages", "audio"},
    "engines": {"languages", "audio", "models"},
    "wire": {"session", "languages", "audio", "store", "metrics"},
    "models": set(),
    "store": set(),
    "metrics": set(),
    "watch": {"metrics"},
    "client": set(),
}
PURE = ("dialogue", "languages", "audio")
IMPURE_IMPORTS = {"asyncio", "time", "socket", "threading", "aiohttp", "random", "subprocess"}


def part_of(path: Path) -> str:
    """The part of the house that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py").split("_")[0]


def imports_of(path: Path) -> set[str]:
    """Absolute names of all imported modules, wherever in the file the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names.add(module)
            if module == "selam_agent":
                names |= {f"selam_agent.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    if part not in ALLOWED:
        return  # app, cli and programs stand above all others
    for name in imports_of(path):
        if not name.startswith("selam_agent."):
            continue
        other = name.split(".")[1].split("_")[0]
        assert other in ALLOWED[part] | CONTRACTS | {part}, f"{part} must not import {name}"


def test_engines_and_wire_are_imported_by_the_top_only() -> None:
    for path in MODULES:
        part = part_of(path)
        for name in imports_of(path):
            if name.startswith(("selam_agent.engines", "selam_agent.wire")):
                other = name.split(".")[1]
                assert part in {other, "app", "cli", "programs"} or part.startswith("cli"), f"{path}: {name}"


@pytest.mark.parametrize("part", PURE)
def test_pure_parts_know_no_clock_and_no_io(part: str) -> None:
    for path in (PACKAGE / part).rglob("*.py"):
        found = {name.split(".")[0] for name in imports_of(path)} & IMPURE_IMPORTS
        assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_events_leave_through_one_door() -> None:
    emitters = [
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if part_of(path) == "wire"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "emit"
    ]
    assert len(set(emitters)) == 1, f"emit outside the outlet: {emitters}"


def test_heavy_libraries_are_imported_late() -> None:
    heavy = {"faster_whisper", "ctranslate2", "openai", "edge_tts", "torch"}
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        for node in top:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found = {name.split(".")[0] for name in names} & heavy
            assert not found, f"{path.relative_to(ROOT)} imports {found} when it is imported"


def test_there_is_no_utils() -> None:
    assert not [path for path in MODULES if path.stem in {"utils", "helpers", "common", "misc"}]


def test_nothing_outside_the_settings_reads_the_environment() -> None:
    for path in MODULES:
        if part_of(path) in {"settings", "app", "cli", "programs"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}:
                assert path.name in ENVIRONMENT_WRITERS, f"{path.relative_to(ROOT)} reads the environment"


# A child process gets a clean environment.
ENVIRONMENT_WRITERS = {"tts_espeak_process.py"}
