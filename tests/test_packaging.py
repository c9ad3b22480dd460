"""What a user gets from pip: a wheel outside the source tree that holds the offline conversation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from selam_agent.programs.story import AMHARIC

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # hatchling is a test tool of ours, so that the build needs no network.
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", str(folder), str(wheel)], check=True, timeout=120)
    return folder


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, *arguments], env=env, cwd=cwd, capture_output=True, text=True, timeout=150
    )


def test_the_wheel_has_everything_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {f"selam_agent/_voices/{code}.toml" for code in ("am", "so", "ti", "om", "en")}
    expected |= {f"selam_agent/_voices/flows/{flow}.toml" for flow in ("clinic_booking", "small_talk")}
    expected |= {f"selam_agent/engines/espeak_somali/{each}" for each in ("so_rules", "so_list")}
    expected |= {"selam_agent/wire/web/index.html", "selam_agent/programs/page.html", "selam_agent/py.typed"}
    expected |= {
        f"selam_agent/models/command/{each}" for each in ("model.bin", "config.json", "tokenizer.json")
    }
    assert expected - names == set()
    assert {name.split("/")[0] for name in names} == {"selam_agent", "selam_agent-0.1.0.dist-info"}
    assert wheel.stat().st_size < 8_000_000


def test_the_story_is_told_by_the_wheel_offline(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "-c", "import selam_agent; print(selam_agent.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed)
    told = run(installed, tmp_path, "-m", "selam_agent.cli", "demo", "--lang", "am", "--json", "report.json")
    assert told.returncode == 0, told.stderr[-3000:]
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    turns = len([line for line in AMHARIC.lines if not line.goes_on])
    score = report["languages"]["am"]
    assert score["turns"] == score["understood"] == score["exact"] == score["language_right"] == turns
    (call,) = report["calls"]
    assert call["problems"] == []
    assert call["duration_ms"] <= 35_000
    assert [turn["who"] for turn in call["turns"]].count("caller") == len(AMHARIC.lines)
    assert any(turn["who"] == "agent" and turn["interrupted"] for turn in call["turns"])
    assert call["result"]["at"].endswith("T09:00+03:00")
    assert (tmp_path / "demo" / "am.wav").stat().st_size > 500_000
    page = (tmp_path / "demo" / "index.html").read_text(encoding="utf-8")
    assert "data:audio/mpeg;base64," in page and AMHARIC.lines[-2].text in page
    assert "make serve" in told.stdout.splitlines()[-1]
