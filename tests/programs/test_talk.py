"""A recording with two turns, played to an agent."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from selam_agent.programs import talk
from selam_agent.programs.media import encode_mp3, write_wav
from tests.programs.fake_agent import KEY, Turn, fake_agent


def tone(ms: int, rate: int) -> np.ndarray:
    return (9000 * np.sin(np.arange(rate * ms // 1000) * 2 * np.pi * 300 / rate)).astype(np.int16)


async def test_every_turn_of_the_recording_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    pause = np.zeros(16_000, np.int16)
    audio = np.concatenate([tone(300, 16_000), pause, tone(300, 16_000)])
    async with fake_agent(Turn("One.", "First.", 200), Turn("Two.", "Second.", 200)) as (url, _):
        console = talk.Console(highlight=False, width=100)
        recording = await talk._talk(audio, "two.wav", "en", "aria", url, KEY, console)
    printed = capsys.readouterr().out.split()
    assert [word for word in printed if word in ("One.", "First.", "Two.", "Second.")] == [
        "One.", "First.", "Two.", "Second.",
    ]  # fmt: skip
    assert len(recording.heard) == 2 and recording.agent.any()


def test_any_sound_file_is_read_as_16_khz_mono(tmp_path: Path) -> None:
    sound = tone(1000, 44_100)
    write_wav(tmp_path / "stereo.wav", [sound, sound], 44_100)
    (tmp_path / "music.mp3").write_bytes(encode_mp3([sound, sound], 44_100))
    for name in ("stereo.wav", "music.mp3"):
        samples = talk.read_audio(tmp_path / name)
        assert abs(samples.size - 16_000) < 500
        assert 8000 < np.abs(samples.astype(int)).max() < 10_000


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    silent = tmp_path / "picture.mkv"
    with av.open(str(silent), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(talk.NotAudio):
        talk.read_audio(silent)
