"""A worker that dies, hangs or does not start, and what is left when all is over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from selam_agent.engines.tts_espeak import EspeakSynthesizer
from selam_agent.errors import EngineError
from tests.engines.test_tts_espeak import LONG, SENTENCES, drain, request, speak


async def test_a_death_before_any_audio_is_not_noticed(espeak: EspeakSynthesizer) -> None:
    await espeak.start()
    first = espeak.worker_pid
    # Stopped, so that the requests are under way and nothing of them has come.
    os.kill(first, signal.SIGSTOP)
    texts = [SENTENCES[code] for code in SENTENCES]
    tasks = [asyncio.create_task(speak(espeak, request(text, voice))) for voice, text in texts]
    await asyncio.sleep(0.02)
    os.kill(first, signal.SIGKILL)
    for (_, text), (_, words) in zip(texts, await asyncio.gather(*tasks), strict=True):
        assert [word.text for word in words] == text.split()
    assert espeak.worker_pid not in (0, first)


async def test_a_death_in_mid_sentence_fails_that_sentence_only(espeak: EspeakSynthesizer) -> None:
    heard = espeak.synthesize(request(LONG))
    await anext(heard)
    waiting = asyncio.create_task(speak(espeak, request("Good morning.")))
    await asyncio.sleep(0)
    os.kill(espeak.worker_pid, signal.SIGKILL)
    with pytest.raises(EngineError) as error:
        await drain(heard)
    assert error.value.code == "tts_failed" and error.value.retryable
    assert [word.text for word in (await waiting)[1]] == ["Good", "morning."]


async def test_a_fragment_that_kills_twice_is_given_up(espeak: EspeakSynthesizer) -> None:
    await espeak.start()
    # Long, so that a busy machine cannot finish it before it is stopped.
    victim = asyncio.create_task(speak(espeak, request(LONG)))
    spared = asyncio.create_task(speak(espeak, request("spared")))
    for _ in range(2):
        while not espeak.worker_pid:  # noqa: ASYNC110
            await asyncio.sleep(0)
        os.kill(pid := espeak.worker_pid, signal.SIGSTOP)
        await asyncio.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        while espeak.worker_pid == pid:  # noqa: ASYNC110
            await asyncio.sleep(0)
    results = await asyncio.gather(victim, spared, return_exceptions=True)
    assert isinstance(results[0], EngineError) and results[0].code == "tts_failed"
    assert not isinstance(results[1], BaseException) and results[1][1][0].text == "spared"


async def test_a_hanging_worker_is_killed_and_replaced(overlay: Path) -> None:
    synthesizer = EspeakSynthesizer(overlay, stall_s=0.3)
    await synthesizer.start()
    os.kill(pid := synthesizer.worker_pid, signal.SIGSTOP)
    assert (await speak(synthesizer, request("after all")))[0]
    assert synthesizer.worker_pid != pid
    await synthesizer.aclose()


async def test_a_library_that_does_not_load_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a directory")
    synthesizer = EspeakSynthesizer(file)
    with pytest.raises(EngineError) as error:
        await speak(synthesizer, request("hello"))
    assert error.value.code == "tts_unavailable" and not error.value.retryable
    await synthesizer.aclose()


# ---------------------------------------------------------------- leaving nothing behind


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_close_leaves_no_process_task_or_descriptor(overlay: Path) -> None:
    warm = EspeakSynthesizer(overlay)
    await warm.start()
    await warm.aclose()
    tasks, files = len(asyncio.all_tasks()), descriptors()
    pids = []
    for _ in range(3):
        synthesizer = EspeakSynthesizer(overlay)
        await speak(synthesizer, request("hello"))
        under_way = asyncio.create_task(drain(synthesizer.synthesize(request(LONG))))
        await asyncio.sleep(0.005)
        pids.append(synthesizer.worker_pid)
        await synthesizer.aclose()
        with pytest.raises(EngineError) as error:
            await under_way
        assert error.value.code == "tts_closed"
        with pytest.raises(EngineError):
            await speak(synthesizer, request("hello"))
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks
    assert descriptors() == files
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_the_worker_does_not_outlive_its_parent(overlay: Path) -> None:
    program = (
        "import asyncio, os, pathlib, sys\n"
        "from selam_agent.engines.tts_espeak import EspeakSynthesizer\n"
        "async def main():\n"
        "    espeak = EspeakSynthesizer(pathlib.Path(sys.argv[1]))\n"
        "    await espeak.start()\n"
        "    print(espeak.worker_pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(overlay), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await parent.communicate()
    status = Path(f"/proc/{int(output)}/stat")
    for _ in range(200):
        try:
            # Orphans of a container without init stay as zombies.
            if status.read_text().rpartition(")")[2].split()[0] == "Z":  # noqa: ASYNC240
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the worker is still there")
