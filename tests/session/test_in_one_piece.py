"""Audio that waits below the process is read before anything is decided without it."""

from __future__ import annotations

import asyncio

from selam_agent import events
from tests.fakes import silence, speech
from tests.session.calls import call
from tests.virtual_clock import run


class Kernel:
    """Keeps packets of 20 ms, sent in real time, until there are as many as the session waits for."""

    def __init__(self, session: object) -> None:
        self.session = session
        self.kept: list[bytes] = []
        self.wanted = 1
        self.most = 0
        self.told = 0
        session.on_expect(self._expect)  # type: ignore[attr-defined]

    def _expect(self, packets: int, packet_s: float) -> None:
        self.told += 1
        self.wanted = packets
        self.most = max(self.most, packets)
        asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        if len(self.kept) >= self.wanted:
            kept, self.kept = self.kept, []
            self.session.hear(*kept)  # type: ignore[attr-defined]

    async def send(self, audio: bytes, every_s: float = 0.02) -> None:
        for at in range(0, len(audio), 640):
            await asyncio.sleep(every_s)
            self.kept.append(audio[at : at + 640])
            self._give()


def test_a_conversation_is_the_same_with_audio_in_larger_pieces() -> None:
    async def story(*, in_pieces: bool) -> list[tuple[float, str]]:
        async with call("Hello.") as made:
            kernel = Kernel(made.session)
            if not in_pieces:
                made.session.on_expect(lambda packets, packet_s: None)
                kernel.wanted = 1
            await made.until(events.SessionStarted)
            begun = made.outlet.seen[0][0]
            await kernel.send(silence(500) + speech(1000) + silence(1000))
            await made.until(events.AudioEnd)
            assert kernel.most >= 10 or not in_pieces
            told = {"transcription", "response", "audio_chunk", "audio_end"}
            return [(round(at - begun, 2), e.name) for at, e in made.outlet.seen if e.name in told]

    assert run(story(in_pieces=True)) == run(story(in_pieces=False))


def test_a_caller_who_speaks_on_has_not_stopped() -> None:
    """Speculation asks after 200 ms without packets: audio the kernel keeps for as long is no such gap."""

    async def story() -> None:
        async with call("Hello.") as made:
            kernel = Kernel(made.session)
            await made.until(events.SessionStarted)
            # A client whose clock is slow: what is waited for comes after the gap would have been one.
            await kernel.send(speech(4000) + silence(1000), every_s=0.0205)
            await made.until(events.AudioEnd)
            # One guess in the pause, none before it.
            assert len(made.stt.requests) == 1
            assert kernel.most >= 10 and kernel.told > 20

    run(story())


def test_a_client_that_falls_silent_is_answered() -> None:
    async def story() -> None:
        async with call("Hello.") as made:
            kernel = Kernel(made.session)
            await made.until(events.SessionStarted)
            await kernel.send(speech(1000))
            # Nothing comes any more: what is kept is fetched, and the turn ends.
            await made.until(events.AudioEnd, within=20)
            assert not kernel.kept and made.outlet.all(events.Transcription)

    run(story())
