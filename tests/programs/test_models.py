"""Pulling models from a server of this machine that works, breaks off and lies."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from selam_agent import cli
from selam_agent.models.curated import CURATED, Artifact, Curated
from selam_agent.programs.models import PullFailed, check, find, pull

WEIGHTS = bytes(range(256)) * 12_000  # 3 MB: three pieces
TOKENS = b"<s> 0\n"


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as files:
        for name, content in (
            ("model.int8.onnx", WEIGHTS),
            ("test_wavs/en.wav", b"x"),
            ("tokens.txt", TOKENS),
        ):
            entry = tarfile.TarInfo(f"some-model/{name}")
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = archive()


class Hub:
    """Serves files; ``mode`` for the next answers: whole, break, status, or ignore a range."""

    def __init__(self) -> None:
        self.files = {"model.bin": WEIGHTS, "model.tar.bz2": ARCHIVE}
        self.modes: list[str] = []
        self.ranges: list[str | None] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = self.files.get(request.match_info["name"])
        given = request.headers.get("Range")
        self.ranges.append(given)
        mode = self.modes.pop(0) if self.modes else ""
        if body is None or mode == "404":
            return web.Response(status=404)
        start = 0
        if given and mode != "no ranges":
            start = int(given.removeprefix("bytes=").rstrip("-"))
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(body) - start
        await response.prepare(request)
        if mode == "break":
            await response.write(body[start : start + 1_500_000])
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write(body[start:])
        return response

    def model(self, name: str = "model.bin", **changes: Any) -> Curated:
        body = self.files.get(name, b"?")
        members = ("model.int8.onnx", "tokens.txt") if name.endswith("bz2") else ()
        about = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "members": members, **changes}
        artifact = Artifact(name=name, url=f"{self.url}/{name}", **about)
        return Curated(
            name="tiny", engine="sherpa", languages=("am",), licence="MIT", quality={}, source="",
            artifacts=(artifact,),
        )  # fmt: skip


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with serving() as made:
        yield made


@asynccontextmanager
async def serving() -> AsyncIterator[Hub]:
    made = Hub()
    app = web.Application()
    app.router.add_get("/{name}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def test_a_model_arrives_whole_under_its_name(hub: Hub, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    path = await pull(hub.model(), tmp_path, lambda *step: seen.append(step))
    assert path == tmp_path / "tiny" and (path / "model.bin").read_bytes() == WEIGHTS
    assert seen[-1] == ("model.bin", len(WEIGHTS), len(WEIGHTS)) and len(seen) > 1
    assert check(tmp_path) == {"tiny": []}
    assert os.listdir(tmp_path) == ["tiny"]
    # Once more costs no byte.
    await pull(hub.model(), tmp_path)
    assert len(hub.ranges) == 1


async def test_of_an_archive_only_what_is_needed_stays(hub: Hub, tmp_path: Path) -> None:
    path = await pull(hub.model("model.tar.bz2"), tmp_path)
    assert sorted(each.name for each in path.iterdir()) == ["model.int8.onnx", "pulled.json", "tokens.txt"]
    assert (path / "model.int8.onnx").read_bytes() == WEIGHTS


async def test_a_download_goes_on_where_it_broke_off(hub: Hub, tmp_path: Path) -> None:
    hub.modes = ["break"]
    with pytest.raises(PullFailed, match=r"broke off after .* the same command goes on") as caught:
        await pull(hub.model(), tmp_path)
    assert caught.value.retryable and not (tmp_path / "tiny").exists() and check(tmp_path) == {}
    path = await pull(hub.model(), tmp_path)
    first, second = hub.ranges
    assert first is None and second is not None and 0 < int(second[6:-1]) <= 1_500_000
    assert (path / "model.bin").read_bytes() == WEIGHTS


async def test_a_server_without_ranges_begins_anew(hub: Hub, tmp_path: Path) -> None:
    hub.modes = ["break", "no ranges"]
    with pytest.raises(PullFailed):
        await pull(hub.model(), tmp_path)
    assert ((await pull(hub.model(), tmp_path)) / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "is not the file that was expected"),
        ({"size": len(WEIGHTS) + 1}, "ended after 3.1 MB of 3.1 MB"),
        ({"size": len(WEIGHTS) - 1}, "is longer than"),
        ({"size": 10**15}, "free; tiny needs"),
    ],
)
async def test_what_is_not_the_expected_file_is_not_used(
    hub: Hub, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(PullFailed, match=message):
        await pull(hub.model(**changes), tmp_path)
    assert not (tmp_path / "tiny").exists()


async def test_a_wrong_file_is_fetched_anew_the_next_time(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(PullFailed):
        await pull(hub.model(sha256="0" * 64), tmp_path)
    await pull(hub.model(), tmp_path)
    assert hub.ranges == [None, None]


async def test_a_missing_file_and_a_broken_archive_are_told(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(PullFailed, match="answered with status 404"):
        await pull(hub.model("nothing.bin"), tmp_path)
    hub.files["broken.tar.bz2"] = ARCHIVE[:1000]
    with pytest.raises(PullFailed, match="cannot be unpacked"):
        await pull(hub.model("broken.tar.bz2"), tmp_path)
    with pytest.raises(PullFailed, match=r"lacks missing\.txt"):
        await pull(hub.model("model.tar.bz2", members=("missing.txt",)), tmp_path)
    with pytest.raises(PullFailed, match=r"broke off after 0\.0 MB"):
        hub.url = "http://127.0.0.1:9"
        await pull(hub.model(), tmp_path)


async def test_check_finds_what_has_changed(hub: Hub, tmp_path: Path) -> None:
    path = await pull(hub.model(), tmp_path)
    (path / "model.bin").write_bytes(b"y" + WEIGHTS[1:])
    assert check(tmp_path) == {"tiny": ["model.bin has changed"]}
    (path / "model.bin").write_bytes(b"short")
    assert check(tmp_path) == {"tiny": [f"model.bin has 5 bytes instead of {len(WEIGHTS)}"]}
    (path / "model.bin").unlink()
    assert check(tmp_path) == {"tiny": ["model.bin is missing"]}
    # A pull mends it.
    await pull(hub.model(), tmp_path)
    assert check(tmp_path) == {"tiny": []} == check(tmp_path, "tiny")
    assert check(tmp_path, "other") == {}
    (path / "pulled.json").write_text("{")
    assert check(tmp_path) == {"tiny": ["pulled.json is missing or broken"]}


def test_the_list_says_what_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELAM_SERVER__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    runner = CliRunner()
    listed = runner.invoke(cli.main_app, ["models", "list"]).output
    for each in CURATED:
        assert each.name in listed and each.licence in listed and each.source in listed
        assert all(len(file.sha256) == 64 and file.size > 0 for file in each.artifacts)
        assert all(file.url.startswith("https://") for file in each.artifacts)
    empty = runner.invoke(cli.main_app, ["models", "check"])
    assert empty.exit_code == 0 and "No model was pulled" in empty.output
    (tmp_path / "models" / "bad").mkdir(parents=True)
    (tmp_path / "models" / "bad" / "pulled.json").write_text("{}")
    broken = runner.invoke(cli.main_app, ["models", "check"])
    assert broken.exit_code == 1 and "bad: pulled.json" in broken.output
    monkeypatch.setenv("SELAM_SERVER__OFFLINE", "true")
    with pytest.raises(PullFailed, match="offline"):
        runner.invoke(cli.main_app, ["models", "pull", CURATED[0].name], catch_exceptions=False)
    with pytest.raises(PullFailed, match="there are omnilingual-300m"):
        find("nothing", CURATED)
