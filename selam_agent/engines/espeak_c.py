"""libespeak-ng's C interface, as much of it as is used: structures, constants, where it is."""

from __future__ import annotations

import ctypes as ct
import ctypes.util
import os
from pathlib import Path
from typing import Final

SYNCHRONOUS: Final = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback runs in the calling thread
DONT_EXIT: Final = 0x8000  # espeakINITIALIZE_DONT_EXIT: without it missing data ends the process
CHARS_UTF8: Final = 0x1
END_PAUSE: Final = 0x1000
POS_CHARACTER: Final = 1
EVENT_END: Final = 0
EVENT_WORD: Final = 1
RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4


class EspeakError(RuntimeError):
    """libespeak-ng is missing, has no such voice, or refused the text."""


class EventId(ct.Union):
    _fields_ = [("number", ct.c_int), ("name", ct.c_char_p), ("string", ct.c_char * 8)]


class Event(ct.Structure):
    _fields_ = [
        ("type", ct.c_int),
        ("unique_identifier", ct.c_uint),
        ("text_position", ct.c_int),
        ("length", ct.c_int),
        ("audio_position", ct.c_int),
        ("sample", ct.c_int),
        ("user_data", ct.c_void_p),
        ("id", EventId),
    ]


class Voice(ct.Structure):
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


Callback = ct.CFUNCTYPE(ct.c_int, ct.c_void_p, ct.c_int, ct.POINTER(Event))


def locate() -> tuple[str, Path]:
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


def declare(lib: ct.CDLL) -> None:
    """Argument types; without them ctypes would cut pointers to 32 bits."""
    lib.espeak_Initialize.argtypes = [ct.c_int, ct.c_int, ct.c_char_p, ct.c_int]
    lib.espeak_SetSynthCallback.argtypes = [Callback]
    lib.espeak_SetSynthCallback.restype = None
    lib.espeak_SetVoiceByName.argtypes = [ct.c_char_p]
    lib.espeak_SetParameter.argtypes = [ct.c_int, ct.c_int, ct.c_int]
    lib.espeak_ListVoices.argtypes = [ct.c_void_p]
    lib.espeak_ListVoices.restype = ct.POINTER(ct.POINTER(Voice))
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


def initialize(lib: ct.CDLL, data: Path, buffer_ms: int) -> int:
    rate = int(lib.espeak_Initialize(SYNCHRONOUS, buffer_ms, os.fsencode(data), DONT_EXIT))
    if rate <= 0:
        raise EspeakError(f"espeak-ng cannot read its data in {data}")
    return rate
