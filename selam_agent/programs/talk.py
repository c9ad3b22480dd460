"""``selam-agent talk FILE``: plays a recording to the agent and keeps what it answers."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import av
import numpy as np
from rich.console import Console

from selam_agent.client import (
    ClientError,
    ClientEvent,
    ErrorEvent,
    Response,
    Result,
    SelamClient,
    SessionStarted,
    Transcription,
    TurnMetrics,
    WarningEvent,
)
from selam_agent.ports import Pcm16
from selam_agent.programs.caller import CallFailed, Say, SimulatedCaller
from selam_agent.programs.caller_voice import RATE
from selam_agent.programs.local_server import LocalServer, ServerFailed, local_server
from selam_agent.programs.media import write_wav
from selam_agent.programs.recording import Recording, Spoken, WentOn

LIMIT_S = 600
# A pause inside the recording may be followed by more of it; this long after the last word it is over.
_LINGER_MS = 2500.0


class NotAudio(Exception):  # noqa: N818
    """The file is missing or cannot be decoded."""


def run(
    file: Path, *, language: str, voice: str, out: Path, url: str | None = None, key: str | None = None
) -> int:
    """Sends the file in real time, prints the conversation and writes the answer; the exit status."""
    console = Console(highlight=False)
    try:
        recording = asyncio.run(_talk(read_audio(file), file.name, language, voice, url, key, console))
    except (NotAudio, ServerFailed, CallFailed, ClientError) as error:
        Console(stderr=True, highlight=False).print(
            str(error), style="bold red", markup=False, soft_wrap=True
        )
        return 1
    write_wav(out, [recording.agent], recording.rate)
    console.print(f"The agent's side of the call: {out}", soft_wrap=True)
    return 0


def read_audio(file: Path) -> Pcm16:
    """Anything ffmpeg reads, as int16 [n] at 16 kHz, at most ten minutes.

    Raises:
        NotAudio
    """
    parts: list[Pcm16] = []
    try:
        with av.open(str(file)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                parts += [each.to_ndarray()[0] for each in resampler.resample(frame)]
                if sum(part.size for part in parts[-1:]) == 0:
                    continue
                if frame.time is not None and frame.time > LIMIT_S:
                    raise NotAudio(f"{file}: longer than {LIMIT_S // 60} minutes")
            parts += [each.to_ndarray()[0] for each in resampler.resample(None)]
    except FileNotFoundError:
        raise NotAudio(f"{file}: no such file") from None
    except (OSError, ValueError, IndexError) as error:
        raise NotAudio(f"{file}: not a sound file that can be read ({error})") from None
    samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    if not samples.size:
        raise NotAudio(f"{file}: there is no sound in it")
    return samples


async def _talk(
    audio: Pcm16, name: str, language: str, voice: str, url: str | None, key: str | None, console: Console
) -> Recording:
    async with contextlib.AsyncExitStack() as stack:
        server: LocalServer | None = None
        if url is None:
            server = await stack.enter_async_context(local_server())
            url, key = server.url, server.api_key
            console.print(server.engines, markup=False, soft_wrap=True)
        client = await stack.enter_async_context(SelamClient(url, api_key=key or "", voice=voice))
        caller = SimulatedCaller(
            client,
            on_event=lambda at, what: _show(console, what, private=server is not None),
            noise_dbfs=-90.0,
            patience_s=30.0 + audio.size / RATE,
            linger_ms=_LINGER_MS,
        )
        return await caller.call([Say(name, audio)], language=language, voice=voice)


def _show(console: Console, what: Spoken | WentOn | ClientEvent, *, private: bool) -> None:
    said: str | None = None
    if isinstance(what, SessionStarted):
        # A private server has said it already, with the number of phrases.
        said = None if private else honest_line(what)
    elif isinstance(what, Transcription) and what.is_final:
        said = f"caller  {what.text}"
    elif isinstance(what, Response):
        said = f"agent   {what.text}"
    elif isinstance(what, TurnMetrics):
        said = f"        answered in {what.v2v_ms:.0f} ms"
    elif isinstance(what, Result):
        said = f"result  {dict(what.data)}"
    elif isinstance(what, WarningEvent | ErrorEvent):
        said = f"{what.name}  {what.message}"
    if said:
        console.print(said, markup=False, soft_wrap=True)


def honest_line(session: SessionStarted) -> str:
    """What listens, and what it has never heard."""
    stt = session.engines.get("stt", {})
    if stt.get("open_vocabulary", True):
        return f"Recogniser: {stt.get('name', 'unknown')}."
    return (
        f"Recogniser: {stt.get('name', 'built-in')}: a fixed list of phrases, "
        f"{stt.get('tested_on', 'synthetic voices only')}. Free speech: set stt.model on the server."
    )
