"""What the doctor finds, on machines that lack one thing each."""

from __future__ import annotations

import importlib.metadata
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from selam_agent import cli
from selam_agent.programs import doctor
from selam_agent.programs.doctor import Finding
from selam_agent.settings import Settings
from tests.engines import tiny_whisper

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELAM_SERVER__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SELAM_SERVER__PORT", "0")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


async def examined(monkeypatch: pytest.MonkeyPatch, **env: Any) -> dict[str, Finding]:
    """With settings from the environment, names by their section and field."""
    for name, value in env.items():
        monkeypatch.setenv(f"SELAM_{name}", value if isinstance(value, str) else json.dumps(value))
    return {each.name: each for each in await doctor.examine(None, None)}


async def test_a_fresh_machine_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await examined(monkeypatch)
    states = {name: each.state for name, each in found.items()}
    assert "fail" not in states.values() and "warn" not in states.values()
    assert states["python"] == states["data directory"] == states["port"] == states["keys"] == "ok"
    assert states["recogniser command"] == "ok" and "fixed phrases" in found["recogniser command"].text
    assert states["voices of espeak"] == "ok" and found["voices of espeak"].text == "speaks"
    assert states["language model"] == "off" and states["voices of edge"] == "off"


async def test_what_is_wrong_is_told_with_what_mends_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (home / "file").touch()
        found = await examined(
            monkeypatch,
            SERVER__PORT=str(taken.getsockname()[1]),
            SERVER__DATA_DIR=str(home / "file" / "below"),
            STT__MODELS={"ti": "whisper:small"},
            TTS__ENGINE="nobody",
            LLM__BASE_URL="https://llm.example/v1",
            LLM__MODEL="m",
        )
    failed = {name: each for name, each in found.items() if each.state == "fail"}
    assert failed.keys() == {"data directory", "port", "keys", "recogniser", "voices", "language model"}
    assert failed["port"].mend == "selam-agent serve --port 0"
    assert "SELAM_SERVER__DATA_DIR" in failed["data directory"].mend
    assert failed["recogniser"].mend == "selam-agent models pull omnilingual-300m"
    assert 'allow = ["openai"]' in failed["language model"].text


async def test_a_missing_extra_and_a_missing_dependency_are_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sherpa_onnx", None)
    (home / "omnilingual").mkdir()
    (home / "omnilingual" / "model.onnx").touch()
    (home / "omnilingual" / "tokens.txt").touch()
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["aiohttp>=3", "no-such-thing>=1; x"])
    found = await examined(monkeypatch, STT__MODELS={"am": f"sherpa:{home / 'omnilingual'}"})
    assert found["recogniser"].mend == "pip install 'selam-agent[sherpa]'"
    assert found["dependencies"].state == "fail" and "no-such-thing" in found["dependencies"].text


@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (404, "ok"), (401, "fail"), (503, "fail")])
async def test_a_language_model_is_reached_for(status: int, state: str) -> None:
    asked: list[str | None] = []

    async def models(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    settings = Settings(llm={"base_url": url, "model": "m", "api_key": "k"})
    (found,) = await doctor._model(settings)
    assert found.state == state and asked == ["Bearer k"]
    await runner.cleanup()
    (found,) = await doctor._model(settings)
    assert found.state == "fail" and "cannot be reached" in found.text


async def test_stock_whisper_is_warned_about(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_whisper.build(home / "whisper", ["en", "so", "am"])
    found = [each for each in await _with_model(monkeypatch, model) if each.name.startswith("recogniser")]
    assert [each.state for each in found] == ["ok", "ok", "warn", "warn"]
    assert "Amharic" in found[2].text and found[2].mend == "selam-agent models pull omnilingual-300m"


async def _with_model(monkeypatch: pytest.MonkeyPatch, model: Path) -> list[Finding]:
    monkeypatch.setenv("SELAM_STT__MODEL", str(model))
    return await doctor.examine(None, None)


async def test_no_server_is_asked_that_may_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("aiohttp.ClientSession.get", refuse)
    found = await examined(
        monkeypatch, SERVER__OFFLINE="true", PRIVACY__ALLOW=["edge"], TTS__BASE_URL="https://tts.example/v1"
    )
    assert "fail" not in {each.state for each in found.values()}


def test_a_wrong_setting_ends_the_examination(home: Path) -> None:
    (home / "selam.toml").write_text("[server]\nprot = 1\n")
    result = RUNNER.invoke(cli.main_app, ["doctor"])
    assert result.exit_code == 1 and "did you mean 'server.port'" in result.output


def test_json_and_exit_code(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELAM_API_KEY", "sk-selam-x")
    result = RUNNER.invoke(cli.main_app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 0 and report["ok"] is True
    keys = next(each for each in report["checks"] if each["name"] == "keys")
    assert keys == {"name": "keys", "state": "ok", "text": "0 valid and SELAM_API_KEY", "mend": ""}
    shown = RUNNER.invoke(cli.main_app, ["doctor"])
    assert shown.exit_code == 0 and "Ready: selam-agent serve" in shown.output
