"""The running server behind ``selam-agent serve``: what it prints, and when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from rich.console import Console

from selam_agent import app_engines, app_logs, event_loop
from selam_agent.app import App
from selam_agent.engines import stt_catalog
from selam_agent.engines.stt_routing import RoutingTranscriber
from selam_agent.session.config import Engines
from selam_agent.settings import Settings


def serve(settings: Settings, *, api_key: str | None, announce: bool) -> None:
    """Serves until SIGINT or SIGTERM; with ``announce`` also until standard input ends.

    The first signal lets the turns that are going on end, the second does not.

    Raises:
        SettingsError: a setting cannot be used, or the address is taken.
    """
    app_logs.configure(settings.log)
    with contextlib.suppress(KeyboardInterrupt):
        event_loop.run(_serve(settings, api_key, announce))


async def _serve(settings: Settings, api_key: str | None, announce: bool) -> None:
    asked, stopped = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        (stopped if asked.is_set() else asked).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
            loop.add_signal_handler(number, on_signal)
    app = await App.build(settings, api_key=api_key)
    try:
        port = await app.start()
        warming = asyncio.create_task(app.warm(), name="settle")
        warming.add_done_callback(lambda _: event_loop.settle())
        if announce:
            await warming
            _announce(app, port)
            _watch_input(stopped)
        else:
            _greet(app)
        await _first(asked.wait(), stopped.wait())
        if not stopped.is_set():
            if app.registry.sessions and not announce:
                _say("Waiting for the present turns; once more ends them at once.")
            await _first(app.drain(), stopped.wait())
    finally:
        await app.stop()


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Returns when one of them does; the others are cancelled."""
    tasks = [asyncio.create_task(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _announce(app: App, port: int) -> None:
    ready = {
        "event": "ready",
        "url": app.url,
        "port": port,
        "engines": recogniser_line(app.engines),
        "page": app.page_link(),
    }
    sys.stdout.write(json.dumps(ready, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _greet(app: App) -> None:
    _say(f"selam-agent listens on {app.url}", "bold green")
    if (link := app.page_link()) is not None:
        _say(f"Talk to it, within ten minutes: {link}", "bold")
    if (lan := app.lan_url) is not None:
        _say(f"From another device, within ten minutes: {app.page_link(lan) or lan}", "bold")
        if lan.startswith("http:"):
            _say("It gets no microphone without HTTPS: add --tls auto.", "yellow")
    _say(f"Engines: {engines_line(app.engines)}")
    _say(recogniser_line(app.engines), "yellow")
    for caution in stt_catalog.cautions(app.engines.transcriber):
        _say(f"Caution: {caution}", "yellow")
    _say(privacy_line(app.engines, app.settings))
    if app.new_key is not None:
        _say(f"Your API key, shown only this once: {app.new_key}", "bold")
    else:
        _say("Keys: selam-agent keys list | create")
    _say("Stop with Ctrl-C.", "dim")


def _say(text: str, style: str = "") -> None:
    Console(highlight=False).print(text, style=style, markup=False, soft_wrap=True)


def engines_line(engines: Engines) -> str:
    """What listens, answers and speaks, and which of it leaves the machine."""
    model = engines.chat_model.info
    parts = [
        ("hears", engines.transcriber.info.name, engines.transcriber.info.leaves_machine),
        ("answers" if model.generative else "answers by rules", model.name, model.leaves_machine),
    ]
    parts += [("speaks", each.info.name, each.info.leaves_machine) for each in engines.synthesizers.values()]
    return ", ".join(f"{name} {what}{' (leaves this machine)' if away else ''}" for what, name, away in parts)


def privacy_line(engines: Engines, settings: Settings) -> str:
    """What is sent off this machine, and the line of selam.toml that changes it."""
    model = engines.chat_model.info
    hearing = [each.info for each in app_engines.recognisers(engines)]
    sent = [f"what callers say, as sound, to {each.name}" for each in hearing if each.leaves_machine]
    sent += [f"conversations, as text, to {model.name}"] if model.leaves_machine else []
    translator = engines.translator.info if engines.translator is not None else model
    if translator.leaves_machine and translator.name != model.name:
        sent.append(f"what is said, as text, to {translator.name}")
    others = [name for name, each in engines.speaking_models.items() if each.info.leaves_machine]
    sent += [f"conversations of its voices, as text, to {name}" for name in others]
    voices = [name for name, each in engines.synthesizers.items() if each.info.leaves_machine]
    sent += [f"the agent's answers, as text, to {name}" for name in voices]
    if sent:
        return f"Leaves this machine: {'; '.join(sent)}. To keep it here: [privacy] allow = [] in selam.toml."
    line = "Nothing that is said leaves this machine."
    if settings.server.offline or "edge" in engines.synthesizers:
        return line
    return (
        f"{line} For Microsoft's voices (Amharic, Somali, English), which get the agent's answers as text: "
        '[privacy] allow = ["edge"] in selam.toml.'
    )


def recogniser_line(engines: Engines) -> str:
    """What the recogniser can be expected to understand."""
    transcriber = engines.transcriber
    if isinstance(transcriber, RoutingTranscriber):
        return f"Recognisers: {transcriber.info.name}."
    info = transcriber.info
    if info.open_vocabulary:
        return f"Recogniser: {info.name}, free speech; tested on: {info.tested_on}."
    phrases = sum(len(each) for each in (info.phrases or {}).values())
    return (
        f"Built-in command recogniser: {phrases} phrases, synthetic voices only. "
        "Free speech: set stt.model to a Whisper model (folder or name)."
    )


def _watch_input(stopped: asyncio.Event) -> None:
    """Stops the server when the program that started it is gone and the pipe from it ends."""
    loop = asyncio.get_running_loop()
    number = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(number, 1024):
            loop.remove_reader(number)
            stopped.set()

    # Windows' loop and plain files cannot be watched; there the program's signal has to do.
    with contextlib.suppress(NotImplementedError, PermissionError):
        loop.add_reader(number, readable)
