"""libespeak-ng inside this process, streamed through ctypes, with word marks and a Somali voice.

espeak-ng has no Somali voice in any release. It does compile pronunciation rules at run time, so
this module builds an *overlay*: a directory of links to the stock data plus one voice made from
``espeak_somali/`` next to this file. No root, no compiler, about 2 kB.

The library keeps its state in globals. An :class:`EspeakLibrary` is therefore NOT thread-safe, and
there can be only one per process: call it from one thread (three threads in one library end in
SIGSEGV, and upstream agrees: espeak-ng issues 68, 495, 1527). Give it a worker process of its own.
Samples are not reproducible inside one process (the library's noise source runs on), so compare
durations and marks, never hashes.
"""

from __future__ import annotations

import ctypes as ct
import ctypes.util
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

__all__ = ["EspeakError", "EspeakLibrary", "WordMark"]

_SOMALI: Final = Path(__file__).with_name("espeak_somali")
# Arabic lends the phoneme table: it is the stock table with ʕ, ħ, q and long vowels.
_SOMALI_VOICE: Final = "name Somali\nlanguage so\nphonemes ar\nstressRule 2\n"

_SYNCHRONOUS: Final = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback runs in the calling thread
_DONT_EXIT: Final = 0x8000  # espeakINITIALIZE_DONT_EXIT: without it missing data ends the process
_CHARS_UTF8: Final = 0x1
_END_PAUSE: Final = 0x1000
_POS_CHARACTER: Final = 1
_EVENT_END: Final = 0
_EVENT_WORD: Final = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
# espeak copies the data path into a fixed buffer (N_PATH_HOME, 160 in 1.51) and appends file names.
_MAX_DATA_PATH: Final = 140


class EspeakError(RuntimeError):
    """libespeak-ng is missing, has no such voice, or refused the text."""


@dataclass(frozen=True, slots=True)
class WordMark:
    """A word begins: ``length`` characters from ``start`` (0-based) of the text, ``audio_ms`` into the audio.

    espeak ends a word at an apostrophe (``har'a`` is marked ``har``); a word's span is best taken
    as from this start to the next mark's start. Marks come before the audio they describe.
    """

    start: int
    length: int
    audio_ms: int


class _EventId(ct.Union):
    _fields_ = [("number", ct.c_int), ("name", ct.c_char_p), ("string", ct.c_char * 8)]


class _Event(ct.Structure):
    _fields_ = [
        ("type", ct.c_int),
        ("unique_identifier", ct.c_uint),
        ("text_position", ct.c_int),
        ("length", ct.c_int),
        ("audio_position", ct.c_int),
        ("sample", ct.c_int),
        ("user_data", ct.c_void_p),
        ("id", _EventId),
    ]


class _Voice(ct.Structure):
    _fields_ = [
        ("name", ct.c_char_p),
        ("languages", ct.c_void_p),
        ("identifier", ct.c_char_p),
        ("gender", ct.c_ubyte),
        ("age", ct.c_ubyte),
        ("variant", ct.c_ubyte),
        ("xx1", ct.c_ubyte),
        ("score", ct.c_int),
        ("spare", ct.c_void_p),
    ]


_Callback = ct.CFUNCTYPE(ct.c_int, ct.c_void_p, ct.c_int, ct.POINTER(_Event))


class EspeakLibrary:
    """The one engine of this process. Not thread-safe: see the module's text.

    Args:
        overlay_dir: writable directory; the data overlay is built below it when absent. Several
            processes may build at the same time: the first to finish wins, the others use its.
        buffer_ms: how much audio a callback carries; 40 ms makes chunks of at most 1324 samples.

    Raises:
        EspeakError: the library or its data cannot be loaded, or the overlay cannot be built.
    """

    def __init__(self, overlay_dir: Path, buffer_ms: int = 40) -> None:
        library, data = _locate()
        try:
            self._lib = ct.CDLL(library)
        except OSError as error:
            raise EspeakError(f"cannot load libespeak-ng: {error}") from error
        _declare(self._lib)
        self._buffer_ms = buffer_ms
        # Building the overlay initialises the library for itself.
        EspeakLibrary._in_use = None
        self._data = _overlay(self._lib, Path(library), data, overlay_dir, buffer_ms)
        self.variants_dir = self._data / "voices" / "!v"
        """Directory of the variant files; a file's name is the variant's."""
        self._variants = frozenset(p.name for p in self.variants_dir.iterdir())
        self._voice: str | None = None
        self._on_item: Callable[[bytes | WordMark], bool] | None = None
        self._error: BaseException | None = None
        # The library keeps only the address: a collected callback would be a segmentation fault.
        self._callback = _Callback(self._receive)
        self.sample_rate = self._take_over()
        """Samples per second of everything spoken: 22050."""

    # The library's state is the process's: of several objects the one that speaks must have set it.
    _in_use: ClassVar[EspeakLibrary | None] = None

    def _take_over(self) -> int:
        sample_rate = _initialize(self._lib, self._data, self._buffer_ms)
        # Initialising again frees the phoneme tables, but a voice of the table that was in use (Somali,
        # after building) would keep the freed one: noise, or a crash. A voice of another one renews it.
        self._lib.espeak_SetVoiceByName(b"en")
        self._lib.espeak_SetSynthCallback(self._callback)
        self._voice = None
        EspeakLibrary._in_use = self
        return sample_rate

    @property
    def voices(self) -> frozenset[str]:
        """Base voice names that can be spoken (``am``, ``en-us``, ``so`` …), without variants."""
        found: set[str] = set()
        listed = self._lib.espeak_ListVoices(None)
        index = 0
        while listed[index]:
            address = listed[index].contents.languages
            # A list of (priority byte, NUL-terminated name), ended by a zero priority.
            while address and ct.string_at(address, 1) != b"\0":
                name = ct.string_at(address + 1)
                found.add(name.decode("utf-8", "replace"))
                address += 2 + len(name)
            index += 1
        found.discard("variant")
        return frozenset(found)

    @property
    def variants(self) -> frozenset[str]:
        """Speaker variants that may follow a base voice after a plus sign (``f3``, ``m3`` …)."""
        return self._variants

    def has_voice(self, name: str) -> bool:
        """Whether ``name`` ("so", "am+f3") can be spoken; an unknown variant counts as no."""
        base, plus, variant = name.partition("+")
        return base.lower() in {v.lower() for v in self.voices} and (not plus or variant in self._variants)

    def speak(
        self,
        text: str,
        voice: str,
        *,
        rate: int = 165,
        pitch: int = 50,
        pitch_range: int = 50,
        volume: int = 100,
        end_pause: bool = True,
        on_item: Callable[[bytes | WordMark], bool],
    ) -> None:
        """Speaks ``text`` and returns when all of it was handed over or ``on_item`` stopped it.

        Args:
            text: plain text; markup in it is read out, not obeyed.
            voice: base voice with an optional variant, such as ``am+f3``.
            rate: words per minute, 80 to 450.
            pitch: 0 to 100. pitch_range: 0 (monotone) to 100. volume: 0 to 200, 100 is normal.
            end_pause: whether the pause after the last sentence is spoken too.
            on_item: gets s16le mono PCM at ``sample_rate`` and word marks, in order, in this thread;
                returns False to stop (within one or two buffers).

        Raises:
            EspeakError: no such voice, or the library refused.
            Exception: whatever ``on_item`` raised; synthesis has stopped by then.
        """
        if not text.strip():
            return
        if EspeakLibrary._in_use is not self:
            self._take_over()
        self._select(voice)
        for parameter, value in ((_RATE, rate), (_VOLUME, volume), (_PITCH, pitch), (_RANGE, pitch_range)):
            if self._lib.espeak_SetParameter(parameter, value, 0):
                raise EspeakError(f"espeak-ng refused {value} for parameter {parameter}")
        encoded = text.replace("\0", " ").encode("utf-8", "replace") + b"\0"
        flags = _CHARS_UTF8 | (_END_PAUSE if end_pause else 0)
        self._on_item, self._error = on_item, None
        try:
            status = self._lib.espeak_Synth(encoded, len(encoded), 0, _POS_CHARACTER, 0, flags, None, None)
        finally:
            self._on_item = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if status:
            raise EspeakError(f"espeak_Synth failed with status {status}")

    def _select(self, voice: str) -> None:
        if voice == self._voice:
            return
        # espeak falls back to the plain voice for a variant it does not know: say so instead.
        variant = voice.partition("+")[2]
        if (variant and variant not in self._variants) or self._lib.espeak_SetVoiceByName(voice.encode()):
            self._voice = None
            raise EspeakError(f"espeak-ng has no voice {voice!r}")
        self._voice = voice

    def _receive(self, wav: int | None, samples: int, events: Any) -> int:
        """Called by the library; 0 = go on, 1 = stop. No exception may pass through C code."""
        on_item = self._on_item
        if on_item is None or self._error is not None:
            return 1
        try:
            index = 0
            while (event := events[index]).type != _EVENT_END:
                index += 1
                if event.type == _EVENT_WORD:
                    mark = WordMark(event.text_position - 1, event.length, event.audio_position)
                    if not on_item(mark):
                        return 1
            if wav and samples > 0 and not on_item(ct.string_at(wav, samples * 2)):
                return 1
        except BaseException as error:  # kept for speak() to raise
            self._error = error
            return 1
        return 0


def _locate() -> tuple[str, Path]:
    """The library and its stock data: the espeakng-loader wheel, else the system's."""
    try:
        import espeakng_loader

        return str(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())
    except ImportError:
        pass
    library = ctypes.util.find_library("espeak-ng")
    if library:
        for data in [*sorted(Path("/usr").glob("lib/*/espeak-ng-data")), Path("/usr/share/espeak-ng-data")]:
            if (data / "phontab").is_file():
                return library, data
    raise EspeakError("espeak-ng was not found: install the package espeakng-loader or libespeak-ng1")


def _declare(lib: ct.CDLL) -> None:
    """Argument types; without them ctypes would cut pointers to 32 bits."""
    lib.espeak_Initialize.argtypes = [ct.c_int, ct.c_int, ct.c_char_p, ct.c_int]
    lib.espeak_SetSynthCallback.argtypes = [_Callback]
    lib.espeak_SetSynthCallback.restype = None
    lib.espeak_SetVoiceByName.argtypes = [ct.c_char_p]
    lib.espeak_SetParameter.argtypes = [ct.c_int, ct.c_int, ct.c_int]
    lib.espeak_ListVoices.argtypes = [ct.c_void_p]
    lib.espeak_ListVoices.restype = ct.POINTER(ct.POINTER(_Voice))
    lib.espeak_CompileDictionary.argtypes = [ct.c_char_p, ct.c_void_p, ct.c_int]
    lib.espeak_CompileDictionary.restype = None
    lib.espeak_Synth.argtypes = [
        ct.c_char_p,
        ct.c_size_t,
        ct.c_uint,
        ct.c_int,
        ct.c_uint,
        ct.c_uint,
        ct.POINTER(ct.c_uint),
        ct.c_void_p,
    ]


def _initialize(lib: ct.CDLL, data: Path, buffer_ms: int) -> int:
    rate = int(lib.espeak_Initialize(_SYNCHRONOUS, buffer_ms, os.fsencode(data), _DONT_EXIT))
    if rate <= 0:
        raise EspeakError(f"espeak-ng cannot read its data in {data}")
    return rate


def _overlay(lib: ct.CDLL, library: Path, stock: Path, overlay_dir: Path, buffer_ms: int) -> Path:
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
    _initialize(lib, data, buffer_ms)
    # The rules are compiled against the phoneme table of the current voice, so it comes first; it
    # has no dictionary yet, hence the one complaint on standard error.
    lib.espeak_SetVoiceByName(b"so")
    lib.espeak_CompileDictionary(os.fsencode(_SOMALI) + b"/", None, 0)
    if not (data / "so_dict").is_file():
        raise EspeakError("espeak-ng did not compile the Somali rules")
