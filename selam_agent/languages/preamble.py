"""What every language model is told first: how to speak, in which language, and what time it is."""

from __future__ import annotations

from datetime import datetime

from selam_agent.languages.clock import spoken_now
from selam_agent.languages.pack import Pack


def preamble(pack: Pack, now: datetime, region: Pack | None = None, template: str | None = None) -> str:
    """The text that precedes the client's instructions.

    Args:
        pack: the language to answer in.
        now: aware local time of the caller.
        region: whose clock and calendar the caller uses, if not the pack's.
        template: instead of the pack's own; may use {language} and {now}.
    """
    template = pack.preamble if template is None else template
    return template.format(language=pack.name, now=spoken_now(now, region or pack)).strip()
