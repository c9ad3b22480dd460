"""What is written, for people and for machines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from selam_agent import app_logs
from selam_agent.settings import Log

TURN = {"session": "sess_1", "turn": 3, "language": "am", "v2v_ms": 512.5, "outcome": "answered"}
KEY = "sk-selam-abcdef"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Where the log goes; the root logger is left as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    chatty = {name: logging.getLogger(name).level for name in app_logs._CHATTY}
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)
    for name, old in chatty.items():
        logging.getLogger(name).setLevel(old)


def as_json(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_json_has_one_object_per_line_with_every_field(written: io.StringIO) -> None:
    app_logs.configure(Log(format="json"), written)
    logging.getLogger("selam_agent.turns").info("turn", extra=TURN)
    (line,) = as_json(written)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"message": "turn", "level": "info", "logger": "selam_agent.turns", **TURN}


def test_a_terminal_gets_one_readable_line(written: io.StringIO) -> None:
    app_logs.configure(Log(), written)
    logging.getLogger("selam_agent.turns").info("turn", extra=TURN)
    (line,) = written.getvalue().splitlines()
    assert "turn" in line and "outcome=answered" in line and "language=am" in line and "\x1b" not in line


@pytest.mark.parametrize("format", ["console", "json"])
def test_no_secret_is_written_whoever_writes(written: io.StringIO, format: str) -> None:
    app_logs.configure(Log(format=format), written)
    logging.getLogger("somebody").warning("GET /?api_key=%s", KEY)
    logging.getLogger("somebody").warning("x", extra={"header": {"Referer": f"/?temporary_token={KEY}"}})
    try:
        raise ValueError(f"bad key {KEY}")
    except ValueError:
        logging.getLogger("somebody").exception("failed")
    text = written.getvalue()
    assert KEY not in text and text.count("***") == 3 and "Traceback" in text and "ValueError" in text


def test_levels_and_the_access_log(written: io.StringIO) -> None:
    app_logs.configure(Log(level="info"), written)
    app_logs.configure(Log(level="info", format="json"), written)
    logging.getLogger("selam_agent.access").info("GET /metrics")
    logging.getLogger("selam_agent.turns").debug("hidden")
    assert not written.getvalue()
    logging.getLogger("x").info("shown once")
    assert len(as_json(written)) == 1
    app_logs.configure(Log(level="debug", format="json"), written)
    logging.getLogger("selam_agent.access").info("GET /metrics")
    assert as_json(written)[-1]["message"] == "GET /metrics"
