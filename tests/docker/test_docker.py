"""The files under ``docker/``, as far as they can be judged without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from selam_agent.settings import Settings
from tests.docker import dry_run

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
STEPS = dry_run.steps(dry_run.DOCKERFILE.read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
_PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?[\w.-]*")


def _texts(name: str) -> list[str]:
    return [step.text for step in STEPS if step.name == name]


def test_bases_are_pinned() -> None:
    (base,) = [each.partition("=")[2] for each in _texts("ARG") if each.startswith("BASE=")]
    assert _PINNED.fullmatch(base)
    assert {each.split()[0] for each in _texts("FROM")} == {"${BASE}"}
    images = [service["image"] for service in COMPOSE["services"].values()]
    assert all(_PINNED.fullmatch(image) for image in images), images


def test_the_image_runs_without_root_and_without_build_tools() -> None:
    last = STEPS[max(at for at, step in enumerate(STEPS) if step.name == "FROM") :]
    assert [step.text for step in last if step.name == "USER"] == ["10001:10001"]
    assert not [step for step in last if step.name == "RUN"]
    assert next(step for step in last if step.name == "VOLUME").text == '["/data", "/models"]'


def test_no_secret_is_built_in() -> None:
    for file in DOCKER.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"sk-[\w-]{12,}|(?i:password\s*[:=]\s*\S)", text), file.name
    assert not [each for each in (*_texts("ARG"), *_texts("ENV")) if "KEY" in each]


def test_only_the_sources_reach_the_build() -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        part for step in STEPS if step.name == "COPY" and not step.flags for part in step.text.split()[:-1]
    }
    assert "*" in lines
    assert allowed == copied
    assert all((ROOT / each).exists() for each in copied)


def test_compose_matches_its_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DOCKER / "compose.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_compose_starts_the_server_alone_and_read_only() -> None:
    alone = [name for name, service in COMPOSE["services"].items() if not service.get("profiles")]
    server = COMPOSE["services"]["selam-agent"]
    assert alone == ["selam-agent"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert all(
        port.startswith("127.0.0.1:")
        for each in COMPOSE["services"].values()
        for port in each.get("ports", [])
    )


def test_every_setting_named_exists() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in DOCKER.iterdir())
    for section, name in re.findall(r"SELAM_([A-Z]+)__([A-Z_]+)", text):
        model = Settings.model_fields[section.lower()].annotation
        assert name.lower() in model.model_fields, (section, name)  # type: ignore[union-attr]


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed: its example is not parsed")
def test_nginx_accepts_its_example(tmp_path: Path) -> None:
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x"]
    subprocess.run(
        [*key, "-keyout", tmp_path / "key", "-out", tmp_path / "cert"], check=True, capture_output=True
    )
    site = (DOCKER / "nginx.conf").read_text(encoding="utf-8")
    site = re.sub(r"(ssl_certificate_key\s+)\S+;", rf"\1{tmp_path}/key;", site)
    site = re.sub(r"(ssl_certificate\s+)\S+;", rf"\1{tmp_path}/cert;", site)
    site = site.replace("/var/log/nginx/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; events {{}}\nhttp {{ {site} }}\n")
    command = ["nginx", "-t", "-e", tmp_path / "errors", "-c", tmp_path / "nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.exhaustive
def test_every_step_of_the_image_works(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    for each in [*tmp_path.parents, tmp_path]:  # the image's user has to get in
        if each.stat().st_uid == tmp_path.stat().st_uid and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o011)
    dry_run.serve(dry_run.build(folder))
