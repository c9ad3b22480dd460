"""The simulated caller on a fake agent: cues, the timeline, the report and the page."""

from __future__ import annotations

import base64
import io
import json
import re
import wave
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from selam_agent.client import SelamClient
from selam_agent.programs.caller import CallFailed, Say, SimulatedCaller
from selam_agent.programs.page import write_page
from selam_agent.programs.recording import Playout, WentOn
from selam_agent.programs.report import report
from selam_agent.programs.scoreboard import scores
from selam_agent.programs.story import Story, StoryLine
from tests.programs.fake_agent import KEY, Turn, fake_agent

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STORY = Story(
    language="en",
    title="Test",
    voice="aria",
    caller="en+m7",
    greeting="Hi.",
    lines=(StoryLine("One."), StoryLine("No.", cut_in_ms=300), StoryLine("</script>Yes.")),
    weekday=0,
    time="09:00",
    timezone="Africa/Addis_Ababa",
)
TURNS = [
    Turn("one", "Do you want one or two?", speech_ms=3000),
    Turn("No.", "Two then?", speech_ms=300),
    Turn("Perhaps.", "Done.", speech_ms=200, result={"at": "2026-11-23T09:00+03:00"}),
]


def tone(ms: int) -> np.ndarray:
    return (9000 * np.sin(np.arange(16 * ms) / 9)).astype(np.int16)


async def call(turns: list[Turn], **options: object):  # type: ignore[no-untyped-def]
    script = [Say(line.text, tone(240), line.cut_in_ms) for line in STORY.lines]
    async with fake_agent(*turns) as (url, _), SelamClient(url, api_key=KEY, voice="aria") as client:
        caller = SimulatedCaller(client, pause_ms=(100, 120), **options)  # type: ignore[arg-type]
        return await caller.call(script, language="en", voice="aria", greeting="Hi.")


async def test_a_call_with_an_interruption(tmp_path: Path) -> None:
    recording = await call(TURNS)
    data = report(recording, STORY, NOW)
    # The last line was not understood as it was said.
    assert data["problems"] == ["the caller said “</script>Yes.” and the server understood “Perhaps.”"]
    assert [turn["who"] for turn in data["turns"]] == [
        "agent", "caller", "agent", "caller", "agent", "caller", "agent",
    ]  # fmt: skip
    greeting, first, answer, cut, *_ = data["turns"]
    assert first["start_ms"] >= greeting["end_ms"] + 90
    # A packet is 20 ms.
    assert 280 <= cut["start_ms"] - answer["start_ms"] <= 400
    assert cut["cut_in"] and answer["interrupted"]
    # Three seconds were sent or on their way; heard is what came before the agent gave way.
    assert answer["end_ms"] - answer["start_ms"] < 1200
    assert answer["latency"] == {
        "endpoint": 200, "stt": 25, "llm": 1, "tts": 30, "send": 12, "total": 268,
        "speculation": "miss", "wasted": 40,
        "meaning": "the answer prepared in the pause did not fit, 40 ms of work in vain",
    }  # fmt: skip
    assert first["stop_ms"] is None and 100 <= cut["stop_ms"] <= 400
    assert data["result"] == {"at": "2026-11-23T09:00+03:00"}
    assert recording.caller.size == recording.agent.size
    start = int(answer["end_ms"] * recording.rate / 1000)
    assert not recording.agent[start + 100 : int(cut["end_ms"] * recording.rate / 1000)].any()

    page = write_page(
        tmp_path, [(recording, data)], engines="loudness only", made=NOW, languages=scores([data])
    )
    text = page.read_text(encoding="utf-8")
    shown = json.loads(re.search(r"const content = (.*);\n", text).group(1))  # type: ignore[union-attr]
    assert shown["calls"][0]["turns"] == data["turns"]
    assert text.count("</script>") == 1 and "http" not in text.replace("http-equiv", "").replace(
        "http://www.w3.org/2000/svg", ""
    )
    mp3 = base64.b64decode(shown["calls"][0]["audio"].partition(",")[2])
    with av.open(io.BytesIO(mp3)) as container:
        decoded = sum(frame.samples for frame in container.decode(audio=0))
    assert abs(decoded - recording.caller.size) < recording.rate * 0.05
    with wave.open(str(tmp_path / "en.wav")) as file:
        assert file.getnchannels() == 2 and file.getnframes() == recording.caller.size


async def test_what_went_wrong_is_told_in_sentences() -> None:
    recording = await call(
        [TURNS[0], TURNS[1], Turn("</script>yes", "Done.", result={"at": "2026-11-24T09:00+03:00"})]
    )
    assert report(recording, STORY, NOW)["problems"] == [
        "the result is '2026-11-24T09:00+03:00'; it should be 2026-11-23T09:00+03:00"
    ]


OVER = StoryLine("Mm.", cut_in_ms=300, goes_on=True, sound="cough")


async def call_over_the_agent(**agent: int):  # type: ignore[no-untyped-def]
    """The second line is cut in 200 ms after the agent was heard again after a sound of 100 ms."""
    story = replace(STORY, lines=(STORY.lines[0], OVER, StoryLine("No.", cut_in_ms=200), *STORY.lines[2:]))
    lengths = (240, 100, 240, 240)
    script = [
        Say(line.text, tone(ms), line.cut_in_ms, line.goes_on, line.sound)
        for line, ms in zip(story.lines, lengths, strict=True)
    ]
    told: list[object] = []
    async with (
        fake_agent(*TURNS, **agent) as (url, _),
        SelamClient(url, api_key=KEY, voice="aria") as client,
    ):
        caller = SimulatedCaller(client, pause_ms=(100, 120), on_event=lambda _, what: told.append(what))
        recording = await caller.call(script, language="en", voice="aria", greeting="Hi.")
    return report(recording, story, NOW), told


async def test_the_agent_goes_on_after_a_sound_that_asks_for_nothing() -> None:
    data, told = await call_over_the_agent(stops_ms=150, hesitates_ms=400)
    assert data["problems"] == ["the caller said “</script>Yes.” and the server understood “Perhaps.”"]
    over, cut = (turn for turn in data["turns"] if turn["who"] == "caller" and turn["cut_in"])
    assert over["goes_on"] and over["sound"] == "cough" and over["understood"] == ""
    # The fake agent has no lead: what it does not send is not heard.
    assert 200 < over["gap_ms"] < 700 and over["stop_ms"] is None
    assert not cut["goes_on"] and cut["gap_ms"] is None and cut["stop_ms"] is not None
    assert cut["start_ms"] > over["end_ms"] + 400
    assert [what.line.gap_ms for what in told if isinstance(what, WentOn)] == [
        pytest.approx(over["gap_ms"], abs=1)
    ]


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ({"stops_ms": 50}, "the agent stopped for a cough over it, which asks for nothing"),
        (
            {"stops_ms": 150, "hesitates_ms": 1500},
            r"the agent was silent for 1\d\d\d ms after a cough over it",
        ),
        ({"stops_ms": 150, "hesitates_ms": 4000}, "the agent was not heard again after a cough over it"),
    ],
)
async def test_an_agent_that_does_not_go_on_is_told_of(agent: dict[str, int], problem: str) -> None:
    data, _ = await call_over_the_agent(**agent)
    assert any(re.fullmatch(problem, each) for each in data["problems"]), data["problems"]


def test_a_gap_is_where_nothing_was_played() -> None:
    playout = Playout(rate=1000, cushion_ms=40)
    for at in (0, 10, 400, 410):
        playout.add(at, np.ones(100, np.int16))
    # Heard: 40 to 240 and 440 to 640.
    assert playout.gap(50, 630) == (200, 440)
    assert playout.gap(300, 460) == (140, 440)
    assert playout.gap(440, 630) == (0, 440)


async def test_two_languages_are_interpreted_and_a_wrong_answer_is_told_of() -> None:
    line = StoryLine("Haa.", answer="Yes.")
    story = replace(STORY, language="so", lines=(line,), weekday=None, detect=True, between=("so", "en"))
    async with (
        fake_agent(Turn("Haa.", "No.", speech_ms=200)) as (url, agent),
        SelamClient(url, api_key=KEY, voice="aria") as client,
    ):
        caller = SimulatedCaller(client, pause_ms=(100, 120))
        recording = await caller.call(
            [Say(line.text, tone(240))], language=None, voice="aria", between=story.between
        )
    assert agent.started[0]["translation"] == "interpreter" and agent.started[0]["languages"] == ["so", "en"]
    assert "language" not in agent.started[0]
    data = report(recording, story, NOW)
    assert data["problems"] == ["“Haa.” was answered with “No.”, not “Yes.”"]
    assert data["result"] is None and data["turns"][0]["language"] == "so"


async def test_a_silent_agent_ends_the_call() -> None:
    with pytest.raises(CallFailed, match=r"waited 1 s for an answer before “No\.” and gave up"):
        await call([], patience_s=1.0)


def test_playout_queues_and_drops_what_was_not_heard() -> None:
    playout = Playout(rate=1000, cushion_ms=40)
    ones = np.ones(100, np.int16)
    assert playout.add(0, ones) == 40
    assert playout.add(10, ones) == 140
    playout.clear(200)
    assert playout.end_ms == 200
    assert playout.add(500, ones) == 540
    heard = playout.heard(1000)
    assert np.flatnonzero(heard).tolist() == [*range(40, 200), *range(540, 640)]
