"""The simulated caller's voice: espeak-ng, spoken in a child process, as 16 kHz PCM.

The library can crash and keeps its state in globals, so it never runs inside a program's own
process; run as a module, this file is that child.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from selam_agent.ports import Pcm16

RATE = 16_000
_LIMIT_S = 30.0
_PEAK = 0.35  # of full scale: a caller at a sensible distance from the microphone


class VoiceFailed(Exception):  # noqa: N818
    """The caller's lines could not be spoken."""


@dataclass(frozen=True, slots=True)
class Line:
    """``voice`` as espeak names it, with its variant, such as ``am+m7``; ``rate`` in words per minute."""

    text: str
    voice: str
    rate: int = 155
    pitch: int = 50


async def speak_lines(lines: Sequence[Line]) -> list[Pcm16]:
    """Speaks all lines; int16 [n] at 16 kHz each, without silence around them.

    Raises:
        VoiceFailed
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "selam_agent.programs.caller_voice",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    request = json.dumps([asdict(line) for line in lines]).encode()
    try:
        output, errors = await asyncio.wait_for(process.communicate(request), _LIMIT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise VoiceFailed(f"the caller's voice did not answer within {_LIMIT_S:g} s") from None
    if process.returncode != 0:
        raise VoiceFailed("the caller's voice failed: " + errors.decode("utf-8", "replace").strip()[-500:])
    return [np.frombuffer(base64.b64decode(text), np.int16) for text in json.loads(output)]


def cough(seed: int = 3) -> Pcm16:
    """A cough of 250 ms as int16 [n] at 16 kHz, as loud as speech: breath through a throat, no words.

    Noise with two resonances, a sudden onset, a quick decay and a second, softer breath: made to
    sound like one, not measured.
    """
    length = RATE // 4
    seconds = np.arange(length) / RATE
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    throat = sum(gain / (1 + ((hertz - centre) / width) ** 2) for centre, width, gain in _THROAT)
    burst = np.fft.irfft(spectrum * throat, length)
    envelope = np.minimum(seconds / 0.01, 1) * (np.exp(-seconds / 0.07) + 0.12 * (seconds > 0.12))
    envelope *= np.minimum((seconds[-1] - seconds) / 0.04, 1)
    shaped = burst * envelope
    samples: Pcm16 = (shaped * (_PEAK * 32767 / np.abs(shaped).max())).astype(np.int16)
    return samples


# Centre and half width in Hz, and gain.
_THROAT = ((700.0, 250.0, 1.0), (1900.0, 500.0, 0.6))
# The sounds without words that a line of a story can be.
SOUNDS = {"cough": cough}


def _child() -> None:
    from selam_agent.engines.espeak_library import EspeakLibrary, WordMark
    from selam_agent.programs.media import resample

    spoken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="selam-voice-") as overlay:
        library = EspeakLibrary(Path(overlay))
        # In the process that has just built the overlay, Somali as the first voice comes out as noise
        # or crashes (seen in 4 of 6 runs); any other voice before it sets the library right.
        library.speak("a", "en-us", on_item=lambda item: True)
        for line in (Line(**each) for each in json.load(sys.stdin)):
            parts: list[bytes] = []

            def keep(item: bytes | WordMark, parts: list[bytes] = parts) -> bool:
                if isinstance(item, bytes):
                    parts.append(item)
                return True

            library.speak(line.text, line.voice, rate=line.rate, pitch=line.pitch, on_item=keep)
            samples = resample(np.frombuffer(b"".join(parts), np.int16), library.sample_rate, RATE)
            spoken.append(base64.b64encode(_level(_trim(samples)).tobytes()).decode())
    json.dump(spoken, sys.stdout)


def _trim(samples: Pcm16) -> Pcm16:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 300)
    return samples[loud[0] : loud[-1] + 1] if loud.size else samples


def _level(samples: Pcm16) -> Pcm16:
    peak = int(np.abs(samples.astype(np.int32)).max(initial=1)) or 1
    return (samples.astype(np.float32) * (_PEAK * 32767 / peak)).astype(np.int16)


if __name__ == "__main__":
    _child()
