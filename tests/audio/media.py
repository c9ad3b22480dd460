"""Sound for the audio tests: made once per process, by PyAV or from the capture of a real browser."""

from __future__ import annotations

import base64
import functools
import io
import json
from pathlib import Path

import av
import numpy as np

from selam_agent.audio.pcm import Pcm16

FIXTURES = Path(__file__).parent.parent / "fixtures"


@functools.cache
def capture() -> tuple[bytes, ...]:
    """The chunks of a Chromium MediaRecorder, 3.48 s of speech."""
    lines = (FIXTURES / "mediarecorder_chunks.jsonl").read_text().splitlines()
    return tuple(base64.b64decode(json.loads(line)["audio"]) for line in lines)


def tone(rate: int, seconds: float, hertz: float = 440, amplitude: float = 8000) -> Pcm16:
    """A sine: int16 [n]."""
    time = np.arange(int(rate * seconds)) / rate
    return np.asarray(amplitude * np.sin(2 * np.pi * hertz * time), np.int16)


def mux(container: str, codec: str, pcm: Pcm16, rate: int, options: dict[str, str] | None = None) -> bytes:
    """A file of ``container`` with ``pcm`` encoded by ``codec``."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts = 0
        for packet in stream.encode(frame) + stream.encode(None):
            out.mux(packet)
    return file.getvalue()


def demuxed(data: bytes, format: str | None = None) -> Pcm16:
    """The whole file as FFmpeg's own demuxer and decoder give it, trimmed as its tags say: int16 [n].

    Without ``format`` FFmpeg guesses it, which fails for about one in a thousand files of two MP3 frames.
    """
    with av.open(io.BytesIO(data), format=format) as file:
        rate = file.streams.audio[0].rate
        resampler = av.AudioResampler("s16", "mono", rate)
        frames = [each for frame in file.decode(audio=0) for each in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}
