"""The running server behind ``selam-agent serve``: what it prints, and when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys

from rich.console import Console

from selam_agent.app import App
from selam_agent.session.config import Engines
from selam_agent.settings import Settings


def serve(settings: Settings, *, api_key: str | None, announce: bool) -> None:
    """Serves until SIGINT or SIGTERM; with ``announce`` also until standard input ends.

    Raises:
        SettingsError: a setting cannot be used, or the address is taken.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings, api_key, announce))


async def _serve(settings: Settings, api_key: str | None, announce: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
            loop.add_signal_handler(number, stopped.set)
    app = await App.build(settings, api_key=api_key)
    try:
        port = await app.start()
        if announce:
            await app.warm()
            _announce(app, port)
            _watch_input(stopped)
        else:
            _greet(app)
        await stopped.wait()
    finally:
        await app.stop()


def _announce(app: App, port: int) -> None:
    ready = {"event": "ready", "url": app.url, "port": port, "engines": recogniser_line(app.engines)}
    sys.stdout.write(json.dumps(ready, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _greet(app: App) -> None:
    console = Console(highlight=False)

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, soft_wrap=True)

    say(f"selam-agent listens on {app.url}", "bold green")
    say(f"Engines: {engines_line(app.engines)}")
    say(recogniser_line(app.engines), "yellow")
    if app.new_key is not None:
        say(f"Your API key, shown only this once: {app.new_key}", "bold")
    else:
        say("Keys: selam-agent keys list | create")
    say("Stop with Ctrl-C.", "dim")


def engines_line(engines: Engines) -> str:
    """What listens, answers and speaks, and which of it leaves the machine."""
    model = engines.chat_model.info
    parts = [
        ("hears", engines.transcriber.info.name, engines.transcriber.info.leaves_machine),
        ("answers" if model.generative else "answers by rules", model.name, model.leaves_machine),
    ]
    parts += [("speaks", each.info.name, each.info.leaves_machine) for each in engines.synthesizers.values()]
    return ", ".join(f"{name} {what}{' (leaves this machine)' if away else ''}" for what, name, away in parts)


def recogniser_line(engines: Engines) -> str:
    """What the recogniser can be expected to understand."""
    info = engines.transcriber.info
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
