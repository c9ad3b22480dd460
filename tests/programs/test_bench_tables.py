"""The bench's further tables: the search for the most sessions, real work, the footprint, the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from selam_agent.engines.stt_whisper import build as build_recogniser
from selam_agent.ports import TranscriptionRequest
from selam_agent.programs.bench import confined, program, real
from selam_agent.programs.bench.confined import control_group, enter, killed_for_memory
from selam_agent.programs.bench.crowd import CrowdFailed
from selam_agent.programs.bench.footprint import footprint
from selam_agent.programs.bench.install_size import install_size, required
from selam_agent.programs.bench.page import write_page
from selam_agent.programs.bench.processes import family
from selam_agent.programs.bench.profile import Profile
from selam_agent.programs.bench.random_whisper import Shape, build
from selam_agent.programs.bench.search import largest
from selam_agent.programs.bench.tables import markdown as markdown_of
from selam_agent.programs.bench.tables import print_report
from selam_agent.settings import Settings
from tests.peers.compared import failed, markdown, ratios


def level(sessions: int, **figures: Any) -> dict[str, Any]:
    """A level as the report has it, of a server that is as slow as it has sessions, in ms."""
    names = ("cpu_ms_per_session_second", "rss_mb_per_session", "underruns", "base_rss_mb", "peak_rss_mb")
    names += ("v2v_over_silence_ms_p50", "v2v_over_silence_ms_p95", "v2v_over_silence_ms_p99")
    names += ("decision_to_first_chunk_ms_p50", "decision_to_first_chunk_ms_p95", "callers_busy")
    names += ("barge_in_over_threshold_ms_p50", "barge_in_over_threshold_ms_p95", "missed_turns")
    row: dict[str, Any] = dict.fromkeys(names, 0.0)
    row |= {"turns": 9, "silent_ms_per_reply_p95": None, "missed_barge_ins": 0, "cut_offs": 0}
    row |= {"sessions": sessions, "v2v_over_silence_ms_p95": float(sessions), "errors": {}, "valid": True}
    return row | figures


@pytest.mark.parametrize(
    ("figures", "first_guess", "finest", "most"),
    [
        # 250 ms over the single session's 1 ms.
        (lambda n: {}, 64, 1, 251),
        (lambda n: {}, 64, 8, 251),
        (lambda n: {"missed_turns": int(n > 3)}, 2, 1, 3),
        (lambda n: {"v2v_over_silence_ms_p95": None if n > 5 else 0.0}, 2, 1, 5),
        (lambda n: {"v2v_over_silence_ms_p95": 400.0 * n}, 2, 1, 1),
        (lambda n: {"missed_turns": 1}, 2, 1, 0),
    ],
)
def test_the_search_finds_the_last_level_in_real_time(
    figures: Any, first_guess: int, finest: int, most: int
) -> None:
    found = largest(lambda n: level(n, **figures(n)), first_guess=first_guess, finest=finest)
    good = found["max_sessions"]
    assert good <= most < good + max(finest, good // 16)
    assert not found["limited_by_callers"]
    tried = [each["sessions"] for each in found["levels"]]
    assert tried == sorted(set(tried))


def test_callers_that_are_too_slow_end_the_search_and_are_named() -> None:
    found = largest(lambda n: level(n, v2v_over_silence_ms_p95=1.0, valid=n <= 100), first_guess=64, finest=8)
    assert 96 <= found["max_sessions"] <= 100
    assert found["limited_by_callers"]


def test_a_level_that_the_server_cannot_hold_is_too_many() -> None:
    def measure(sessions: int) -> dict[str, Any]:
        if sessions > 5:
            raise CrowdFailed("lost")
        return level(sessions)

    found = largest(measure, first_guess=2, finest=1)
    assert found["max_sessions"] == 5
    assert [each["errors"] for each in found["levels"] if each["sessions"] == 8] == [{"lost": 1}]
    with pytest.raises(CrowdFailed):
        largest(lambda _: measure(6))


def test_a_level_that_fails_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measure(profile: Profile, speeches: object, sessions: int, *_: float, within: None) -> Any:
        if sessions == 8:
            raise CrowdFailed("8 connections were lost")
        return level(sessions)

    monkeypatch.setattr(program, "level", measure)
    monkeypatch.setattr(program, "speak", lambda profile: [])
    written = tmp_path / "bench.json"
    assert program.run(Profile(), levels=(1, 8, 32), json_to=str(written)) == 1
    rows = json.loads(written.read_text(encoding="utf-8"))["levels"]
    assert [(row["sessions"], row["cpu_ms_per_session_second"]) for row in rows] == [
        (1, 0),
        (8, None),
        (32, 0),
    ]
    assert "8 connections were lost" in capsys.readouterr().out
    assert program.run(Profile(), levels=(8,)) == 1


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "random"
    build(directory, Shape(width=64, layers=1, heads=2, vocabulary=400))
    return directory


async def test_a_model_of_random_weights_writes_ten_tokens_which_are_believed(tiny_model: Path) -> None:
    profile = Profile(transcriber="whisper", transcriber_model=str(tiny_model))
    recogniser = build_recogniser(Settings.model_validate(profile.settings(str(tiny_model.parent), 1)))
    noise = np.random.default_rng(3).integers(-3000, 3000, 32_000).astype(np.int16)
    try:
        for language in ("en", None):
            heard = await recogniser.transcribe(TranscriptionRequest(audio=noise, language=language))
            assert heard.text == "I want to book an appointment, please."
            assert (heard.language, heard.rejected) == ("en", None)
    finally:
        await recogniser.aclose()


def test_calls_with_real_work_are_counted_by_two_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(real, "cached", lambda name: Path("models") / name)
    monkeypatch.setattr(real, "speak", lambda profile: [])
    asked: list[tuple[str, int, float]] = []

    def measure(profile: Profile, speeches: object, sessions: int, seconds: float) -> dict[str, Any]:
        asked.append((profile.transcriber_model, sessions, seconds))
        return level(sessions, v2v_over_silence_ms_p95=140.0 * sessions, missed_turns=int(sessions > 5))

    found = real.calls_per_core(measure, 10.0, ["whisper-small"])["whisper-small"]
    assert (found["max_sessions"], found["max_sessions_within"]) == (2, 5)
    assert [each["sessions"] for each in found["levels"]] == [1, 2, 3, 4, 5, 6, 8]
    assert len(asked) == 7, "a level is measured once"
    assert asked[:3] == [("models/small", 1, 40.0), ("models/small", 2, 20.0), ("models/small", 4, 10.0)]


def test_a_family_is_a_process_with_all_that_it_started() -> None:
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        members = {each.pid: each for each in family(os.getpid())}
        assert next(iter(members)) == os.getpid()
        assert members[started.pid].rss_mb > 0
        assert family(started.pid)[0].pid == started.pid
    finally:
        started.communicate(b"\n")
    assert started.pid not in [each.pid for each in family(os.getpid())]


def test_the_installed_size_is_of_what_the_project_needs() -> None:
    names = {each.name.lower() for each in required("selam-agent")}
    assert {"selam-agent", "numpy", "aiohttp", "ctranslate2"} <= names
    assert "pytest" not in names
    size = install_size()
    assert size["packages"] == len(names)
    assert 100 < sum(size["largest"].values()) <= size["total_mb"] + 1
    assert list(size["largest"].values()) == sorted(size["largest"].values(), reverse=True)


def test_without_control_groups_of_the_second_version_there_is_no_limit(tmp_path: Path) -> None:
    with control_group(512, tmp_path) as group:
        assert group is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("own", "beside"), [("/user.slice/a.scope", "user.slice"), ("/", ".")])
def test_the_limit_is_written_into_a_group_beside_the_own_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, beside: str
) -> None:
    """The kernel's files are ordinary ones here, so the group is not empty and stays."""
    monkeypatch.setattr(confined, "_LEAVES_S", 0.0)
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "user.slice" / "a.scope").mkdir(parents=True)
    (tmp_path / "own").write_text(f"4:memory:/x\n0::{own}\n")
    with control_group(512, tmp_path, tmp_path / "own") as group:
        assert group is not None
        assert group.parent == tmp_path / beside
        assert (group / "memory.max").read_text() == str(512 * 2**20)
        assert (group / "cpu.max").read_text() == "100000 100000"
    assert (group / "cgroup.kill").read_text() == "1"


def test_a_group_that_may_not_be_made_is_no_limit(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "own").write_text("0::/there/is/none\n")
    with control_group(512, tmp_path, tmp_path / "own") as group:
        assert group is None


def test_a_command_enters_its_control_group_first(tmp_path: Path) -> None:
    """The kernel's files are ordinary ones here: what is written is what counts."""
    command = [*enter(tmp_path), sys.executable, "-c", "import os; print(os.getpid())"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert (tmp_path / "cgroup.procs").read_text() == printed
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert killed_for_memory(tmp_path) == 2


@pytest.fixture(scope="module")
def found_footprint() -> dict[str, Any]:
    """Of one real start; the calls are not held."""
    return footprint(lambda profile, speeches, sessions, *_: level(sessions), 2.0, starts=1, calls=(4,))


def test_the_footprint_is_of_a_server_that_is_ready(found_footprint: dict[str, Any]) -> None:
    assert 0 < found_footprint["cold_start_s"] == found_footprint["cold_starts_s"][0]
    assert found_footprint["base_rss_mb"] > 50
    assert found_footprint["voice_rss_mb"] > 5
    assert found_footprint["peak_rss_mb"] >= found_footprint["base_rss_mb"]
    assert found_footprint["limited"]["fits"]


def test_every_table_is_printed_and_on_the_page(tmp_path: Path, found_footprint: dict[str, Any]) -> None:
    most = {"max_sessions": 8, "limited_by_callers": False, "levels": [level(1), level(8)]}
    profile = Profile(transcriber="whisper", transcriber_model="there", name="whisper-base").as_dict()
    report = {
        "seconds": 5,
        "made": "today",
        "machine": {"processor": "a"},
        "profile": Profile().as_dict(),
        "levels": [level(1), level(64, v2v_over_silence_ms_p99=None)],
        "variants": {"mp3": level(64), "stock": level(64, valid=False)},
        "max": most,
        "real": {
            "whisper-base": most
            | {"profile": profile, "writes_tokens": 10, "within_ms": 1000.0, "max_sessions_within": 9}
        },
        "footprint": found_footprint,
    }
    assert len(list(program.rows(report))) == 2 + 2 + 2 + 2 + 1
    write_page(tmp_path / "bench.html", report)
    page = (tmp_path / "bench.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3 * 5
    printed = StringIO()
    print_report(Console(file=printed, width=140), report)
    for text in (page, printed.getvalue(), markdown_of(report)):
        for said in (
            "Variants at 64 sessions",
            "In real time on one processor: 8;",
            "Real work: whisper-base",
            "becomes 10 tokens",
            "over the silence (v2v p95): 9.",
            "Fits: at most 0 MB",
            "Without calls",
        ):
            assert said in " ".join(text.split()), said


def test_the_peers_table_says_how_many_times_ours_each_figure_is() -> None:
    row = level(8, cpu_ms_per_session_second=5.0)
    most = {"limited_by_callers": False}
    figures = {
        "ours": {"levels": [row], "max": {"max_sessions": 160, **most}},
        "slow": {
            "levels": [row | {"cpu_ms_per_session_second": 42.0}, failed(64, "Traceback\nno answer")],
            "max": {"max_sessions": 16, **most},
        },
    }
    compared = ratios(figures)
    assert compared["slow"]["8"] == {"cpu_ms_per_session_second": 8.4, "v2v_over_silence_ms_p95": 1.0}
    assert compared["slow"]["sessions_per_core"] == 10
    text = markdown({"figures": figures, "ratios": compared, "seconds": 5.0})
    assert "| CPU, ms per session-second | 5 | 42 (8.4×) |" in text
    assert "slow could not hold 64 sessions: no answer" in text
    assert "| ours holds so many times as many |  | 10 |" in text
