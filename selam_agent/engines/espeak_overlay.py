"""espeak-ng's data with a Somali voice: a directory of links to the stock data, and what is added to it."""

from __future__ import annotations

import ctypes as ct
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from selam_agent.engines.espeak_c import EspeakError, initialize

_SOMALI: Final = Path(__file__).with_name("espeak_somali")
# Arabic lends the phoneme table: it is the stock table with ʕ, ħ, q and long vowels.
_SOMALI_VOICE: Final = "name Somali\nlanguage so\nphonemes ar\nstressRule 2\n"
# espeak copies the data path into a fixed buffer (N_PATH_HOME, 160 in 1.51) and appends file names.
_MAX_DATA_PATH: Final = 140


def overlay(lib: ct.CDLL, library: Path, stock: Path, overlay_dir: Path, buffer_ms: int) -> Path:
    """The data directory with the Somali voice, built if this version of it does not exist yet."""
    sources = [(_SOMALI / name).read_bytes() for name in ("so_rules", "so_list")]
    stamp = f"{library}:{stock}:{(stock / 'phontab').stat().st_size}:{_SOMALI_VOICE}".encode()
    # The name says what it was made from: edited rules or another library make another overlay.
    name = hashlib.sha256(b"\0".join([stamp, *sources])).hexdigest()[:12]
    final = overlay_dir / name
    data = final / "espeak-ng-data"
    if len(os.fsencode(data)) > _MAX_DATA_PATH:
        raise EspeakError(f"the path {data} is too long for espeak-ng; choose a shorter overlay directory")
    if (data / "so_dict").is_file():
        return data
    overlay_dir.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".new-", dir=overlay_dir))
    try:
        _build(lib, stock, building / "espeak-ng-data", buffer_ms)
        try:
            building.rename(final)
        except OSError:
            if not (data / "so_dict").is_file():  # not lost against another process: a real failure
                raise
    except OSError as error:
        raise EspeakError(f"cannot build the espeak-ng data in {overlay_dir}: {error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return data


def _build(lib: ct.CDLL, stock: Path, data: Path, buffer_ms: int) -> None:
    """Fills ``data``; leaves the library initialised on it, so the caller must initialise again."""
    data.mkdir()
    for entry in stock.iterdir():
        if entry.name not in {"lang", "voices", "so_dict"}:
            (data / entry.name).symlink_to(entry)
    # Only the variants: with the MBROLA voices the list passes espeak's limit and it complains.
    (data / "voices").mkdir()
    (data / "voices" / "!v").symlink_to(stock / "voices" / "!v")
    shutil.copytree(stock / "lang", data / "lang")
    # An installation that nobody may write to gives folders that nobody may write to.
    for folder in [data / "lang", *filter(Path.is_dir, (data / "lang").rglob("*"))]:
        folder.chmod(0o755)
    (data / "lang" / "cus").mkdir(exist_ok=True)
    (data / "lang" / "cus" / "so").write_text(_SOMALI_VOICE, encoding="utf-8")
    (data / "so_dict").unlink(missing_ok=True)
    initialize(lib, data, buffer_ms)
    # The rules are compiled against the phoneme table of the current voice, so it comes first; it
    # has no dictionary yet, hence the one complaint on standard error.
    lib.espeak_SetVoiceByName(b"so")
    lib.espeak_CompileDictionary(os.fsencode(_SOMALI) + b"/", None, 0)
    if not (data / "so_dict").is_file():
        raise EspeakError("espeak-ng did not compile the Somali rules")
