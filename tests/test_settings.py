"""Settings: one tree, two sources, and mistakes that say what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from selam_agent.app import App
from selam_agent.errors import SettingsError
from selam_agent.settings_file import load


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "selam.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_fresh_machine_needs_none() -> None:
    settings = load(environ={})
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.turns.interruption == "semantic"


def test_the_environment_overrides_the_file_and_the_command_line_both(tmp_path: Path) -> None:
    path = write(tmp_path, '[server]\nport = 1\nhost = "a"\n[turns]\nlead_ms = 100\n')
    environ = {"SELAM_SERVER__PORT": "2", "SELAM_SERVER__HOST": "b"}
    settings = load(path, environ, server__port=3, server__host=None)
    assert (settings.server.port, settings.server.host, settings.turns.lead_ms) == (3, "b", 100)


def test_only_names_with_two_underscores_are_settings() -> None:
    assert load(environ={"SELAM_API_KEY": "sk", "SELAM_CI": "1", "OTHER__X": "1"}) == load(environ={})


@pytest.mark.parametrize("text", ['["https://a", "https://b"]', "https://a, https://b"])
def test_lists_in_the_environment(text: str) -> None:
    settings = load(environ={"SELAM_SERVER__CORS_ORIGINS": text})
    assert settings.server.cors_origins == ["https://a", "https://b"]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SELAM_SERVER__PROT": "1"}, r"server\.prot.*server\.port"),
        ({"SELAM_SEVER__PORT": "1"}, r"sever.*server"),
        ({"SELAM_SERVER__PORT": "many"}, r"server\.port.*many"),
        ({"SELAM_TURNS__INTERRUPTION": "never"}, r"turns\.interruption"),
        ({"SELAM_STT__OPTIONS": "{"}, r"SELAM_STT__OPTIONS.*JSON"),
    ],
)
def test_mistakes_in_the_environment(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(environ=environ)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 1", "port"),
        ("server = 1", r"server: must be a table"),
        ("[server]\nprot = 1", r"did you mean 'server\.port'"),
        ("[server", "selam.toml"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(write(tmp_path, text), environ={})


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load(tmp_path / "nowhere.toml", environ={})


async def test_offline_refuses_engines_that_leave_the_machine(tmp_path: Path) -> None:
    environ = {"SELAM_LLM__BASE_URL": "https://llm.example/v1", "SELAM_LLM__MODEL": "m"}
    settings = load(environ=environ, server__offline=True, server__data_dir=tmp_path)
    with pytest.raises(SettingsError, match="would leave this machine"):
        await App.build(settings, api_key="sk-selam-test")
