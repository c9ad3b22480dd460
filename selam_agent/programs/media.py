"""Recordings: resampling whole takes, WAV and MP3 files, and the outline of a waveform."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av
import numpy as np

from selam_agent.ports import Pcm16

MP3_BIT_RATE = 96_000


def resample(samples: Pcm16, source: int, target: int) -> Pcm16:
    """Band-limited, through the spectrum of the whole take; [n] at ``source`` to [m] at ``target`` Hz."""
    if source == target or samples.size == 0:
        return samples
    length = round(samples.size * target / source)
    spectrum = np.fft.rfft(samples.astype(np.float64))
    bins = np.zeros(length // 2 + 1, dtype=complex)
    kept = min(spectrum.size, bins.size)
    bins[:kept] = spectrum[:kept]
    scaled = np.fft.irfft(bins, length) * (length / samples.size)
    return np.clip(np.round(scaled), -32768, 32767).astype(np.int16)


def write_wav(path: Path, channels: list[Pcm16], rate: int) -> None:
    """``channels``: equally long int16 [n], interleaved in order."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.stack(channels, axis=1).tobytes())


def encode_mp3(channels: list[Pcm16], rate: int) -> bytes:
    """A stereo MP3 that every browser plays from a ``data:`` address."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="stereo")
        stream.bit_rate = MP3_BIT_RATE
        packed = np.stack(channels, axis=1).reshape(1, -1)
        step = stream.codec_context.frame_size or 1152
        for start in range(0, packed.shape[1] // 2, step):
            block = np.ascontiguousarray(packed[:, 2 * start : 2 * (start + step)])
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
            frame.sample_rate = rate
            frame.pts = start
            container.mux(stream.encode(frame))  # PyAV converts to the encoder's planar samples
        container.mux(stream.encode(None))
    return target.getvalue()


def outline(samples: Pcm16, rate: int, points: int) -> list[int]:
    """Peak of each of ``points`` equal slices, 0–100, on a scale that keeps soft speech visible."""
    if samples.size == 0:
        return [0] * points
    edges = np.linspace(0, samples.size, points + 1).astype(int)[:-1]
    peaks = np.maximum.reduceat(np.abs(samples.astype(np.int32)), edges) / 32768
    return [round(100 * float(peak**0.75)) for peak in peaks]
