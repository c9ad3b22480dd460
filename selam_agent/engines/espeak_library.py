"""libespeak-ng inside this process, streamed through ctypes, with word marks and a Somali voice.

espeak-ng has no Somali voice in any release. It does compile pronunciation rules at run time, so
``espeak_overlay`` builds an *overlay*: a directory of links to the stock data plus one voice made from
``espeak_somali/`` next to this file. No root, no compiler, about 2 kB.

The library keeps its state in globals. An :class:`EspeakLibrary` is therefore NOT thread-safe, and
there can be only one per process: call it from one thread (three threads in one library end in
SIGSEGV, and upstream agrees: espeak-ng issues 68, 495, 1527). Give it a worker process of its own.
What is spoken depends on what this process spoke before: the library's random states and the phases of
its wave generator run on, and initialising again does not set them back. The same words come with other
samples, a per cent or so longer or shorter, so compare durations and marks, never hashes. Only a
fresh process that speaks the same things in the same order gives the same samples.
"""

from __future__ import annotations

import ctypes as ct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from selam_agent.engines.espeak_c import (
    CHARS_UTF8,
    END_PAUSE,
    EVENT_END,
    EVENT_WORD,
    PITCH,
    POS_CHARACTER,
    RANGE,
    RATE,
    VOLUME,
    Callback,
    EspeakError,
    declare,
    initialize,
    locate,
)
from selam_agent.engines.espeak_overlay import overlay

__all__ = ["EspeakError", "EspeakLibrary", "WordMark"]


@dataclass(frozen=True, slots=True)
class WordMark:
    """A word begins: ``length`` characters from ``start`` (0-based) of the text, ``audio_ms`` into the audio.

    espeak ends a word at an apostrophe (``har'a`` is marked ``har``); a word's span is best taken
    as from this start to the next mark's start. Marks come before the audio they describe.
    """

    start: int
    length: int
    audio_ms: int


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
        library, data = locate()
        try:
            self._lib = ct.CDLL(library)
        except OSError as error:
            raise EspeakError(f"cannot load libespeak-ng: {error}") from error
        declare(self._lib)
        self._buffer_ms = buffer_ms
        # Building the overlay initialises the library for itself.
        EspeakLibrary._in_use = None
        self._data = overlay(self._lib, Path(library), data, overlay_dir, buffer_ms)
        self.variants_dir = self._data / "voices" / "!v"
        """Directory of the variant files; a file's name is the variant's."""
        self._variants = frozenset(p.name for p in self.variants_dir.iterdir())
        self._voice: str | None = None
        self._on_item: Callable[[bytes | WordMark], bool] | None = None
        self._error: BaseException | None = None
        # The library keeps only the address: a collected callback would be a segmentation fault.
        self._callback = Callback(self._receive)
        self.sample_rate = self._take_over()
        """Samples per second of everything spoken: 22050."""

    # The library's state is the process's: of several objects the one that speaks must have set it.
    _in_use: ClassVar[EspeakLibrary | None] = None

    def _take_over(self) -> int:
        sample_rate = initialize(self._lib, self._data, self._buffer_ms)
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
        for parameter, value in ((RATE, rate), (VOLUME, volume), (PITCH, pitch), (RANGE, pitch_range)):
            if self._lib.espeak_SetParameter(parameter, value, 0):
                raise EspeakError(f"espeak-ng refused {value} for parameter {parameter}")
        encoded = text.replace("\0", " ").encode("utf-8", "replace") + b"\0"
        flags = CHARS_UTF8 | (END_PAUSE if end_pause else 0)
        self._on_item, self._error = on_item, None
        try:
            status = self._lib.espeak_Synth(encoded, len(encoded), 0, POS_CHARACTER, 0, flags, None, None)
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
            while (event := events[index]).type != EVENT_END:
                index += 1
                if event.type == EVENT_WORD:
                    mark = WordMark(event.text_position - 1, event.length, event.audio_position)
                    if not on_item(mark):
                        return 1
            if wav and samples > 0 and not on_item(ct.string_at(wav, samples * 2)):
                return 1
        except BaseException as error:  # kept for speak() to raise
            self._error = error
            return 1
        return 0
