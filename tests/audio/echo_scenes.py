"""A call without headphones, made of synthetic speech: agent, loudspeaker, room, caller.

What is modelled: delay, level, a short exponential room, a loudspeaker's mild saturation, the telephone
band with G.711, light noise, a caller who speaks over an agent that keeps talking. What is not: real
rooms and telephones, Opus, packet loss, comfort noise.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from selam_agent.audio.pcm import Pcm16, g711_decode, g711_encode
from tests.speech import spoken

Wave = NDArray[np.float64]

LANGUAGES = ("am", "so", "ti", "om", "en")
VOICES = Path(__file__).resolve().parents[2] / "voices"
AGENT_DBFS = -18.0
AGENT_STARTS_MS = 300
_PER_MS = SAMPLE_RATE // 1000


@dataclass(frozen=True)
class Scene:
    """How the call is made; every field changes only what it names."""

    language: str = "en"
    delay_ms: float = 200
    level_db: float = -12.0  # echo relative to what was sent
    headphones: bool = False  # no echo; the caller is as loud as with it
    unplugged_at_s: float | None = None  # headphones until here
    plugged_at_s: float | None = None  # headphones from here
    over_db: float | None = None  # caller relative to the echo; None: the caller says nothing
    telephone: bool = False
    seconds: float = 24.0
    seed: int = 0
    noise_dbfs: float = -50.0
    rt60_s: float = 0.25
    caller_at_least_dbfs: float = -26.0  # a quieter one is the voice gate's matter, echo or not
    drift_ppm: float = 0.0
    jump_at_s: float | None = None  # the delay changes by ``jump_ms`` here
    jump_ms: float = 60.0
    swing_at_s: float | None = None  # the echo's level changes by ``swing_db`` here
    swing_db: float = 6.0
    jitter_ms: float = 0.0  # each reply is late by up to this much more


@dataclass(frozen=True)
class Call:
    """``far``: the pieces that were sent and when each is due. ``near``: int16 [n, 320] from time 0.

    ``spoken_ms``: (onset, end) of each thing that the caller said.
    """

    far: list[tuple[float, Pcm16]]
    near: Pcm16
    spoken_ms: list[tuple[float, float]]


@functools.cache
def _phrases(language: str) -> tuple[str, ...]:
    pack = tomllib.loads((VOICES / f"{language}.toml").read_text(encoding="utf-8"))
    lines = [line for lines in pack["phrases"].values() for line in lines]
    lines += [line.split("{")[0] for line in pack["says"].values()]
    return tuple(line.strip("።.?!፦:… ") for line in lines if len(line) > 3)


@functools.cache
def _said(language: str, agent: bool, seed: int) -> tuple[Wave, ...]:
    """Things said, each at 0 dBFS: sentences of the agent, interruptions of the caller."""
    random = np.random.default_rng((seed, agent, LANGUAGES.index(language)))
    voices = ("f3", "m3", "f2") if agent else ("m7", "f4", "m1", "f5", "m2")
    base = "en-us" if language == "en" else language
    said = []
    for number in range(8 if agent else 6):
        words = [str(line) for line in random.choice(_phrases(language), 4 if agent else 3, replace=False)]
        text = (". " if number % 3 == 0 else " ").join(words) if agent else " ".join(words)
        voice = f"{base}+{voices[seed % 3] if agent else voices[(number + seed) % 5]}"
        wave = np.frombuffer(spoken(text, voice, dbfs=-26, rate=160), np.int16).astype(np.float64)
        wave = _trimmed(wave)
        said.append(wave / np.sqrt(np.mean(wave**2)))
    return tuple(said)


def _trimmed(wave: Wave) -> Wave:
    """Without the silence around it: an onset is the first 10 ms within 25 dB of the loudest."""
    blocks = wave[: len(wave) // 160 * 160].reshape(-1, 160)
    level = np.sqrt(np.mean(blocks**2, axis=1))
    loud = np.flatnonzero(level > level.max() * 10 ** (-25 / 20))
    return wave[loud[0] * 160 : (loud[-1] + 1) * 160]


def _band(wave: Wave, low: float, high: float) -> Wave:
    spectrum = np.fft.rfft(wave)
    hertz = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
    ramp = np.clip((hertz - low * 0.8) / (low * 0.2), 0, 1) * np.clip(
        (high * 1.1 - hertz) / (high * 0.1), 0, 1
    )
    return np.fft.irfft(spectrum * ramp, len(wave))


def _room(random: np.random.Generator, rt60_s: float) -> Wave:
    time = np.arange(int(rt60_s * SAMPLE_RATE)) / SAMPLE_RATE
    response = random.standard_normal(len(time)) * 10 ** (-3 * time / rt60_s)
    response[: 2 * _PER_MS] = 0
    # The direct sound is 3 dB above all the reverberation together.
    response *= 10 ** (-3 / 20) / np.sqrt(np.sum(response**2))
    response[0] = 1.0
    return response


def _convolved(wave: Wave, response: Wave) -> Wave:
    size = len(wave) + len(response)
    return np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(response, size), size)[: len(wave)]


def _delayed(wave: Wave, scene: Scene) -> Wave:
    """The client plays late by a fraction of a sample too, and by another clock."""
    at = np.arange(len(wave), dtype=np.float64)
    late = np.full(len(wave), float(scene.delay_ms * _PER_MS))
    if scene.jump_at_s is not None:
        late[int(scene.jump_at_s * SAMPLE_RATE) :] += scene.jump_ms * _PER_MS
    if scene.jitter_ms:
        random = np.random.default_rng((scene.seed, 11))
        sounding = np.flatnonzero(wave)
        gaps = np.flatnonzero(np.diff(sounding) > SAMPLE_RATE)
        for begin in sounding[gaps + 1].tolist():
            late[begin:] = (scene.delay_ms + random.random() * scene.jitter_ms) * _PER_MS
    return np.interp(at * (1 - scene.drift_ppm * 1e-6) - late - 0.37, at, wave, left=0.0)


def _spoken_by_agent(scene: Scene) -> Wave:
    """Replies of about 8 s with 1.2 s of silence between them."""
    said = _said(scene.language, True, scene.seed % 4)
    track = np.zeros(int(scene.seconds * SAMPLE_RATE))
    at, reply, number = AGENT_STARTS_MS * _PER_MS, 0, scene.seed
    while at < len(track):
        piece = said[number % len(said)][: len(track) - at] * 32768 * 10 ** (AGENT_DBFS / 20)
        track[at : at + len(piece)] = piece
        at, reply, number = at + len(piece) + 80 * _PER_MS, reply + len(piece), number + 1
        if reply > 8 * SAMPLE_RATE:
            at, reply = at + 1200 * _PER_MS, 0
    return np.clip(track, -32768, 32767).round()


def _switched(echo: Wave, scene: Scene) -> Wave:
    echo = echo * (not scene.headphones)
    if scene.swing_at_s is not None:
        echo[int(scene.swing_at_s * SAMPLE_RATE) :] *= 10 ** (scene.swing_db / 20)
    if scene.unplugged_at_s is not None:
        echo[: int(scene.unplugged_at_s * SAMPLE_RATE)] = 0
    if scene.plugged_at_s is not None:
        echo[int(scene.plugged_at_s * SAMPLE_RATE) :] = 0
    return echo


def _interruptions(scene: Scene, echo: Wave, dbfs: float) -> tuple[Wave, list[tuple[float, float]]]:
    random = np.random.default_rng((scene.seed, 7))
    track, spoken_ms = np.zeros(len(echo)), []
    said = _said(scene.language, False, scene.seed % 4)
    at = int((3.5 + random.random()) * SAMPLE_RATE)
    number = scene.seed
    while True:
        piece = said[number % len(said)][: int(1.8 * SAMPLE_RATE)]
        if at + len(piece) >= len(track):
            return track, spoken_ms
        # Only where the agent is heard: in its silence there is nothing to guard.
        if np.mean(echo[at : at + 6400] ** 2) > 0.1 * np.mean(echo**2):
            track[at : at + len(piece)] = piece * 32768 * 10 ** (dbfs / 20)
            spoken_ms.append((at / _PER_MS, (at + len(piece)) / _PER_MS))
            at += len(piece) + int((1.5 + random.random()) * SAMPLE_RATE)
            number += 1
        else:
            at += 800


def make(scene: Scene) -> Call:
    """The call; the same for the same scene."""
    random = np.random.default_rng((scene.seed, LANGUAGES.index(scene.language)))
    sent = _spoken_by_agent(scene)
    active = np.sqrt(np.mean(sent[sent != 0] ** 2))
    loudspeaker = np.tanh(_band(_delayed(sent, scene), 150, 7000) / 20000) * 20000
    echo = _convolved(loudspeaker, _room(random, scene.rt60_s))
    heard = np.sqrt(np.mean(echo[np.abs(loudspeaker) > 1] ** 2))
    echo *= active * 10 ** (scene.level_db / 20) / heard
    voice, spoken_ms = np.zeros(len(sent)), []
    if scene.over_db is not None:
        dbfs = max(AGENT_DBFS + scene.level_db + scene.over_db, scene.caller_at_least_dbfs)
        voice, spoken_ms = _interruptions(scene, echo, dbfs)
    near = voice + _switched(echo, scene)
    near += random.standard_normal(len(near)) * 32768 * 10 ** (scene.noise_dbfs / 20)
    if scene.telephone:
        near = _band(near, 300, 3400)
    pcm = np.clip(near, -32768, 32767).astype(np.int16)
    if scene.telephone:
        pcm = g711_decode(g711_encode(pcm, "pcmu"), "pcmu")
    whole = len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES
    return Call(_pieces(sent.astype(np.int16)), pcm[:whole].reshape(-1, FRAME_SAMPLES), spoken_ms)


def _pieces(sent: Pcm16) -> list[tuple[float, Pcm16]]:
    """What the pacer sends: 40 ms at a time, nothing in the agent's silence."""
    edges = np.arange(0, len(sent) + 1, 640)
    return [(a / _PER_MS, sent[a:b]) for a, b in pairwise(edges.tolist()) if sent[a:b].any()]
