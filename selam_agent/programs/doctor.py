"""``selam-agent doctor``: what works on this machine, what does not, and the one command that mends it.

Every engine that the settings name is really built and, if it stays on this machine, really used.
Others are only reached for, and only where ``privacy.allow`` names them.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import aiohttp

from selam_agent import app_engines, settings_file
from selam_agent.engines import catalog, stt_catalog
from selam_agent.engines.addresses import is_loopback
from selam_agent.engines.privacy import may_leave
from selam_agent.engines.stt_routing import RoutingTranscriber
from selam_agent.errors import SelamError
from selam_agent.languages import packs as language_packs
from selam_agent.ports import SynthesisRequest, Transcriber, TranscriptionRequest
from selam_agent.settings import Settings
from selam_agent.store import KeyStore

State = Literal["ok", "off", "warn", "fail"]

_PATIENCE_S: Final = 5.0
_ROOM: Final = 1 << 30
_STYLES: Final = {"ok": "green", "off": "dim", "warn": "yellow", "fail": "red"}
_EDGE: Final = "https://speech.platform.bing.com"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``off``: not used here. ``mend``: one command or line, if any."""

    name: str
    state: State
    text: str
    mend: str = ""


def run(config: Path | None, *, api_key: str | None, as_json: bool) -> int:
    """Prints the findings; 1 when something fails, else 0."""
    from rich.console import Console

    found = asyncio.run(examine(config, api_key))
    failed = any(each.state == "fail" for each in found)
    if as_json:
        print(json.dumps({"ok": not failed, "checks": [asdict(each) for each in found]}, ensure_ascii=False))
        return int(failed)
    console = Console(highlight=False)
    for each in found:
        console.print(f"{each.state:4}", end=" ", style=_STYLES[each.state])
        console.print(f"{each.name}: {each.text}", markup=False, soft_wrap=True)
        if each.mend:
            console.print(f"     → {each.mend}", markup=False, soft_wrap=True, style="bold")
    console.print("Something does not work." if failed else "Ready: selam-agent serve", style="bold")
    return int(failed)


async def examine(config: Path | None, api_key: str | None) -> list[Finding]:
    """All findings, in the order in which they matter."""
    found = [_python(), _dependencies()]
    try:
        settings = settings_file.load(config)
    except SelamError as error:
        return [*found, Finding("settings", "fail", error.message, "correct that line")]
    file = config or Path("selam.toml")
    source = f"{file}, environment and defaults" if file.exists() else "environment and defaults; no file"
    found.append(Finding("settings", "ok", source))
    found += [_data_dir(settings), _port(settings), _keys(settings, api_key)]
    if settings.server.offline:
        app_engines.go_offline()
    checks: tuple[Callable[[Settings], Awaitable[list[Finding]]], ...] = (_recogniser, _model, _voices)
    for check in checks:
        found += await check(settings)
    return found


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= (3, 14):
        return Finding("python", "warn", f"{version} is newer than what is tested (3.11 to 3.13)")
    return Finding("python", "ok", version)


def _dependencies() -> Finding:
    try:
        required = importlib.metadata.requires("selam-agent") or []
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            "dependencies", "warn", "selam-agent itself is not installed, only its source is here",
            "pip install -e .",
        )  # fmt: skip
    names = [re.split(r"[<>=!~;\[ ]", each)[0] for each in required if "extra ==" not in each]
    missing = [name for name in names if not _installed(name)]
    if missing:
        return Finding(
            "dependencies", "fail", f"missing: {', '.join(missing)}", "pip install --upgrade selam-agent"
        )
    extra = "with" if _installed("sherpa-onnx") else "without"
    return Finding("dependencies", "ok", f"all {len(names)}, {extra} the extra 'sherpa'")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _data_dir(settings: Settings) -> Finding:
    directory = settings.server.data_dir
    mend = "name a writable directory: export SELAM_SERVER__DATA_DIR=…"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
        free = shutil.disk_usage(directory).free
    except OSError as error:
        return Finding("data directory", "fail", f"{directory}: {error.strerror}", mend)
    state: State = "ok" if free > _ROOM else "warn"
    return Finding("data directory", state, f"{directory}, {free / 1e9:.1f} GB free")


def _port(settings: Settings) -> Finding:
    host, port = settings.server.host, settings.server.port
    try:
        family, *_, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return Finding(
            "port", "fail", f"{host}:{port}: {error.strerror or error}", "selam-agent serve --port 0"
        )
    return Finding("port", "ok", f"{host}:{port} is free")


def _keys(settings: Settings, api_key: str | None) -> Finding:
    try:
        store = KeyStore.open(settings.server.data_dir, api_key=api_key)
        usable = [key for key in store.list() if key.revoked is None]
    except SelamError as error:
        return Finding("keys", "fail", error.message, "export SELAM_API_KEY=…")
    if usable or api_key:
        named = " and SELAM_API_KEY" if api_key else ""
        return Finding("keys", "ok", f"{len(usable)} valid{named}")
    return Finding("keys", "ok", "none yet; the first start makes one", "selam-agent keys create")


async def _recogniser(settings: Settings) -> list[Finding]:
    name = "recogniser"
    try:
        transcriber = await asyncio.to_thread(catalog.build_transcriber, settings)
    except SelamError as error:
        return [Finding(name, "fail", error.message, _quoted(error.message))]
    try:
        parts = transcriber.parts if isinstance(transcriber, RoutingTranscriber) else (transcriber,)
        found = [await _heard(part, settings) for part in parts]
        cautions = stt_catalog.cautions(transcriber)
        found += [Finding(name, "warn", each, _quoted(each)) for each in cautions]
    finally:
        await transcriber.aclose()
    if settings.stt.device == "cuda" and not await asyncio.to_thread(_cuda):
        found.append(Finding("gpu", "fail", "stt.device is cuda, and there is none", "set stt.device to cpu"))
    return found


async def _heard(transcriber: Transcriber, settings: Settings) -> Finding:
    import numpy as np

    info = transcriber.info
    name = f"recogniser {info.name}"
    about = f"{', '.join(info.languages or ('any language',))}; tested on: {info.tested_on}"
    if not info.open_vocabulary:
        about = f"{about}; knows fixed phrases only"
    if info.leaves_machine:
        urls = [settings.stt.base_url, *(each.base_url for each in settings.stt.models.values())]
        url = next(filter(None, urls), "https://api.openai.com/v1")
        return await _reached(name, url, info.name, settings)
    try:
        await transcriber.transcribe(TranscriptionRequest(audio=np.zeros(8_000, np.int16)))
    except SelamError as error:
        return Finding(name, "fail", error.message)
    return Finding(name, "ok", about)


def _cuda() -> bool:
    import ctranslate2

    return bool(ctranslate2.get_cuda_device_count())


async def _model(settings: Settings) -> list[Finding]:
    name, llm = "language model", settings.llm
    try:
        model = await asyncio.to_thread(catalog.build_chat_model, settings, language_packs.load())
    except SelamError as error:
        return [Finding(name, "fail", error.message, _quoted(error.message))]
    info = model.info
    await model.aclose()
    if not info.generative:
        said = f"{info.name}: rule-based, answers by a flow; for open conversation set llm.base_url"
        return [Finding(name, "off", said)]
    if not llm.base_url:
        return [Finding(name, "ok", info.name)]
    key = {"Authorization": f"Bearer {llm.api_key}"} if llm.api_key else {}
    return [await _reached(name, llm.base_url, "openai", settings, headers=key)]


async def _voices(settings: Settings) -> list[Finding]:
    packs = language_packs.load(more=settings.server.voices_dir)
    try:
        catalog.check_allowed_names(settings)
        engines = await asyncio.to_thread(catalog.build_synthesizers, settings)
    except SelamError as error:
        return [Finding("voices", "fail", error.message, _quoted(error.message))]
    found = []
    for name, engine in engines.items():
        where = f"voices of {name}"
        if engine.info.leaves_machine or engine.info.remote:
            url = _EDGE if name == "edge" else settings.tts.base_url or "https://api.openai.com/v1"
            found.append(await _reached(where, url, name, settings))
            continue
        spoken = [(pack.code, voice) for pack, entry in packs.voices() for voice in entry.engines]
        language, voice = next((each for each in spoken if each[1]["engine"] == name), ("", None))
        if voice is None:
            found.append(Finding(where, "warn", "no pack has a voice of it"))
            continue
        try:
            request = SynthesisRequest(text="1", language=language, voice=voice)
            async with asyncio.timeout(4 * _PATIENCE_S):
                pcm = [chunk.pcm async for chunk in engine.synthesize(request)]
            found.append(Finding(where, "ok" if any(pcm) else "fail", "speaks" if any(pcm) else "is silent"))
        except (SelamError, TimeoutError) as error:
            mend = "pip install --force-reinstall espeakng-loader" if name == "espeak" else ""
            found.append(Finding(where, "fail", str(error) or "does not answer", mend))
    for engine in engines.values():
        await engine.aclose()
    if "edge" not in engines and not settings.server.offline:
        found.append(
            Finding(
                "voices of edge", "off", 'send answers to Microsoft; [privacy] allow = ["edge"] uses them'
            )
        )
    return found


async def _reached(
    name: str, url: str, engine: str, settings: Settings, *, headers: dict[str, str] | None = None
) -> Finding:
    """Asks a server for its models; only where something may be sent to it anyway."""
    host = urlsplit(url).netloc
    if not is_loopback(url) and not may_leave(settings, engine):
        return Finding(name, "off", f"{host} is not asked: offline, or not in privacy.allow")
    try:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url.rstrip("/") + "/models", headers=headers) as answer,
        ):
            if answer.status in (401, 403) and engine != "edge":
                return Finding(name, "fail", f"{host} refuses the key", "correct the api_key")
            if answer.status >= 500:
                return Finding(name, "fail", f"{host} answers with status {answer.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        return Finding(
            name, "fail", f"{host} cannot be reached ({type(error).__name__})", f"curl -v {url}/models"
        )
    return Finding(name, "ok", f"{host} answers")


def _quoted(message: str) -> str:
    """The command or line that a message names, if it names one."""
    return next(_commands(message), "")


def _commands(message: str) -> Iterator[str]:
    for found in re.finditer(r"`([^`]+)`|(pip install '[^']+')", message):
        yield found[1] or found[2]
