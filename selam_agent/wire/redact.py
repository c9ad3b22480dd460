"""Keeps keys and tokens out of the logs, whoever writes the line."""

from __future__ import annotations

import logging
import re

# Query strings (also percent-encoded), JSON fields, and our own keys wherever they stand.
_SECRETS = re.compile(
    r"""(?P<name>(?:api(?:_|%5f|-)?key|[\w.-]*token|signature)(?:=|%3d|["']?\s*[:=]\s*["']?))"""
    r"""(?P<value>[^&\s"'#;,}]+)|sk-selam-[\w-]+""",
    re.IGNORECASE,
)
_LOGGERS = (
    "aiohttp.access",
    "aiohttp.server",
    "aiohttp.web",
    "selam_agent.access",
    "selam_agent.socketio",
    "selam_agent.engineio",
)


def redact(text: str) -> str:
    """``…?api_key=sk-selam-1&voice=a`` → ``…?api_key=***&voice=a``."""
    return _SECRETS.sub(lambda match: (match["name"] or "") + "***", text)


class Redactor(logging.Filter):
    """Rewrites a record before any handler sees it; a traceback is cut to its last line."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            # Raised by what a client sent: a traceback per packet would fill the disk.
            text += f": {record.exc_info[1]!r}"
            record.exc_info = None
        record.msg, record.args = redact(text), ()
        return True


def install() -> None:
    """Redacts the loggers that see requests; safe to call again."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Redactor) for each in logger.filters):
            logger.addFilter(Redactor())
    # Packet dumps at INFO would hold every chunk of audio.
    for name in ("selam_agent.socketio", "selam_agent.engineio"):
        logging.getLogger(name).setLevel(logging.ERROR)
