"""The reference pages in ``docs/reference``, made from the models; a test holds them to each other."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from selam_agent import __version__, events
from selam_agent.wire.api import openapi
from selam_agent.wire.assemblyai import schema

_NOTE = "<!-- Made by `selam-agent schema --pages docs/reference`; change the models instead. -->\n"


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    return {"assemblyai.md": _assemblyai(), "rest.md": _rest(), "socketio.md": _socketio()}


def write(folder: Path) -> None:
    """Writes the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def document() -> str:
    """The OpenAPI document, and the schemas of the WebSocket's events under ``x-events``."""
    made = openapi.document(__version__)
    made["x-events"] = {
        direction: {name: model.model_json_schema() for name, model in schema.events(base).items()}
        for direction, base in (("client", schema.ClientEvent), ("server", schema.ServerEvent))
    }
    return json.dumps(made, indent=2, ensure_ascii=False)


def _assemblyai() -> str:
    lines = [
        "# The AssemblyAI Voice Agent door",
        _NOTE,
        "`/v1/ws`, and the older dialect at `/v1/realtime`: JSON text frames both ways. The key goes into "
        "`Authorization`, a temporary token into `?token=`. What a field of `session` does is in "
        "`selam_agent/wire/assemblyai/session_object.py`.",
        "\nOurs: `language` and `translation` in `session`. Their voices' names stand for voices of ours, by "
        "gender, in the session's language. Accepted, echoed and without effect: `transcription_mode`, "
        "`voice_focus`, `voice_focus_threshold`, `turn_detection.type`. Refused with a sentence: `llm`, "
        "`webhook`, `pre_connect_requests`, HTTP tools. While an `interactive` tool runs and nothing was "
        "said before it, the agent says that it takes a moment (`turns.tool_filler_ms`): a reply of its own.",
        "\n## You send\n",
        *_events(schema.events(schema.ClientEvent), skip=()),
        "\n## You receive\n",
        "Every event carries `timestamp`, in epoch seconds.\n",
        *_events(schema.events(schema.ServerEvent), skip=("timestamp",)),
        "\n## Error codes\n",
        *(f"- `{code}`" for code in schema.error_codes()),
        "\nClose codes: 1000 after `session.ended`; 1008 for keys, configuration, capacity and expiry; "
        "1011 when the server fails or shuts down.",
    ]
    return "\n".join(lines) + "\n"


def _events(models: Mapping[str, type[BaseModel]], skip: Iterable[str]) -> list[str]:
    lines = ["| type | fields | |", "|---|---|---|"]
    for name, model in models.items():
        fields = [
            f"`{field}{'' if about.is_required() else '?'}`"
            for field, about in model.model_fields.items()
            if field not in ("type", *skip)
        ]
        lines.append(f"| `{name}` | {', '.join(fields) or '–'} | {_first(model)} |")
    return lines


def _rest() -> str:
    lines = [
        "# The REST routes",
        _NOTE,
        "The OpenAPI 3.1 document is at `/openapi.json`, and `selam-agent schema` prints it. The key goes "
        "into `Authorization`, with or without `Bearer`.\n",
        "| | | answers | errors |",
        "|---|---|---|---|",
    ]
    for each in openapi.OPERATIONS:
        errors = ", ".join(map(str, sorted({*each.errors, 401, 403})))
        lines.append(f"| `{each.method.upper()} {each.path}` | {each.summary} | {each.status} | {errors} |")
    return "\n".join(lines) + "\n"


def _socketio() -> str:
    lines = [
        "# The events of the Socket.IO door",
        _NOTE,
        "What the server sends in the namespace `/v1/audio/agent`; what a client sends is in the README.\n",
        "| event | fields | |",
        "|---|---|---|",
    ]
    for event in events.Event.__subclasses__():
        if event.__module__ != events.__name__:
            continue
        fields: list[str] = [f"`{each.name}`" for each in dataclasses.fields(event)]
        lines.append(f"| `{event.name}` | {', '.join(fields)} | {_first(event)} |")
    return "\n".join(lines) + "\n"


def _first(model: type[Any]) -> str:
    """The docstring up to its first empty line."""
    return " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split()).replace("``", "`")
