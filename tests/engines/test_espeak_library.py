"""The binding of libespeak-ng. One library per process, so the whole file shares one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from selam_agent.engines.espeak_library import EspeakError, EspeakLibrary, WordMark

SENTENCES = {
    "am": "እንደምን አደሩ፣ ዛሬ እንዴት ነዎት?",
    "om": "Akkam bulte, maqaan kee eenyu?",
    "so": "Waxaan rabaa inaan ballan qabsado.",
    "ti": "ከመይ ሓዲርካ፣ ሎሚ ዕለት ክንደይ እዩ?",
    "en-us": "Good morning, how can I help you today?",
}


@pytest.fixture(scope="module")
def espeak(tmp_path_factory: pytest.TempPathFactory) -> EspeakLibrary:
    return EspeakLibrary(tmp_path_factory.mktemp("es"))


def spoken(espeak: EspeakLibrary, text: str, voice: str, **how: int) -> tuple[bytes, list[WordMark]]:
    pcm: list[bytes] = []
    marks: list[WordMark] = []

    def keep(item: bytes | WordMark) -> bool:
        if isinstance(item, WordMark):
            marks.append(item)
        else:
            pcm.append(item)
        return True

    espeak.speak(text, voice, on_item=keep, **how)
    return b"".join(pcm), marks


@pytest.mark.parametrize("voice", [*SENTENCES, "am+f3", "so+m3"])
def test_every_language_speaks_with_a_mark_for_each_word(espeak: EspeakLibrary, voice: str) -> None:
    text = SENTENCES[voice.partition("+")[0]]
    pcm, marks = spoken(espeak, text, voice)
    assert espeak.has_voice(voice)
    assert espeak.sample_rate == 22050
    assert len(pcm) > 2 * espeak.sample_rate  # more than a second
    starts = [i for i, c in enumerate(text) if c.isalpha() and (i == 0 or text[i - 1] == " ")]
    assert [mark.start for mark in marks] == starts
    times = [mark.audio_ms for mark in marks]
    assert times == sorted(times)
    assert times[-1] < len(pcm) / 2 / espeak.sample_rate * 1000


def test_somali_is_spoken_by_its_own_rules(espeak: EspeakLibrary) -> None:
    """Through any stock voice x is "ks" or letters are named; here x and s differ by one consonant."""
    with_x, _ = spoken(espeak, "sax", "so", end_pause=False)
    without, _ = spoken(espeak, "sas", "so", end_pause=False)
    assert 0.6 < len(with_x) / len(without) < 1.6


def test_rate_changes_the_length(espeak: EspeakLibrary) -> None:
    slow, _ = spoken(espeak, SENTENCES["en-us"], "en-us", rate=120)
    fast, _ = spoken(espeak, SENTENCES["en-us"], "en-us", rate=240)
    assert len(slow) > 1.4 * len(fast)


def test_the_listener_can_stop_it(espeak: EspeakLibrary) -> None:
    chunks: list[bytes] = []

    def first_only(item: bytes | WordMark) -> bool:
        if isinstance(item, bytes):
            chunks.append(item)
        return not chunks

    espeak.speak(SENTENCES["en-us"] * 20, "en-us", on_item=first_only)
    assert len(chunks) == 1
    assert spoken(espeak, "Yes.", "en-us")[0]  # and the engine goes on working


def test_an_error_of_the_listener_reaches_the_caller(espeak: EspeakLibrary) -> None:
    def broken(item: bytes | WordMark) -> bool:
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        espeak.speak("Hello.", "en-us", on_item=broken)
    assert spoken(espeak, "Hello.", "en-us")[0]


@pytest.mark.parametrize("voice", ["klingon-x", "am+nobody"])
def test_an_unknown_voice_is_an_error_not_another_voice(espeak: EspeakLibrary, voice: str) -> None:
    assert not espeak.has_voice(voice)
    with pytest.raises(EspeakError, match=r"no voice"):
        spoken(espeak, "Hello.", voice)
    assert spoken(espeak, "Hello.", "en-us")[0]


@pytest.mark.parametrize("text", ["", "  \n", "\0"])
def test_nothing_to_say_is_silence(espeak: EspeakLibrary, text: str) -> None:
    pcm, marks = spoken(espeak, text, "en-us")
    assert marks == []
    assert not any(pcm)


def test_markup_is_text(espeak: EspeakLibrary) -> None:
    assert len(spoken(espeak, "[[h@l'oU]] <break time='9s'/>", "en-us")[0]) < 8 * 2 * espeak.sample_rate


def test_two_processes_may_build_the_overlay_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from selam_agent.engines.espeak_library import EspeakLibrary\n"
        "e = EspeakLibrary(pathlib.Path(sys.argv[1]))\n"
        "got = []\n"
        "e.speak('Haa.', 'so', on_item=lambda i: got.append(i) or True)\n"
        "sys.exit(0 if got else 1)\n"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [racer.wait(30) for racer in racers] == [0] * 4
    assert len(list(tmp_path.iterdir())) == 1  # one overlay, no leftovers


def test_somali_is_right_even_as_the_first_voice_after_building(tmp_path: Path) -> None:
    """Compiling the rules leaves espeak with freed phoneme tables: noise, or a segmentation fault."""
    code = (
        "import sys, pathlib\n"
        "from selam_agent.engines.espeak_library import EspeakLibrary\n"
        "e = EspeakLibrary(pathlib.Path(sys.argv[1]))\n"
        "got = []\n"
        "keep = lambda i: got.append(i) or True\n"
        "e.speak('Waxaan rabaa inaan ballan qabsado.', 'so+m3', on_item=keep)\n"
        "print(sum(len(i) for i in got if isinstance(i, bytes)))\n"
    )
    run = [sys.executable, "-c", code, str(tmp_path)]
    building, ready = (subprocess.run(run, capture_output=True, text=True, timeout=30) for _ in range(2))
    assert building.returncode == ready.returncode == 0
    assert building.stdout == ready.stdout


def test_an_overlay_path_that_espeak_would_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EspeakError, match="too long"):
        EspeakLibrary(tmp_path / ("x" * 150))


def test_two_in_one_process_take_turns(tmp_path: Path) -> None:
    """The library's state belongs to the process; each object must find its own again."""
    one, other = EspeakLibrary(tmp_path / "one"), EspeakLibrary(tmp_path / "other")
    for library, voice in [
        (one, "so"),
        (other, "so"),
        (one, "am"),
        (other, "en-us"),
        (one, "so"),
        (one, "ti"),
    ]:
        heard: list[bytes] = []
        library.speak("ሰላም haa", voice, on_item=lambda item, heard=heard: heard.append(item) is None)
        assert sum(len(each) for each in heard if isinstance(each, bytes)) > 10_000
