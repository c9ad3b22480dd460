"""``selam-agent score DIR``: how well the configured recogniser hears real recordings.

DIR holds sound files, each beside a text file of the same name with what is said in it. The language of
a file is that of its folder (``am/0001.wav``), or what ``manifest.json`` says (``{"0001.wav": "am"}``),
or ``--lang``. Each file is heard twice: with its language, for the errors, and without, to see which
language it is taken for.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from selam_agent import app_engines, settings_file
from selam_agent.engines import catalog
from selam_agent.errors import SelamError, ValidationError
from selam_agent.languages import packs as language_packs
from selam_agent.languages.identify import identify
from selam_agent.languages.scoring import Score, score
from selam_agent.ports import Pcm16, Transcriber, TranscriptionRequest
from selam_agent.programs.talk import NotAudio, read_audio

_RATE: Final = 16_000
_SOUNDS: Final = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".webm")
_PATIENCE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Recording:
    """One file and what is said in it."""

    path: Path
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """``identified``: the language it was taken for when none was given. ``took_s``: with the language."""

    recording: Recording
    text: str
    rejected: str | None
    identified: str
    took_s: float
    seconds: float
    score: Score


def run(directory: Path, *, config: Path | None, language: str | None, json_to: str | None) -> int:
    """Prints a table, or with ``json_to`` "-" only JSON; 1 when a file could not be heard."""
    settings = settings_file.load(config)
    known = tuple(language_packs.load(more=settings.server.voices_dir).languages)
    recordings = sorted(find(directory, known, language), key=lambda each: (each.language, each.path))
    if not recordings:
        raise ValidationError(f"{directory} holds no sound file with a .txt of the same name beside it")
    if settings.server.offline:
        app_engines.go_offline()
    transcriber = catalog.build_transcriber(settings)
    heard, failed = asyncio.run(_hear_all(transcriber, recordings, known))
    report = {
        "recogniser": transcriber.info.name,
        "languages": summary(heard),
        "recordings": [_row(each, directory) for each in heard],
        "failed": failed,
    }
    text = json.dumps(report, ensure_ascii=False, indent=1)
    if json_to == "-":
        print(text)
    else:
        if json_to is not None:
            Path(json_to).write_text(text + "\n", encoding="utf-8")
        _show(report)
    return int(bool(failed))


def find(directory: Path, known: Sequence[str], language: str | None) -> Iterator[Recording]:
    """The recordings in a folder and below it.

    Raises:
        ValidationError: no such folder, a manifest that cannot be read, or a file whose language is not told.
    """
    if not directory.is_dir():
        raise ValidationError(f"{directory} is no folder")
    listed = _manifest(directory)
    for path in directory.rglob("*"):
        words = path.with_suffix(".txt")
        if path.suffix.lower() not in _SOUNDS or not words.is_file():
            continue
        name = path.relative_to(directory).as_posix()
        folder = next((part for part in reversed(name.split("/")[:-1]) if part in known), None)
        code = listed.get(name) or folder or language
        if code is None or code not in known:
            raise ValidationError(
                f"{name}: which of {', '.join(known)} it is in is not told; put it into a folder of that "
                "name, list it in manifest.json, or give --lang"
            )
        yield Recording(path, code, words.read_text(encoding="utf-8-sig").strip())


def _manifest(directory: Path) -> dict[str, str]:
    path = directory / "manifest.json"
    if not path.is_file():
        return {}
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValidationError(f"{path}: {error}") from error
    if not isinstance(loaded, dict) or not all(isinstance(each, str) for each in loaded.values()):
        raise ValidationError(f'{path} must be a JSON object of files and languages: {{"0001.wav": "am"}}')
    return loaded


async def _hear_all(
    transcriber: Transcriber, recordings: Sequence[Recording], known: Sequence[str]
) -> tuple[list[Heard], dict[str, str]]:
    heard, failed = [], {}
    try:
        # The first call loads and allocates; nobody's time.
        silence = await asyncio.to_thread(_silence)
        await transcriber.transcribe(TranscriptionRequest(audio=silence, deadline=_PATIENCE_S))
        for recording in recordings:
            try:
                heard.append(await hear(transcriber, recording, known))
            except (SelamError, NotAudio) as error:
                failed[str(recording.path)] = str(error)
    finally:
        await transcriber.aclose()
    return heard, failed


async def hear(transcriber: Transcriber, recording: Recording, known: Sequence[str]) -> Heard:
    """Raises EngineError, and NotAudio for a file that is no sound."""
    audio = await asyncio.to_thread(read_audio, recording.path)
    begun = time.monotonic()
    request = TranscriptionRequest(audio=audio, language=recording.language, deadline=_PATIENCE_S)
    told = await transcriber.transcribe(request)
    took_s = time.monotonic() - begun
    free = await transcriber.transcribe(TranscriptionRequest(audio=audio, deadline=_PATIENCE_S))
    return Heard(
        recording=recording,
        text=told.text,
        rejected=told.rejected,
        identified=free.language or identify(free.text, known, ""),
        took_s=took_s,
        seconds=len(audio) / _RATE,
        score=score(recording.text, told.text, recording.language),
    )


def summary(heard: Sequence[Heard]) -> dict[str, dict[str, Any]]:
    """By language; rates are shares (1.0 is 100 %), rounded to four places, None without a reference."""
    by_language: dict[str, list[Heard]] = defaultdict(list)
    for each in heard:
        by_language[each.recording.language].append(each)
    report = {}
    for code, group in sorted(by_language.items()):
        total = sum((each.score for each in group), Score())
        seconds = sum(each.seconds for each in group)
        report[code] = {
            "n": len(group),
            "seconds": round(seconds, 1),
            **_rates(total),
            "language_right": round(sum(each.identified == code for each in group) / len(group), 4),
            "rejected": sum(each.rejected is not None for each in group),
            "real_time_factor": round(sum(each.took_s for each in group) / seconds, 4) if seconds else None,
        }
    return report


def _rates(total: Score) -> dict[str, float | None]:
    every = {"cer": total.cer, "wer": total.wer, "cer_raw": total.cer_raw, "wer_raw": total.wer_raw}
    return {name: None if each.rate is None else round(each.rate, 4) for name, each in every.items()}


def _row(each: Heard, directory: Path) -> dict[str, Any]:
    return {
        "file": each.recording.path.relative_to(directory).as_posix(),
        "language": each.recording.language,
        "identified": each.identified,
        "said": each.recording.text,
        "heard": each.text,
        "rejected": each.rejected,
        **_rates(each.score),
    }


def _silence() -> Pcm16:
    import numpy as np

    return np.zeros(_RATE // 2, np.int16)


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = ("n", "CER", "WER", "CER raw", "WER raw", "language right", "rejected", "real-time factor")
    table = Table("language", *columns, box=None, pad_edge=False)
    for code, marks in report["languages"].items():
        rates = [marks[name] for name in ("cer", "wer", "cer_raw", "wer_raw", "language_right")]
        shown = ["–" if rate is None else f"{rate:.1%}" for rate in rates]
        table.add_row(
            code, str(marks["n"]), *shown, str(marks["rejected"]), f"{marks['real_time_factor'] or 0:.3f}"
        )
    console = Console()
    console.print(f"Recogniser: {report['recogniser']}", markup=False)
    console.print(table)
    for file, reason in report["failed"].items():
        console.print(f"not heard: {file}: {reason}", style="red", markup=False)
