"""The pages under ``docs/`` are true: programs run, settings and files are accepted, links lead on."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from selam_agent.app import App
from selam_agent.engines.flow_format import load_flow
from selam_agent.errors import SettingsError
from selam_agent.languages import packs
from selam_agent.languages.clock import say_time, spoken_now
from selam_agent.languages.speakable import speakable
from selam_agent.settings_file import load
from tests.clients.tools import HERE as CLIENTS
from tests.clients.tools import need_node
from tests.speech import spoken
from tests.wire.doors import KEY, running, scripted

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
TALK = "caller: hello there\nagent: Good day to you.\n"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGES[page], flags=re.S)


def names_of(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example"}
    exec(code, names)
    return names


async def test_the_quickstart_talks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("quickstart", "python")
    async with running(tmp_path) as app:
        await asyncio.wait_for(names_of(code)["ask"](app.url, KEY, spoken("Good morning to you.")), 20)
    assert capsys.readouterr().out == TALK


async def test_the_javascript_client_talks(tmp_path: Path) -> None:
    node = need_node()
    (code,) = blocks("clients", "js")
    script, pcm = CLIENTS / "node_modules" / "ask.mjs", tmp_path / "question.pcm"
    script.write_text(code, encoding="utf-8")
    pcm.write_bytes(spoken("Good morning to you."))
    async with running(tmp_path / "data") as app:
        done = await asyncio.to_thread(
            subprocess.run,
            [node, script, app.url, KEY, pcm],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert (done.stdout, done.stderr) == (TALK, "")


async def test_a_python_client_comes_back(tmp_path: Path) -> None:
    from selam_agent.client import SelamClient

    (code,) = blocks("clients", "python")
    async with running(tmp_path) as app:
        first = SelamClient(app.url, api_key=KEY, voice="aria")
        await first.connect()
        await first.start_session(language="en")
        first._sio.eio.ws._response.connection.transport.abort()  # the network breaks
        assert first.resume_token
        async with asyncio.timeout(20):
            assert await names_of(code)["come_back"](app.url, KEY, first.resume_token)
        await first.close()


@pytest.mark.parametrize("page", sorted(page for page in PAGES if "```toml" in PAGES[page]))
def test_settings_in_the_pages_are_accepted(page: str, tmp_path: Path) -> None:
    for block in blocks(page, "toml"):
        if block.startswith("["):  # files of another kind begin with their name
            path = tmp_path / "selam.toml"
            path.write_text(block, encoding="utf-8")
            load(path, environ={})


def test_settings_named_in_the_text_exist() -> None:
    tree = load(environ={}).model_dump()
    for page, text in PAGES.items():
        for section, name in re.findall(r"`([a-z]+)\.([a-z_]+)`", text):
            if section in tree:
                assert name in tree[section], f"{page}: {section}.{name}"


def test_the_flow_can_be_read(tmp_path: Path) -> None:
    (block,) = blocks("flows", "toml")
    path = tmp_path / "pharmacy.toml"
    path.write_text(block, encoding="utf-8")
    flow = load_flow(path, packs.load())
    assert list(flow.tasks["order"].result) == ["packs", "day"]


async def test_the_engine_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("adding-an-engine", "python")
    (tmp_path / "parrot.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (block,) = blocks("adding-an-engine", "toml")
    path = tmp_path / "selam.toml"
    path.write_text(block, encoding="utf-8")
    settings = load(path, environ={}, server__data_dir=tmp_path)
    from selam_agent.engines.catalog import build_chat_model

    model = build_chat_model(settings, packs.load())
    said: list[str] = []
    async with running(tmp_path, engines=scripted(chat_model=model)) as app:
        (ask,) = blocks("quickstart", "python")
        names = names_of(ask) | {"print": lambda *words: said.append(" ".join(words))}
        names["ask"].__globals__.update(names)
        await asyncio.wait_for(names["ask"](app.url, KEY, spoken("Good morning to you.")), 20)
    assert said == ["caller: hello there", "agent: hello there hello there"]


async def test_the_door_lets_callers_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("adding-a-protocol", "python")
    (tmp_path / "pcm_door.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (block,) = blocks("adding-a-protocol", "toml")
    path = tmp_path / "selam.toml"
    path.write_text(block, encoding="utf-8")
    doors = load(path, environ={}).server.doors
    async with running(tmp_path, doors=doors) as app, aiohttp.ClientSession() as http:
        url = f"{app.url}/v1/pcm"
        async with http.get(url) as refused:
            assert refused.status == 401
        async with http.ws_connect(url, headers={"X-API-Key": KEY}) as socket, asyncio.timeout(20):
            await socket.send_bytes(spoken("Good morning to you.") + bytes(48_000))
            heard, audio = list[str](), b""
            while len(heard) < 2 or not audio:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    audio += message.data
                else:
                    heard.append(message.data)
    assert [json.loads(each) for each in heard] == [{"caller": "hello there"}, {"agent": "Good day to you."}]


@pytest.mark.parametrize("name", ["import:nowhere:Door", "import:json:loads", "import:selam_agent.app:App"])
async def test_a_door_that_is_none_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"server\.doors"):
        async with running(tmp_path, doors=[name]):
            pass


def _language(tmp_path: Path) -> Path:
    block, _ = blocks("adding-a-language", "toml")
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "sw.toml").write_text(block, encoding="utf-8")
    return folder


def test_the_language_is_spoken(tmp_path: Path) -> None:
    known = packs.load(more=_language(tmp_path))
    swahili = known["sw"]
    assert set(known.languages) == {"am", "en", "om", "so", "sw", "ti"}
    assert speakable("20", swahili).text == "ishirini"
    assert say_time(time(9), swahili) == "saa 3 asubuhi"


async def test_a_server_takes_the_language(tmp_path: Path) -> None:
    settings = load(environ={}, server__voices_dir=_language(tmp_path), server__data_dir=tmp_path)
    app = await App.build(settings, api_key=KEY, engines=scripted())
    assert "zuri" in {row["name"] for row in app.voices()}


def test_pages_link_to_pages() -> None:
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            path = (DOCS / target).resolve()
            # The site holds nothing else.
            inside = path.exists() and path.is_relative_to(DOCS)
            assert target.startswith("http") or inside, f"{page}: {target}"


def test_every_page_is_in_the_menu() -> None:
    menu = (DOCS.parent / ".ci" / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page for page in PAGES if f"- {page}.md" not in menu] == []


def test_the_preambles_are_those_of_the_packs() -> None:
    shown = [block.strip() for block in blocks("translation", "text")]
    assert shown == [packs.load()[code].preamble.strip() for code in ("en", "am", "ti", "so", "om")]
    now = datetime(2026, 11, 20, 11, tzinfo=ZoneInfo("Africa/Addis_Ababa"))
    assert f'"{spoken_now(now, packs.load()["am"])}"' in " ".join(PAGES["translation"].split())
