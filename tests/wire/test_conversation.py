"""A spoken turn and the errors of audio, over a real socket with the real session."""

from __future__ import annotations

import asyncio
import base64
import io
import wave
from pathlib import Path
from typing import Any

import pytest

from selam_agent.app import App
from tests.fakes import FakeSynthesizer, silence, speech
from tests.wire.doors import Client, running, scripted


async def speak_a_turn(client: Client, *, as_text: bool = False) -> None:
    """A second of speech and one of silence, in real time and 40 ms packets."""
    audio, size = speech(900) + silence(1100), 32 * 40
    for at in range(0, len(audio), size):
        packet: Any = audio[at : at + size]
        data = base64.b64encode(packet).decode() if as_text else packet
        await client.emit("audio_chunk", {"audio": data, "format": "pcm16", "sample_rate": 16_000})
        await asyncio.sleep(0.04)


@pytest.mark.parametrize("binary", [False, True])
async def test_a_turn(app: App, binary: bool) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start(output_format="pcm16", output_sample_rate=16_000, binary=binary)
        await speak_a_turn(client, as_text=not binary)
        end = await client.wait("audio_end")
        said, answer, chunks = (
            client.all("transcription")[-1],
            client.all("response"),
            client.all("audio_chunk"),
        )
        assert (said["text"], said["is_final"]) == ("hello there", True)
        assert [each["text"].strip() for each in answer] == ["Good day to you."]
        assert [each["index"] for each in chunks] == list(range(end["total_chunks"]))
        assert {type(each["audio"]) for each in chunks} == {bytes if binary else str}
        assert not end["interrupted"] and end["spoken_text"].strip() == "Good day to you."
        assert {each["turn_id"] for each in [said, *answer, *chunks, end]} == {1}
        assert {each["reply_id"] for each in [*answer, *chunks]} == {end["reply_id"]}
        names = client.names()
        assert names.index("transcription") < names.index("response") < names.index("audio_end")
        assert client.all("error") == []


async def test_an_interrupt_while_the_agent_speaks(tmp_path: Path) -> None:
    engines = scripted(synthesizers={"espeak": FakeSynthesizer(delay=0.01, ms_per_word=900)})
    async with running(tmp_path, engines=engines) as app, Client(app) as client:
        await client.greet()
        await client.start()
        await speak_a_turn(client)
        await client.wait("audio_chunk")
        await client.emit("control", {"action": "interrupt"})
        await client.wait("control_ack")
        end = client.all("audio_end")[-1]
        assert end["interrupted"] and len(end["spoken_text"]) < len("Good day to you.")
        assert client.names().index("audio_end") < client.names().index("control_ack")
        await asyncio.sleep(0.3)
        assert len(client.all("audio_chunk")) == end["total_chunks"]


async def test_audio_that_cannot_be_decoded(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        await client.emit("audio_chunk", {"audio": b"RIFF\x10\0\0\0WAVEjunk" * 40, "format": "wav"})
        assert (await client.wait("error"))["type"] == "audio_error"
        await client.emit("control", {"action": "interrupt"})
        await client.wait("control_ack")


async def test_a_wav_file_is_heard(app: App) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(speech(900) + silence(1100))
    async with Client(app) as client:
        await client.greet()
        await client.start()
        await client.emit("audio_chunk", {"audio": file.getvalue(), "format": "wav"})
        assert (await client.wait("transcription"))["text"] == "hello there"


async def test_more_audio_than_may_be_pending(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        second = silence(1000)
        for _ in range(40):
            await client.emit("audio_chunk", {"audio": second})
        error = await client.wait("error")
        assert error["type"] == "audio_error" and error["details"]["ahead_s"] > 29
        await client.emit("control", {"action": "interrupt"})
        await client.wait("control_ack")
        assert {each["type"] for each in client.all("error")} == {"audio_error"}
        assert len(client.all("error")) == 10


async def test_a_large_message_is_taken(app: App) -> None:
    """Twenty seconds of 48 kHz in one message: within the frame limit and the pending bound."""
    async with Client(app) as client:
        await client.greet()
        await client.start()
        audio = base64.b64encode(bytes(2 * 48_000 * 20)).decode()
        await client.emit("audio_chunk", {"audio": audio, "sample_rate": 48_000})
        await client.emit("control", {"action": "interrupt"})
        await client.wait("control_ack")
        assert client.all("error") == []
