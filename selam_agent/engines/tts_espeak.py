"""Text to speech with espeak-ng, in a worker process of its own (see ``espeak_worker``).

The worker is about a thousand times faster than real time, so requests are served one after the other
and whole fragments may wait in memory: what is bounded is the length of a text and the number of
requests. If the worker dies, it is started again; a fragment that nothing was heard of is spoken anew.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from selam_agent.engines.espeak_worker import CANCEL, END, FAIL, MARK, PCM, SPEAK, Frame, Mark, Speak
from selam_agent.engines.tts_espeak_process import WorkerProcess
from selam_agent.errors import EngineError
from selam_agent.ports import SpeechChunk, SynthesisRequest, SynthesizerInfo, Word

__all__ = ["EspeakSynthesizer", "WordTimer"]

# Two minutes of speech, 6 MB; the session sends fragments of at most 180 characters.
_LONGEST_TEXT: Final = 2000
# Default, lowest and highest value of a voice's parameters.
_PARAMETERS: Final = {
    "rate": (165, 80, 450),
    "pitch": (50, 0, 100),
    "range": (50, 0, 100),
    "volume": (100, 0, 200),
}
_SPACED: Final = re.compile(r"\S+")


@dataclass(slots=True, eq=False)
class _Request:
    speak: Speak
    items: asyncio.Queue[Frame | EngineError] = field(default_factory=asyncio.Queue)
    delivered: bool = False
    deaths: int = 0


class WordTimer:
    """Turns word marks into :class:`Word`: a word lasts from its start to the next word's.

    A word is what stands between spaces, however many marks espeak sets in it (``har'a`` has one
    that ends at the apostrophe, a number several). What espeak passes over in silence, such as a lone
    dash, belongs to the word before, so the words joined by spaces are the text again.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [match.start() for match in _SPACED.finditer(text)]
        self._first = 0  # of the words that the open one consists of
        self._last = -1
        self._since = 0

    def mark(self, start: int, audio_ms: int) -> Word | None:
        """The word that ends where this mark begins, if a new word begins."""
        index = max(0, bisect.bisect_right(self._starts, start) - 1)
        if not self._starts or index <= self._last:
            return None
        if self._last < 0:  # what stands before the first mark is spoken with the first word
            self._last, self._since = index, audio_ms
            return None
        word = self._word(index, audio_ms)
        self._first, self._last, self._since = index, index, audio_ms
        return word

    def end(self, audio_ms: int) -> Word | None:
        """The last word, which lasts to the end of the audio."""
        if self._last < 0:
            return None
        word = self._word(len(self._starts), audio_ms)
        self._last = -1
        return word

    def _word(self, until: int, audio_ms: int) -> Word:
        stop = self._starts[until] if until < len(self._starts) else len(self._text)
        text = " ".join(self._text[self._starts[self._first] : stop].split())
        return Word(text, self._since, max(self._since, audio_ms))


class EspeakSynthesizer:
    """A :class:`~selam_agent.ports.Synthesizer`. The worker starts with the first request or :meth:`start`.

    A voice is ``{"voice": "am+f3", "rate": 160, "pitch": 55, "range": 50, "volume": 100}``; all but
    the name may be left out.

    Args:
        overlay_dir: writable, short path; the voice data with the Somali voice is built there once.
        queue: requests that may be under way or wait.
        stall_s: silence of a busy worker after which it counts as hung and is killed.
    """

    def __init__(self, overlay_dir: Path, *, queue: int = 256, stall_s: float = 4.0) -> None:
        self._overlay_dir, self._queue, self._stall_s = overlay_dir, queue, stall_s
        self._worker: WorkerProcess | None = None
        self._starting = asyncio.Lock()
        # In the order in which the worker serves them.
        self._requests: dict[int, _Request] = {}
        self._numbers = itertools.count(1)
        self._clean_up: set[asyncio.Task[None]] = set()
        self._heard_at = 0.0
        self._closed = False

    @property
    def info(self) -> SynthesizerInfo:
        return SynthesizerInfo(name="espeak")

    @property
    def worker_pid(self) -> int:
        """0 while there is none."""
        return self._worker.pid if self._worker and self._worker.alive else 0

    async def start(self) -> None:
        """Starts the worker if it does not run. Raises EngineError ``tts_unavailable``."""
        async with self._starting:
            if self._closed:
                raise EngineError(
                    "The speech synthesiser has been closed.", code="tts_closed", retryable=False
                )
            if self._worker is not None and self._worker.alive:
                return
            worker = WorkerProcess(self._overlay_dir, self._on_frame, self._on_death)
            await worker.start()
            self._worker = worker
            # Those that waited when the last worker died come first, in their old order.
            for number, request in self._requests.items():
                worker.send(Frame(SPEAK, number, request.speak.encode()))

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
        """Speaks one fragment.

        Raises:
            EngineError: ``tts_failed`` (no such voice, or the worker died after audio was heard),
                ``tts_unavailable``, ``tts_busy``, ``tts_too_long``, ``tts_closed``.
        """
        speak = _speak(request)
        if not speak.text.strip():
            return
        if len(self._requests) >= self._queue:
            raise EngineError("The speech synthesiser has too much to do.", code="tts_busy")
        await self.start()
        number, job = next(self._numbers), _Request(speak)
        self._requests[number] = job
        assert self._worker is not None
        rate = self._worker.sample_rate
        self._worker.send(Frame(SPEAK, number, speak.encode()))
        timer, words, held, samples = WordTimer(speak.text), list[Word](), b"", 0
        try:
            while True:
                frame = await self._next(job)
                if frame.kind == PCM:
                    # One chunk is held back, so that the last one can carry the last word.
                    if held:
                        job.delivered = True
                        yield SpeechChunk(pcm=held, sample_rate=rate, words=tuple(words))
                        words.clear()
                    held = frame.payload
                    samples += len(held) // 2
                elif frame.kind == MARK:
                    mark = Mark.decode(frame.payload)
                    if word := timer.mark(mark.start, mark.audio_ms):
                        words.append(word)
                elif frame.kind == SPEAK:  # the worker died; from the beginning
                    timer, words, held, samples = WordTimer(speak.text), [], b"", 0
                    await self.start()
                else:
                    break
            if word := timer.end(samples * 1000 // rate):
                words.append(word)
            if held:
                yield SpeechChunk(pcm=held, sample_rate=rate, words=tuple(words))
        finally:
            # Not there any more = the worker has said END: nothing to cancel.
            if self._requests.pop(number, None) is not None and self._worker is not None:
                self._worker.send(Frame(CANCEL, number))

    async def _next(self, job: _Request) -> Frame:
        """The request's next frame; a worker that has gone silent is killed meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            waiting_since = loop.time()
            try:
                async with asyncio.timeout(self._stall_s):
                    item = await job.items.get()
            except TimeoutError:
                if self._worker is not None and self._heard_at < waiting_since:
                    self._worker.kill()
                continue
            if isinstance(item, EngineError):
                raise item
            return item

    def _on_frame(self, frame: Frame) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        job = self._requests.get(frame.id)
        if job is None:
            return
        if frame.kind == FAIL:
            reason = frame.payload.decode("utf-8", "replace")
            job.items.put_nowait(
                EngineError(f"The voice failed: {reason}.", code="tts_failed", retryable=False)
            )
        else:
            job.items.put_nowait(frame)
        if frame.kind in (END, FAIL):
            del self._requests[frame.id]

    def _on_death(self, worker: WorkerProcess) -> None:
        """The request being spoken may be the cause: it gets one more chance; others lose nothing."""
        task = asyncio.create_task(worker.aclose(), name="espeak-reap")
        self._clean_up.add(task)
        task.add_done_callback(self._clean_up.discard)
        for index, (number, job) in enumerate(list(self._requests.items())):
            job.deaths += index == 0
            if job.delivered or job.deaths > 1 or self._closed:
                del self._requests[number]
                job.items.put_nowait(EngineError("The speech synthesiser died.", code="tts_failed"))
                continue
            while not job.items.empty():
                job.items.get_nowait()
            job.items.put_nowait(Frame(SPEAK, number))

    async def aclose(self) -> None:
        """Ends the worker; whoever still waits gets ``tts_closed``."""
        self._closed = True
        closed = EngineError("The speech synthesiser has been closed.", code="tts_closed", retryable=False)
        for job in self._requests.values():
            job.items.put_nowait(closed)
        self._requests.clear()
        async with self._starting:
            worker, self._worker = self._worker, None
        if worker is not None:
            await worker.aclose()
        if self._clean_up:
            await asyncio.gather(*self._clean_up, return_exceptions=True)


def _speak(request: SynthesisRequest) -> Speak:
    if len(request.text) > _LONGEST_TEXT:
        raise EngineError(
            f"A fragment may have {_LONGEST_TEXT} characters at most.", code="tts_too_long", retryable=False
        )
    voice: Mapping[str, Any] = request.voice
    name = str(voice.get("voice", request.language))
    numbers: dict[str, int] = {}
    for key, (default, low, high) in _PARAMETERS.items():
        try:
            numbers[key] = min(high, max(low, int(voice.get(key, default))))
        except (TypeError, ValueError):
            raise EngineError(
                f"The voice's {key} must be a number.", code="tts_failed", retryable=False
            ) from None
    return Speak(
        request.text,
        name,
        rate=numbers["rate"],
        pitch=numbers["pitch"],
        pitch_range=numbers["range"],
        volume=numbers["volume"],
    )
