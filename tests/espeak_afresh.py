"""espeak-ng that says the same words in the same samples, whatever was said before.

The library's noise and the state of its wave generator run on from one utterance to the next, so inside
one process nothing is spoken twice alike. Here a helper process loads the library once and forks for each
utterance: the child speaks as the first of its process, with the random state that was asked for, and ends.

Run as a module, this file is that helper. It reads one JSON object a line (the arguments of :func:`speak`)
and answers each with a JSON line, then with as many bytes of PCM as the line says.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from selam_agent.engines.espeak_c import locate
from selam_agent.engines.espeak_library import EspeakError, EspeakLibrary, WordMark


@dataclass(frozen=True, slots=True)
class Spoken:
    """``pcm``: s16le mono at ``sample_rate``."""

    pcm: bytes
    marks: tuple[WordMark, ...]
    sample_rate: int


def speak(
    text: str, voice: str, *, rate: int = 165, pitch: int = 50, end_pause: bool = True, take: int = 0
) -> Spoken:
    """The same samples for the same arguments, in every process and order.

    Args:
        take: another number speaks the same words with other noise and another phase of the voice's
            flutter, as espeak does anyway when it speaks again.

    Raises:
        EspeakError: as :meth:`EspeakLibrary.speak`, or the helper has ended.
    """
    how = {"text": text, "voice": voice, "rate": rate, "pitch": pitch, "end_pause": end_pause, "take": take}
    helper = _helper()
    assert helper.stdin is not None and helper.stdout is not None
    try:
        helper.stdin.write(json.dumps(how).encode() + b"\n")
        helper.stdin.flush()
        line = helper.stdout.readline()
    except BrokenPipeError:
        line = b""
    if not line:
        raise EspeakError(f"the helper that speaks for the tests has ended with status {helper.wait()}")
    answer = json.loads(line)
    if "error" in answer:
        raise EspeakError(answer["error"])
    marks = tuple(WordMark(*each) for each in answer["marks"])
    return Spoken(helper.stdout.read(answer["bytes"]), marks, answer["sample_rate"])


@cache
def _helper() -> subprocess.Popen[bytes]:
    # From the top of the tree: it must be this package's library that speaks, not an installed one.
    helper = subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the tests; the helper ends with them
    )
    atexit.register(_end, helper)
    return helper


def _end(helper: subprocess.Popen[bytes]) -> None:
    helper.communicate()


def _serve() -> None:
    if not hasattr(os, "fork"):
        raise SystemExit("The tests' speech needs os.fork, which this system does not have.")
    # The library prints what it compiles; answers have a pipe of their own.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="selam-test-espeak-") as overlay:
        library = EspeakLibrary(Path(overlay))
        # Standard input ends with the tests, also when they were killed.
        for line in sys.stdin.buffer:
            child = os.fork()
            if child == 0:
                _answer(library, json.loads(line), answers)
            _, status = os.waitpid(child, 0)
            if status:
                failure = {"error": f"espeak-ng ended with wait status {status} at {line!r}"}
                answers.write(json.dumps(failure).encode() + b"\n")
                answers.flush()


def _answer(library: EspeakLibrary, how: dict[str, Any], answers: BinaryIO) -> NoReturn:
    """Speaks, in the child, and ends it: what the helper does at its own end is not the child's."""
    try:
        answers.write(_spoken(library, **how))
        answers.flush()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _spoken(library: EspeakLibrary, *, take: int, **how: Any) -> bytes:
    pcm: list[bytes] = []
    marks: list[tuple[int, int, int]] = []

    def keep(item: bytes | WordMark) -> bool:
        if isinstance(item, bytes):
            pcm.append(item)
        else:
            marks.append((item.start, item.length, item.audio_ms))
        return True

    _seed(take)
    try:
        if take:
            # The seed changes breath and consonants; a clear voice changes only by its flutter's phase.
            library.speak("a " * take, "en-us", on_item=lambda item: True)
        library.speak(**how, on_item=keep)
    except EspeakError as error:
        return json.dumps({"error": str(error)}).encode() + b"\n"
    whole = b"".join(pcm)
    head = {"bytes": len(whole), "marks": marks, "sample_rate": library.sample_rate}
    return json.dumps(head).encode() + b"\n" + whole


def _seed(seed: int) -> None:
    """Sets both random states that the library draws from: its own and the C library's."""
    library = ctypes.CDLL(locate()[0])
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    library.espeak_ng_SetRandSeed(seed)
    ctypes.CDLL(None).srand(seed)


if __name__ == "__main__":
    _serve()
