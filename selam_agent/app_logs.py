"""What the server writes to standard error: one line per event, for people or as JSON, never a secret.

The package logs through the standard library; structlog renders it, other libraries' lines included.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from selam_agent.settings import Log
from selam_agent.wire.redact import redact

# One line per HTTP request and per packet is for those who look for a fault.
_CHATTY = (
    "selam_agent.access", "selam_agent.engineio", "selam_agent.socketio",
    "aiohttp.access", "openai", "httpx", "httpcore", "huggingface_hub",
)  # fmt: skip


def configure(settings: Log, stream: TextIO | None = None) -> None:
    """Sends everything that is logged to ``stream`` (standard error); safe to call again."""
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _without_leftovers,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(settings.format, colours=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each.formatter, _OURS)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if level > logging.DEBUG else level)


_OURS = structlog.stdlib.ProcessorFormatter


def _rendering(format: str, *, colours: bool) -> list[Processor]:
    # Tracebacks become text first, so that nothing passes the redaction.
    if format == "json":
        return [
            structlog.processors.format_exc_info,
            _redacted,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(ensure_ascii=False, default=repr),
        ]
    return [
        structlog.processors.format_exc_info,
        _redacted,
        structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0),
    ]


def _without_leftovers(_: Any, __: str, fields: EventDict) -> EventDict:
    """Other formatters leave their text in the record, where it looks like a field."""
    for name in ("message", "asctime"):
        fields.pop(name, None)
    return fields


def _redacted(_: Any, __: str, fields: EventDict) -> EventDict:
    return {name: _clean(value) for name, value in fields.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: _clean(each) for name, each in value.items()}
    return value
