"""What the web page is told of this server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from selam_agent import __version__
from selam_agent.languages.pack import Pack
from selam_agent.languages.packs import Packs
from selam_agent.models.curated import CURATED
from selam_agent.ports import Routing
from selam_agent.session.config import Engines
from selam_agent.wire.page import Page
from selam_agent.wire.say import Say

# What an engine needs besides its model.
_EXTRAS = {"sherpa": "pip install 'selam-agent[sherpa]' && "}


def page(engines: Engines, packs: Packs, voices: Callable[[], Sequence[dict[str, Any]]]) -> Page:
    """The page of a server with these engines. ``voices``: the rows of ``GET /v1/voices``."""

    def facts() -> dict[str, Any]:
        return {
            "version": __version__,
            "synthetic_caller": "espeak" in engines.synthesizers,
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
        "upgrade": _upgrade(pack.code),
        "texts": dict(pack.page),
    }


def _upgrade(language: str) -> str:
    """The command that fetches a recogniser for free speech, one made for few languages first.

    It ends by saying what belongs into the settings; empty where no model is known.
    """
    fitting = [each for each in CURATED if language in each.languages]
    if not fitting:
        return ""
    best = min(fitting, key=lambda each: (len(each.languages), -each.size))
    return f"{_EXTRAS.get(best.engine, '')}selam-agent models pull {best.name}"


def _groups(pack: Pack, engines: Engines) -> list[list[str]]:
    """The pack's phrases, as far as the recogniser knows them: general ones first, then one list per slot."""
    everything = [
        [text for texts in pack.phrases.values() for text in texts],
        *map(list, pack.slots.values()),
    ]
    transcriber = engines.transcriber
    info = transcriber.info_for(pack.code) if isinstance(transcriber, Routing) else transcriber.info
    if info.phrases is None:
        return everything
    heard = frozenset(info.phrases.get(pack.code, ()))
    return [group for texts in everything if (group := [text for text in texts if text in heard])]
