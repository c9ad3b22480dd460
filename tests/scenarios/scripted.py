"""Runner A: a real session on the virtual clock, with engines of fixed delay that know the script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from selam_agent import events
from selam_agent.languages import packs
from selam_agent.ports import Pcm16, SpeechChunk, SynthesisRequest, Transcript, TranscriptionRequest, Word
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.registry import Registry
from selam_agent.settings_file import load as load_settings
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber, friday
from tests.scenarios.caller import PACKET, PACKET_MS, Caller
from tests.scenarios.dsl import Scenario
from tests.scenarios.outcome import Event, Outcome, measure
from tests.scenarios.sound import RATE, say
from tests.virtual_clock import run

PACKS = packs.load()
# A word is recognised when so much of it is in the audio; of one that is being said its first letters.
_ENOUGH = 0.75
_SOME = 0.4
_LONG_WORDS = 24


@dataclass
class ScriptedEars(FakeTranscriber):
    """Knows what was said up to which time: it finds the audio's place in the call by its samples."""

    caller: Caller | None = None

    def __post_init__(self) -> None:
        self._sent: dict[bytes, float] = {}
        self._stream: list[tuple[float, Pcm16]] = []

    def remember(self, packet: Pcm16, at_ms: float) -> None:
        """A packet that was sent, with the time of its first sample."""
        self._sent[packet.tobytes()] = at_ms
        self._stream.append((at_ms, packet))

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        text = self._words(request.audio)
        self.script = [
            Transcript(text=text, language=request.language)
            if text
            else Transcript(text="", language=request.language, rejected="no_speech")
        ]
        return await super().transcribe(request)

    def _words(self, audio: Pcm16) -> str:
        assert self.caller is not None
        frames = audio[: len(audio) // PACKET * PACKET].reshape(-1, PACKET)
        found = [
            (n, at) for n, frame in enumerate(frames) if (at := self._sent.get(frame.tobytes())) is not None
        ]
        if found:
            # Frames before and after may have been changed on their way.
            (before, first), (known, last) = found[0], found[-1]
            first, last = first - before * PACKET_MS, last + (len(frames) - known) * PACKET_MS
        elif places := self._alike(audio):
            first, last = places[0], places[-1] + PACKET_MS
        else:
            return ""
        heard: list[str] = []
        for spoken in self.caller.spoken:
            for word, start, end in spoken.said.words if spoken.said is not None else ():
                begin = spoken.start_ms + start * 1000 / RATE
                until = spoken.start_ms + end * 1000 / RATE
                within = min(last, until) - max(first, begin)
                # Some short words have no time of their own.
                if within >= _ENOUGH * (until - begin) and first <= until and begin <= last:
                    heard.append(word)
                elif begin <= last < until and within >= _SOME * (until - begin):
                    heard.append(word[: int(len(word) * within / (until - begin))])
        return " ".join(heard)

    def _alike(self, audio: Pcm16) -> list[float]:
        """The same for audio that was changed on its way, such as by the echo guard."""
        recent = self._stream[-(40 * 1000 // 20) :]
        stream = np.concatenate([packet for _, packet in recent]).astype(np.float64)
        if not len(audio) or len(audio) > len(stream):
            return []
        size = 1 << (len(stream) + len(audio)).bit_length()
        spectrum = np.fft.rfft(stream, size) * np.conj(np.fft.rfft(audio.astype(np.float64), size))
        at = int(np.argmax(np.fft.irfft(spectrum, size)[: len(stream) - len(audio) + 1]))
        last = min((at + len(audio)) // PACKET, len(recent)) - 1
        return [recent[round(at / PACKET) if at < len(stream) else last][0], recent[max(0, last)][0]]


class SpeakingVoice(FakeSynthesizer):
    """Real speech instead of a tone, for what depends on how the agent sounds: echo."""

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
        self.requests.append(request)
        await asyncio.sleep(self.delay)
        said = say(request.text, request.language, "f3", 160, -20.0)
        words = tuple(Word(w, a * 1000 // RATE, b * 1000 // RATE) for w, a, b in said.words)
        for at in range(0, len(said.pcm), RATE // 5):
            yield SpeechChunk(
                pcm=said.pcm[at : at + RATE // 5].tobytes(), sample_rate=RATE, words=words if at == 0 else ()
            )


@dataclass
class _Outlet:
    """Feeds the caller's ears."""

    caller: Caller | None = None

    def __post_init__(self) -> None:
        self.seen: list[Event] = []

    def send(self, event: events.Event) -> None:
        assert self.caller is not None
        at = self.caller.now
        values = {each.name: getattr(event, each.name) for each in fields(event)}
        self.seen.append((at, event.name, values))
        if isinstance(event, events.AudioChunk):
            pcm = np.frombuffer(event.audio, np.int16) if self.caller.scenario.echo else None
            self.caller.ears.chunk(at, event.reply_id, event.turn_id, event.duration_ms, pcm)
        elif isinstance(event, events.Clear):
            self.caller.ears.clear(at, event.reply_id)
        elif isinstance(event, events.AudioEnd):
            self.caller.ears.ended(at, event.reply_id, event.interrupted)


def answer_text(scenario: Scenario) -> str:
    """What the scripted model says."""
    says = PACKS[scenario.language].says
    if scenario.reply == "short":
        return says["goodbye"]
    if scenario.reply == "question":
        return says["still_there"]
    if scenario.reply == "long":
        text = ""
        while len(text.split()) < _LONG_WORDS:
            text += f"{says['failed']} "
        return text.strip()
    return scenario.reply


def play(scenario: Scenario, seed: int = 1) -> Outcome:
    """Plays it; returns what came of it."""
    return run(_play(scenario, seed))


async def _play(scenario: Scenario, seed: int) -> Outcome:
    delays = scenario.engines
    ears = ScriptedEars([], delay=delays.stt / 1000)
    voice = (SpeakingVoice if scenario.echo else FakeSynthesizer)(delay=delays.tts / 1000)
    engines = Engines(
        transcriber=ears,
        chat_model=FakeChatModel(answer_text(scenario), delay=delays.llm / 1000),
        synthesizers={"espeak": voice},
    )
    overrides: dict[str, Any] = {f"turns__{name}": value for name, value in scenario.settings.items()}
    settings = load_settings(environ={}, **overrides)
    registry = Registry(engines=engines, packs=PACKS, settings=settings, now=friday)
    outlet = _Outlet()

    async def send(packet: Pcm16, at_ms: float) -> None:
        ears.remember(packet, at_ms)
        session.hear(packet.tobytes())

    caller = Caller(scenario, send, seed)
    outlet.caller = ears.caller = caller
    session = registry.open(
        SessionConfig(
            voice=PACKS.default_voice(scenario.language).name,
            language=scenario.language,
            output_format="pcm16",
            output_sample_rate=RATE,
            playback=scenario.playback,
            vad_threshold=scenario.vad_threshold,
            min_silence_ms=scenario.min_silence_ms,
            max_silence_ms=scenario.max_silence_ms,
            decisions=True,
        ),
        outlet,
        owner="key",
    )
    try:
        await caller.call()
    finally:
        await registry.aclose()
    leftover = asyncio.all_tasks() - {asyncio.current_task()}
    outcome = measure(scenario, caller, outlet.seen)
    outcome.problems += [f"task left behind: {task.get_name()}" for task in leftover]
    return outcome
