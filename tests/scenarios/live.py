"""Runner B: the same scenarios against the real server with the embedded engines, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from selam_agent.client import AudioChunk, AudioEnd, Clear, ClientEvent, SelamClient
from selam_agent.languages import packs
from selam_agent.ports import Pcm16
from selam_agent.programs.local_server import LocalServer, local_server
from tests.scenarios import sound
from tests.scenarios.caller import Caller
from tests.scenarios.dsl import Delays, Scenario, Words, lexicon
from tests.scenarios.measure import Figure, percentile
from tests.scenarios.outcome import Event, Outcome, measure

PACKS = packs.load()
_RATE = 16_000


def cannot_run(scenario: Scenario) -> str:
    """Why the real server cannot be put through this scenario; empty if it can."""
    if scenario.only_scripted:
        return scenario.only_scripted
    if scenario.engines != Delays():
        return "the engines' delays are part of it"
    if scenario.settings:
        return "the server's settings are part of it"
    if scenario.min_silence_ms is not None or scenario.max_silence_ms is not None:
        return "the client has no such parameter yet"
    pack = PACKS[scenario.language]
    known = {text for texts in (*pack.phrases.values(), *pack.slots.values()) for text in texts}
    for text in scenario.utterances():
        if not _made_of(text, known):
            return f"the embedded recogniser does not know “{text}”"
    return ""


def _made_of(text: str, known: set[str]) -> bool:
    """Whether the text is a phrase, or phrases one after the other."""
    return not text or any(
        text == phrase or (text.startswith(f"{phrase} ") and _made_of(text[len(phrase) + 1 :], known))
        for phrase in known
    )


def play_all(
    scenarios: list[Scenario], *, parallel: int, tell: Callable[[Outcome], None]
) -> tuple[list[Outcome], str]:
    """Plays them on one private server, several at once; the outcomes, and what the engines are."""
    # Speech is made before the clock runs.
    for each in scenarios:
        for step in each.steps:
            if isinstance(step, Words):
                sound.say(step.text, each.language, step.voice, step.rate, step.dbfs)
        if each.noise is not None:
            sound.background(each.noise, each.language)
    return asyncio.run(_play_all(scenarios, parallel, tell))


async def _play_all(
    scenarios: list[Scenario], parallel: int, tell: Callable[[Outcome], None]
) -> tuple[list[Outcome], str]:
    room = asyncio.Semaphore(parallel)

    async def one(server: LocalServer, scenario: Scenario) -> Outcome:
        async with room:
            try:
                out = await _play(server, scenario)
            except Exception as error:
                out = Outcome(scenario=scenario, problems=[f"{type(error).__name__}: {error}"])
            tell(out)
            return out

    async with local_server() as server:
        outcomes = await asyncio.gather(*(one(server, each) for each in scenarios))
        return list(outcomes), server.engines.strip()


async def _play(server: LocalServer, scenario: Scenario) -> Outcome:
    seen: list[Event] = []
    voice = PACKS.default_voice(scenario.language).name
    async with SelamClient(server.url, api_key=server.api_key, voice=voice) as client:
        await client.start_session(
            language=scenario.language,
            output_format="pcm16",
            output_sample_rate=_RATE,
            playback=scenario.playback,
            vad_threshold=scenario.vad_threshold,
            decisions=True,
        )

        async def send(packet: Pcm16, at_ms: float) -> None:
            await client.send_audio(packet.tobytes(), sample_rate=_RATE)

        caller = Caller(scenario, send)
        begun = asyncio.get_running_loop().time()
        listening = asyncio.create_task(_listen(client, caller, begun, seen))
        try:
            await caller.call()
            await client.end_session()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    return measure(scenario, caller, seen)


async def _listen(client: SelamClient, caller: Caller, begun: float, seen: list[Event]) -> None:
    async for event in client.events():
        at = (event.received - begun) * 1000
        if at < 0:
            continue
        seen.append((at, event.name, _values(event)))
        if isinstance(event, AudioChunk):
            audio = event.audio
            pcm = np.frombuffer(audio[: len(audio) // 2 * 2], np.int16)
            caller.ears.chunk(at, event.reply_id, event.turn_id, pcm.size * 1000 / event.sample_rate)
        elif isinstance(event, Clear):
            caller.ears.clear(at, event.reply_id)
        elif isinstance(event, AudioEnd):
            caller.ears.ended(at, event.reply_id, event.interrupted)


def _values(event: ClientEvent) -> dict[str, Any]:
    values = {name: value for name, value in event.raw.items() if name != "audio"}
    if event.name == "turn_metrics":
        values.setdefault("speculation", "")
    return values


def figures(outcomes: list[Outcome]) -> list[Figure]:
    """v2v of complete endings, and stop latency, with the embedded engines."""
    complete = [
        ms
        for each in outcomes
        if each.ok and each.scenario.file == "turns.toml" and each.scenario.sends == "real time"
        for ms in each.v2v_voiced
    ]
    stops, others = [
        [
            ms
            for each in outcomes
            if each.scenario.playback == "buffered" and _ends_in_stop_word(each.scenario) is stop_word
            for ms in each.stop
        ]
        for stop_word in (True, False)
    ]
    gaps = [ms for each in outcomes if each.scenario.expect.interrupted == 0 for ms in each.gaps]
    made: list[Figure] = []
    if complete:
        p50 = median(complete)
        made.append(
            Figure(f"v2v p50, complete endings, n={len(complete)}", f"{p50:.0f} ms", "≤ 450 ms", p50 <= 450)
        )
        made.append(Figure("  p95", f"{percentile(complete, 0.95):.0f} ms", "", None))
    if stops:
        p95 = percentile(stops, 0.95)
        value = f"{median(stops):.0f}, {p95:.0f} ms"
        made.append(
            Figure(f"stop words: latency p50, p95, n={len(stops)}", value, "p95 ≤ 350 ms", p95 <= 350)
        )
    if others:
        value = f"{median(others):.0f}, {percentile(others, 0.95):.0f} ms"
        made.append(Figure(f"other interruptions: latency p50, p95, n={len(others)}", value, "", None))
    if gaps:
        made.append(
            Figure(
                f"gap p50, p95, n={len(gaps)}",
                f"{median(gaps):.0f}, {percentile(gaps, 0.95):.0f} ms",
                "",
                None,
            )
        )
    return made


def _ends_in_stop_word(scenario: Scenario) -> bool:
    words = [step for step in scenario.steps if isinstance(step, Words)]
    return bool(words) and words[-1].text in lexicon()[scenario.language]["stops"]
