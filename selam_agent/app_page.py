"""What the web page is told of this server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from selam_agent import __version__
from selam_agent.languages.pack import Pack
from selam_agent.languages.packs import Packs
from selam_agent.session.config import Engines
from selam_agent.wire.page import Page
from selam_agent.wire.say import Say

# With it any recogniser that faster-whisper can load listens instead of the built-in one.
_UPGRADE = "SELAM_STT__MODEL=small selam-agent serve"


def page(engines: Engines, packs: Packs, voices: Callable[[], Sequence[dict[str, Any]]]) -> Page:
    """The page of a server with these engines. ``voices``: the rows of ``GET /v1/voices``."""

    def facts() -> dict[str, Any]:
        return {
            "version": __version__,
            "synthetic_caller": "espeak" in engines.synthesizers,
            "upgrade": _UPGRADE,
            "languages": [_language(pack, engines, voices()) for pack in packs],
        }

    return Page(facts, texts=packs["en"].page if "en" in packs else {})


def say(engines: Engines, packs: Packs) -> Say:
    """The synthetic caller, who says what the recogniser knows."""
    phrases = {pack.code: [text for group in _groups(pack, engines) for text in group] for pack in packs}
    return Say(packs, phrases, engines.synthesizers.get("espeak"))


def _language(pack: Pack, engines: Engines, voices: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "code": pack.code,
        "name": pack.name,
        "endonym": pack.endonym,
        "needs_review": pack.needs_review,
        "voices": [
            {"name": each["name"], "gender": each["gender"]}
            for each in voices
            if each["language"] == pack.code and each["engine"] is not None
        ],
        "phrases": _groups(pack, engines),
        "texts": dict(pack.page),
    }


def _groups(pack: Pack, engines: Engines) -> list[list[str]]:
    """The pack's phrases, as far as the recogniser knows them: general ones first, then one list per slot."""
    known = engines.transcriber.info.phrases
    everything = [
        [text for texts in pack.phrases.values() for text in texts],
        *map(list, pack.slots.values()),
    ]
    if known is None:
        return everything
    heard = frozenset(known.get(pack.code, ()))
    return [group for texts in everything if (group := [text for text in texts if text in heard])]
