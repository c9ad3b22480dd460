"""The README is true: its examples run, its settings exist, its links lead somewhere."""

from __future__ import annotations

import asyncio
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selam_agent import cli, events
from selam_agent.client import SelamClient
from selam_agent.languages import packs
from selam_agent.settings_file import load
from tests.speech import spoken
from tests.wire.doors import KEY, running

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


async def test_the_python_client_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = [block for block in blocks("python") if "SelamClient" in block]
    names: dict[str, object] = {}
    exec(code, names)
    ask = names["ask"]
    assert callable(ask)
    async with running(tmp_path) as app:
        await asyncio.wait_for(ask(app.url, KEY, spoken("Good morning to you.")), 20)
    assert capsys.readouterr().out == "caller: hello there\nagent: Good day to you.\n"
    assert names["SelamClient"] is SelamClient


def test_the_settings_exist(tmp_path: Path) -> None:
    for block in blocks("toml"):
        path = tmp_path / "selam.toml"
        path.write_text(block, encoding="utf-8")
        assert tomllib.loads(block)
        load(path, environ={})


def test_settings_named_in_the_text_exist() -> None:
    tree = load(environ={}).model_dump()
    named = set(re.findall(r"`(server|stt|llm|tts|audio|turns)\.([a-z_]+)`", README))
    assert named
    for section, field in named:
        assert field in tree[section], f"{section}.{field}"


def test_every_event_of_the_protocol_table_exists() -> None:
    known = {each.name for each in vars(events).values() if isinstance(each, type) and hasattr(each, "name")}
    table = README.split("| You receive |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert named <= known, named - known
    assert {"connected", "audio_chunk", "clear", "warning"} <= named


def test_every_language_has_its_row() -> None:
    for pack in packs.load():
        (row,) = re.findall(rf"^\| [^|]*`{pack.code}` \|.*$", README, flags=re.M)
        assert ("**needed**" in row) == pack.needs_review


def test_the_table_of_languages_is_the_one_that_the_command_makes() -> None:
    made = CliRunner().invoke(cli.main_app, ["languages", "--markdown"]).stdout.strip()
    assert made in README, "run: selam-agent languages --write README.md"


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    if not target.startswith("http"):
        assert (ROOT / target).exists(), target


def test_the_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in set(re.findall(r"(?:^|`)make ([a-z-]+)", README, flags=re.M)):
        assert re.search(rf"^{name}:", makefile, flags=re.M), name
