"""``selam-agent languages``: what the server can do in each language, how well, and who says so.

Languages, voices, flows and reviews come from the packs, recognisers from the built-in model and the
curated list; what is known about the other engines stands here, with its source.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from selam_agent.engines.stt_routing import WHISPER_POOR
from selam_agent.errors import ValidationError
from selam_agent.languages.pack import Pack
from selam_agent.languages.packs import Packs
from selam_agent.models import phrases
from selam_agent.models.curated import CURATED

BEGIN: Final = "<!-- made by `selam-agent languages --write README.md` -->"
END: Final = "<!-- end of the table -->"
COLUMNS: Final = (
    "Language",
    "Recognise",
    "Translate",
    "Speak",
    "Flows",
    "Licences",
    "Published quality",
    "Tested how",
    "Native review",
)


# The README's two tables: what differs by language, and what does not.
_OF_LANGUAGES: Final = (
    "Language",
    "Recognise",
    "Published quality",
    "Translate",
    "Speak",
    "Flows",
    "Native review",
)
_OF_ENGINES: Final = ("Engine", "Does", "Languages", "Licence", "Tested how")


@dataclass(frozen=True, slots=True)
class _Speaker:
    """A text-to-speech engine. ``remote``: it sends the answers away, and only where that is allowed."""

    name: str
    licence: str
    tested: str
    remote: bool = True


# espeak-ng calls its Oromo voice "testing"; no stock one speaks Somali (engines.md §3).
_SPEAKERS: Final = {
    "espeak": _Speaker(
        "espeak-ng", "espeak-ng GPL-3.0+, a process of its own", "phonemes and word times", remote=False
    ),
    "edge": _Speaker(
        "edge-tts", "edge-tts LGPL-3.0, an unofficial service of Microsoft's", "a fake of the service"
    ),
    "openai": _Speaker("OpenAI speech", "OpenAI's or your server's terms", "a fake of the service"),
    "gpt_audio": _Speaker("GPT-audio", "OpenAI's or your server's terms", "a fake of the service"),
}
_OWN_DATA: Final = {"so": "our own voice data"}
_WHISPER_PUBLISHED: Final = {
    code: f"stock Whisper: {figure}, so not recommended" for code, figure in WHISPER_POOR.items()
} | dict.fromkeys(("ti", "om"), "stock Whisper does not know it")
_TRANSLATED: Final = "by your language model"


def rows(packs: Packs) -> list[tuple[str, ...]]:
    """One row per language, by ``COLUMNS``; English last, where nobody needs a review."""
    flows = _flows(packs)
    order = sorted(packs, key=lambda pack: (pack.code == "en", pack.code))
    return [_row(pack, flows.get(pack.code, ())) for pack in order]


def markdown(packs: Packs) -> str:
    """Two tables between their marks: what each language has, and what is known of each engine."""
    short = [COLUMNS.index(name) for name in _OF_LANGUAGES]
    languages = [[row[at] for at in short] for row in rows(packs)]
    tables = (_table(_OF_LANGUAGES, languages), _table(_OF_ENGINES, _engine_rows(packs)))
    return f"{BEGIN}\n{tables[0]}\n\n{tables[1]}\n{END}"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in body)])


def _engine_rows(packs: Packs) -> list[tuple[str, ...]]:
    """What is the same in every language: licence, and how it was tested."""
    known = phrases()
    hears = [
        ("command recogniser, built in", "hears", ", ".join(known), "Apache-2.0", "synthetic voices only")
    ]
    for model in CURATED:
        spoken = ", ".join(model.languages)
        hears.append(
            (
                f"`{model.engine}:{model.name}`",
                "hears",
                spoken,
                model.licence,
                "loading code, not these weights",
            )
        )
    speaks = []
    for name, engine in _SPEAKERS.items():
        codes = [
            pack.code
            for pack in packs
            if any(each["engine"] == name for v in pack.voices for each in v.engines)
        ]
        about = f"{engine.name} (if allowed)" if engine.remote else engine.name
        licence = engine.licence.removeprefix(f"{engine.name} ")
        speaks.append((about, "speaks", ", ".join(codes), licence, engine.tested))
    return [*hears, *speaks]


def write(packs: Packs, file: Path) -> None:
    """Replaces the table in ``file``. Raises ValidationError when its marks are not there."""
    text = file.read_text(encoding="utf-8")
    made, count = re.subn(
        re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: markdown(packs), text, count=1, flags=re.S
    )
    if not count:
        raise ValidationError(f"{file} has no table that begins with {BEGIN}")
    file.write_text(made, encoding="utf-8")


def _row(pack: Pack, flows: tuple[str, ...]) -> tuple[str, ...]:
    code = pack.code
    known = len(phrases().get(code, ()))
    models = [each for each in CURATED if code in each.languages]
    heard = [f"built in: {known} phrases"] if known else []
    heard += [f"`{each.engine}:{each.name}`" for each in models]
    heard += ["your own Whisper or server"]
    engines = dict.fromkeys(str(each["engine"]) for voice in pack.voices for each in voice.engines)
    speakers = [_SPEAKERS[name] for name in engines if name in _SPEAKERS]
    spoken = [
        each.name
        + (" (if allowed)" if each.remote else "")
        + (f", {_OWN_DATA[code]}" if not each.remote and code in _OWN_DATA else "")
        for each in speakers
    ]
    licences = [f"{each.name} {each.licence}" for each in models] + [each.licence for each in speakers]
    quality = [
        f"{each.name}: {each.quality[code]} ({each.source})" if code in each.quality else f"{each.name}: none"
        for each in models
    ]
    quality += [_WHISPER_PUBLISHED[code]] if code in _WHISPER_PUBLISHED else []
    tested = ["built-in recogniser and calls: synthetic voices only"]
    tested += (
        [f"{', '.join(each.name for each in models)}: loading code, not these weights"] if models else []
    )
    tested += [f"{each.name}: {each.tested}" for each in speakers]
    dialogues = [name.replace("_", " ") for name in flows]
    cells = (heard, [_TRANSLATED], spoken, dialogues, licences, quality, tested)
    review = "**needed**" if pack.needs_review else "no"
    return (f"{pack.name} `{code}`", *("<br>".join(dict.fromkeys(each)) or "–" for each in cells), review)


def _flows(packs: Packs) -> dict[str, tuple[str, ...]]:
    """Language → the built-in dialogues in it, by name."""
    by_language: dict[str, list[str]] = {}
    for directory in packs.directories:
        for file in sorted((directory / "flows").glob("*.toml")):
            for code in tomllib.loads(file.read_text(encoding="utf-8")).get("languages", ()):
                by_language.setdefault(code, []).append(file.stem)
    return {code: tuple(dict.fromkeys(names)) for code, names in by_language.items()}
