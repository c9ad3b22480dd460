"""``selam-agent models``: fetches recognisers from the curated list, and checks those that are here.

A download goes on where it broke off, is checked by its hash, and appears under its name only when it
is whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from selam_agent.errors import SelamError
from selam_agent.models.curated import Artifact, Curated

__all__ = ["PullFailed", "check", "pull"]

_MANIFEST: Final = "pulled.json"
_PIECE: Final = 1 << 20
# Silence of a server that is still there; a whole file may take hours.
_SILENT_S: Final = 60.0

Progress = Callable[[str, int, int], None]


class PullFailed(SelamError):  # noqa: N818
    """A model cannot be fetched or is not whole; what was fetched of it is kept."""

    default_code = "pull_failed"


def find(name: str, known: Sequence[Curated]) -> Curated:
    """Raises PullFailed, which lists the names."""
    for each in known:
        if each.name == name:
            return each
    raise PullFailed(f"there is no model {name!r}; there are {', '.join(each.name for each in known)}")


async def pull(
    model: Curated, models_dir: Path, progress: Progress = lambda *_: None, *, silent_s: float = _SILENT_S
) -> Path:
    """Fetches ``model`` into ``models_dir/<its name>`` and returns that.

    Args:
        progress: is told of a file's name, its bytes so far and its size.
        silent_s: how long the server may send nothing.

    Raises:
        PullFailed: no room, no such file, a connection that breaks off, or a wrong hash.
    """
    target = models_dir / model.name
    if not await asyncio.to_thread(lambda: list(_faults(target))):
        return target
    staging = models_dir / f".pulling-{model.name}"
    try:
        staging.mkdir(parents=True, exist_ok=True)
        # The archive and what is in it lie side by side for a moment.
        needed = 3 * model.size if any(each.members for each in model.artifacts) else model.size
        free = shutil.disk_usage(staging).free + sum(each.stat().st_size for each in staging.iterdir())
        if free < needed:
            raise PullFailed(f"{models_dir} has {_mb(free)} free; {model.name} needs {_mb(needed)}")
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=silent_s, sock_read=silent_s)
        ) as http:
            for artifact in model.artifacts:
                await _fetch(http, artifact, staging, progress)
        await asyncio.to_thread(_finish, model, staging, target)
    except OSError as error:
        raise PullFailed(f"{models_dir}: {error.strerror or error}") from error
    return target


def check(models_dir: Path, name: str | None = None) -> dict[str, list[str]]:
    """What is wrong with each pulled model (or this one), by name; nothing: an empty list. Reads it all."""
    if not models_dir.is_dir():
        return {}
    pulled = sorted(each for each in models_dir.iterdir() if (each / _MANIFEST).is_file())
    return {each.name: list(_faults(each)) for each in pulled if name in (None, each.name)}


async def _fetch(http: aiohttp.ClientSession, artifact: Artifact, staging: Path, progress: Progress) -> None:
    whole = staging / artifact.name
    if whole.is_file():
        return
    part = staging / f"{artifact.name}.part"
    have = part.stat().st_size if part.is_file() else 0
    if have > artifact.size:
        part.unlink()
        have = 0
    if have < artifact.size:
        try:
            have = await _download(http, artifact, part, have, progress)
        except (aiohttp.ClientError, TimeoutError) as error:
            have = part.stat().st_size if part.is_file() else 0
            raise PullFailed(
                f"{artifact.url} broke off after {_mb(have)} of {_mb(artifact.size)} "
                f"({type(error).__name__}); the same command goes on from there",
                retryable=True,
            ) from error
    if have != artifact.size:
        raise PullFailed(
            f"{artifact.url} ended after {_mb(have)} of {_mb(artifact.size)}; "
            "the same command goes on from there",
            retryable=True,
        )
    if await asyncio.to_thread(_sha256, part) != artifact.sha256:
        part.unlink()
        raise PullFailed(
            f"{artifact.url} is not the file that was expected (its SHA-256 is another); it was thrown away"
        )
    part.rename(whole)


async def _download(
    http: aiohttp.ClientSession, artifact: Artifact, part: Path, have: int, progress: Progress
) -> int:
    headers = {"Range": f"bytes={have}-"} if have else {}
    async with http.get(artifact.url, headers=headers) as answer:
        if answer.status not in (200, 206):
            raise PullFailed(f"{artifact.url} answered with status {answer.status}")
        if answer.status == 200:
            # The server begins anew, whatever it was asked.
            have = 0
        with part.open("ab" if have else "wb") as file:
            async for piece in answer.content.iter_chunked(_PIECE):
                have += len(piece)
                if have > artifact.size:
                    raise PullFailed(f"{artifact.url} is longer than {artifact.size} bytes")
                file.write(piece)
                progress(artifact.name, have, artifact.size)
    return have


def _finish(model: Curated, staging: Path, target: Path) -> None:
    """Unpacks, writes the manifest, and puts the model in its place."""
    for artifact in model.artifacts:
        if artifact.members:
            _unpack(staging / artifact.name, artifact.members, staging)
    files = {
        name: {"size": (staging / name).stat().st_size, "sha256": _sha256(staging / name)}
        for artifact in model.artifacts
        for name in (artifact.members or (artifact.name,))
    }
    for artifact in model.artifacts:
        if artifact.members:
            (staging / artifact.name).unlink()
    manifest = {"name": model.name, "licence": model.licence, "files": files}
    (staging / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    if target.exists():
        shutil.rmtree(target)
    os.replace(staging, target)


def _unpack(archive: Path, members: tuple[str, ...], directory: Path) -> None:
    left = set(members)
    try:
        with tarfile.open(archive) as files:
            for entry in files:
                name = Path(entry.name).name
                content = files.extractfile(entry) if entry.isfile() and name in left else None
                if content is None:
                    continue
                with content, (directory / name).open("wb") as out:
                    shutil.copyfileobj(content, out, _PIECE)
                left.remove(name)
    except (tarfile.TarError, EOFError) as error:
        raise PullFailed(f"{archive.name} cannot be unpacked: {error}") from error
    if left:
        raise PullFailed(f"{archive.name} lacks {', '.join(sorted(left))}")


def _faults(directory: Path) -> Iterator[str]:
    try:
        manifest: Any = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
        files = {
            str(name): (int(each["size"]), str(each["sha256"])) for name, each in manifest["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        yield f"{_MANIFEST} is missing or broken"
        return
    for name, (size, sha256) in files.items():
        path = directory / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != size:
            yield f"{name} has {path.stat().st_size} bytes instead of {size}"
        elif _sha256(path) != sha256:
            yield f"{name} has changed"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
