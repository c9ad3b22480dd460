"""The command line: quick to ask, exact in what it refuses."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selam_agent import __version__, cli

RUNNER = CliRunner()


def run(*arguments: str, data: Path, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "SELAM_SERVER__DATA_DIR": str(data), "HOME": str(data), **env}
    command = [sys.executable, "-m", "selam_agent", *arguments]
    return subprocess.run(
        command,
        env=environment,
        cwd=data,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def test_version_and_help_load_no_engine(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['selam-agent', '--help']\n"
        "from selam_agent import cli\n"
        "try: cli.main()\n"
        "finally: sys.exit(bool({'numpy', 'socketio', 'aiohttp', 'av', 'faster_whisper'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30).returncode == 0
    assert RUNNER.invoke(cli.main_app, ["--version"]).output == f"selam-agent {__version__}\n"


def test_a_setting_that_cannot_be_used_is_one_sentence_and_two(tmp_path: Path) -> None:
    wrong = run("serve", data=tmp_path, SELAM_TURNS__SILENCE="5")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "selam-agent: unknown setting 'turns.silence'; did you mean 'turns.silence_ms'?\n"
    missing = run("serve", "--config", "none.toml", data=tmp_path)
    assert missing.returncode == 2 and missing.stderr == "selam-agent: none.toml: no such file\n"
    taken = run("keys", "create", "--tier", "GOLD", data=tmp_path)
    assert taken.returncode == 2 and "FREE, BETA, PRO, OWNER" in taken.stderr


def test_keys_are_made_listed_and_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELAM_SERVER__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    assert "no keys yet" in RUNNER.invoke(cli.main_app, ["keys", "list"]).output
    made = RUNNER.invoke(cli.main_app, ["keys", "create", "--name", "front desk"]).output
    key_id, secret = (line.split()[1] for line in made.splitlines()[:2])
    listed = RUNNER.invoke(cli.main_app, ["keys", "list"]).output
    assert key_id in listed and "front desk" in listed and "OWNER" in listed and secret not in listed
    assert f"{key_id} is revoked" in RUNNER.invoke(cli.main_app, ["keys", "revoke", key_id]).output
    assert "revoked 2" in RUNNER.invoke(cli.main_app, ["keys", "list"]).output


def test_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    somali = RUNNER.invoke(cli.main_app, ["voices", "--language", "so"]).output
    assert "ubax" in somali and "muuse" in somali and "mekdes" not in somali


def test_talk_says_what_is_no_sound(tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("not a sound")
    for name, reason in (("none.wav", "no such file"), ("notes.wav", "not a sound file")):
        answer = run("talk", str(tmp_path / name), data=tmp_path)
        assert answer.returncode == 1 and reason in answer.stderr
    with wave.open(str(tmp_path / "empty.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    assert "no sound in it" in run("talk", str(tmp_path / "empty.wav"), data=tmp_path).stderr


def test_demo_knows_its_languages() -> None:
    refused = RUNNER.invoke(cli.main_app, ["demo", "--lang", "aa"])
    assert refused.exit_code == 2 and "am, so, en, om, ti and all" in refused.output


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = run("demo", "--lang", "en", "--out", "taken/demo", data=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "taken" in done.stderr and "Traceback" not in done.stderr
