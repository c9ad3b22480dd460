"""A recogniser for servers under test that need none: it understands nothing, at once."""

from __future__ import annotations

from selam_agent.ports import Transcriber, TranscriberInfo, Transcript, TranscriptionRequest


class NothingUnderstood:
    info = TranscriberInfo(name="nothing", open_vocabulary=False, tested_on="nothing", phrases={})

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        return Transcript(text="", rejected="no_speech")

    async def aclose(self) -> None:
        pass


def factory(**_: object) -> Transcriber:
    return NothingUnderstood()
