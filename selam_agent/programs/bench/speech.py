"""What callers say: a line of espeak speech over a room's noise, cut into packets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from selam_agent.ports import Pcm16
from selam_agent.programs.bench.profile import Profile
from selam_agent.programs.caller_voice import RATE, Line, speak_lines

_NOISE_DBFS = -60.0
_FRAME = RATE // 50
# A line begins and ends with a frame this loud (RMS, int16): where speech ends is then beyond doubt.
_AUDIBLE = 600.0


@dataclass(frozen=True, slots=True)
class Speech:
    """Packets of s16le at 16 kHz: the line, and the room.

    ``lead_ms``: what of the room is heard in the line's first packet, before its first sound.
    """

    line: list[bytes]
    room: list[bytes]
    lead_ms: float


def speak(profile: Profile) -> list[Speech]:
    """Speaks the profile's lines. Raises VoiceFailed."""
    spoken = asyncio.run(speak_lines([Line(each, profile.caller) for each in profile.lines]))
    return [_speech(each, profile.packet_ms) for each in spoken]


def _speech(line: Pcm16, packet_ms: int) -> Speech:
    noise = np.random.default_rng(7).standard_normal(RATE * 8) * 32768 * 10 ** (_NOISE_DBFS / 20)
    room = noise.astype(np.int16)
    size = RATE * packet_ms // 1000
    line = _audible(line)
    return Speech(
        line=_packets(_in_room(line, room, size), size),
        room=_packets(room[: RATE * 2], size),
        lead_ms=-line.size % size * 1000 / RATE,
    )


def _audible(samples: Pcm16) -> Pcm16:
    frames = samples[: samples.size // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) >= _AUDIBLE)
    return samples[loud[0] * _FRAME : (loud[-1] + 1) * _FRAME]


def _in_room(samples: Pcm16, room: Pcm16, size: int) -> Pcm16:
    """Whole packets that end with the line: a packet's first samples may be room."""
    length = -(-samples.size // size) * size
    out = room[:length].astype(np.int32)
    out[length - samples.size :] += samples
    return np.clip(out, -32768, 32767).astype(np.int16)


def _packets(samples: Pcm16, size: int) -> list[bytes]:
    return [samples[at : at + size].tobytes() for at in range(0, samples.size - size + 1, size)]
