"""Who speaks: espeak's base voices and variants, and which variants are kept for the examination.

The rule for a *normal* variant was written before any result was seen; it asks whether the
settings could come from one human vocal tract. The examination speakers are drawn from the normal
variants by a fixed seed, by *family* (variants with the same formants and source are one speaker
under several names), so no near-copy of an examination speaker is trained on.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PRODUCT_VARIANTS: Final = ("f2", "f3", "f4", "m1", "m3")
"""The agent's and the simulated caller's voices: always trained on, never examined."""

RULE: Final = (
    "A variant is normal if it keeps the base voice's language, has no echo of 100 or more, a voicing of at "
    "least 25 (less is a whisper), a highest pitch of at most 300 Hz, and frequency scales of its formants "
    "1 to 3 that lie within 75..140 % with the largest at most 1.35 times the smallest and no formant "
    "switched off; 'fast' (a speed test), 'croak' and 'Demonic' are out by name."
)
_BY_NAME: Final = frozenset({"fast", "croak", "Demonic"})
_DRAW_SEED: Final = 20261120
_EXAMINED: Final = 16


@dataclass(frozen=True, slots=True)
class Rendering:
    """One way to make espeak say a language: base ``voice``, its ``weight`` in training, respelling table."""

    voice: str
    weight: float
    respell: Mapping[str, str] | None = None

    def spoken(self, text: str) -> str:
        """The text as this voice must be given it."""
        if self.respell is None:
            return text
        return "".join(self.respell.get(c, c) for c in text).replace("kh", "k")


# Without a Somali voice x would be an ejective (om) or "ks" (sw), and c a "ch".
_SOMALI_RESPELT: Final = {"x": "h", "X": "H", "c": "", "C": ""}
# The letters that the Amharic voice spells by name.
_TIGRINYA_RESPELT: Final = {chr(0x1250 + i): chr(0x1240 + i) for i in range(8)}

RENDERINGS: Final[Mapping[str, tuple[Rendering, ...]]] = {
    "en": (Rendering("en-us", 4), Rendering("en", 1), Rendering("en-gb-x-rp", 1)),
    "am": (Rendering("am", 1),),
    "so": (
        Rendering("so", 4),
        Rendering("om", 0.6, _SOMALI_RESPELT),
        Rendering("sw", 0.6, _SOMALI_RESPELT),
    ),
    "om": (Rendering("om", 1),),
    "ti": (Rendering("ti", 5), Rendering("am", 0.6, _TIGRINYA_RESPELT)),
}
"""The first is the one the product speaks with, and the only one examined."""


@dataclass(frozen=True, slots=True)
class Split:
    """``trained``: names, "" is the plain voice; product variants repeat. ``examined``: held out."""

    trained: tuple[str, ...]
    examined: tuple[str, ...]


def _scales(settings: str) -> tuple[tuple[int, int], ...]:
    """(frequency %, strength %) of formants 1 to 3; what is not set is 100."""
    found = {1: (100, 100), 2: (100, 100), 3: (100, 100)}
    for number, frequency, strength in re.findall(r"^\s*formant\s+([123])\s+(\d+)\s+(\d+)", settings, re.M):
        found[int(number)] = (int(frequency), int(strength))
    return tuple(found.values())


def _number(settings: str, name: str, position: int, default: int) -> int:
    match = re.search(rf"^\s*{name}((?:\s+-?\d+)+)", settings, re.M)
    values = [int(v) for v in match[1].split()] if match else []
    return values[position] if len(values) > position else default


def _is_usable(name: str, settings: str) -> bool:
    """Whether a variant that is not normal is still a voice: worth hearing in training for variety."""
    return (
        name not in _BY_NAME
        and _number(settings, "echo", 1, 0) < 100
        and _number(settings, "voicing", 0, 100) >= 25
        and not re.search(r"^\s*language\s+(?!variant)", settings, re.M)
    )


def is_normal(name: str, settings: str) -> bool:
    """Applies :data:`RULE` to the text of a variant file."""
    if name in _BY_NAME or re.search(r"^\s*language\s+(?!variant)", settings, re.M):
        return False
    scales = _scales(settings)
    frequencies = [frequency for frequency, _ in scales]
    return (
        _number(settings, "echo", 1, 0) < 100
        and _number(settings, "voicing", 0, 100) >= 25
        and _number(settings, "pitch", 1, 120) <= 300
        and min(frequencies) >= 75
        and max(frequencies) <= 140
        and max(frequencies) <= 1.35 * min(frequencies)
        and all(strength > 0 for _, strength in scales)
    )


def split_variants(settings: Mapping[str, str]) -> Split:
    """Draws the examined variants from the normal ones; every other usable one is trained on.

    Args:
        settings: variant name to the text of its file.
    """
    families: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for name in sorted(settings):
        if _is_usable(name, settings[name]):
            family = tuple(f for f, _ in _scales(settings[name]))
            families[*family, _number(settings[name], "klatt", 0, 0)].append(name)
    free = [
        names
        for names in families.values()
        if not set(names) & set(PRODUCT_VARIANTS) and all(is_normal(n, settings[n]) for n in names)
    ]
    random.Random(_DRAW_SEED).shuffle(free)
    examined: list[str] = []
    while len(examined) < _EXAMINED and free:
        examined += free.pop()
    kept = [name for names in families.values() for name in names if name not in examined]
    # The plain voice and the product's own are heard more often than any other.
    return Split(("", "", "", *kept, *PRODUCT_VARIANTS), tuple(sorted(examined)))


def read_settings(variants: Path) -> dict[str, str]:
    """Reads every file of espeak's ``voices/!v`` directory."""
    return {p.name: p.read_text(encoding="utf-8", errors="replace") for p in sorted(variants.iterdir())}
