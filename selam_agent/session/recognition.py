"""A session's questions to the recogniser; the answers come as messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from selam_agent.dialogue.decisions import Listen
from selam_agent.errors import EngineError, SelamError
from selam_agent.ports import Pcm16, Priority, Transcriber, TranscriberInfo, Transcript, TranscriptionRequest
from selam_agent.session.messages import Interim, Overheard, Transcribed

log = logging.getLogger(__name__)

# Reasons to reject a sound in which there are no words at all.
WORDLESS = frozenset({"no_speech", "empty"})
# An interruption is decided within this (s), or it is none.
_OVERHEAR_S = 1.0
# An interim transcript that takes longer is of no use, and a recogniser that is slower than that for
# this caller has no time for them: the final one might have to wait.
_INTERIM_S = 2.0
_QUICK_S = 0.25


class Recognition:
    """Asks the shared recogniser; ``own`` makes tasks that the session cancels when it ends."""

    def __init__(
        self,
        *,
        session_id: str,
        transcriber: Transcriber,
        hints: tuple[str, ...],
        deadline_s: float,
        post: Callable[[Transcribed | Overheard | Interim], None],
        own: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
    ) -> None:
        self._session_id = session_id
        self._transcriber = transcriber
        # The language to expect; None: any.
        self.language: str | None = None
        self.hints = hints
        self._deadline_s = deadline_s
        self._post = post
        self._own = own
        self._clock = asyncio.get_running_loop().time
        self._took_s = 0.0
        self._interim: asyncio.Task[None] | None = None

    def transcribe(self, turn: int, revision: int, audio: Pcm16, priority: Priority) -> asyncio.Task[None]:
        """Posts ``Transcribed`` for this revision of a turn, whatever happens."""
        if self._interim is not None:
            self._interim.cancel()

        async def work() -> None:
            transcript, error = await self._ask(audio, priority, self._deadline_s)
            self._post(Transcribed(turn, revision, transcript, error))

        return self._own(work(), f"transcribe {turn}.{revision}")

    @property
    def info(self) -> TranscriberInfo:
        return self._transcriber.info

    @property
    def has_time(self) -> bool:
        """Whether an interim transcript would cost the others nothing."""
        return (self._interim is None or self._interim.done()) and self._took_s <= _QUICK_S

    def interim(self, turn: int, revision: int, audio: Pcm16) -> None:
        """Posts ``Interim``: what was said so far. A question about the whole turn cancels it."""

        async def work() -> None:
            transcript, _ = await self._ask(audio, Priority.INTERIM, _INTERIM_S, stream=self._session_id)
            text = transcript.text if transcript is not None and not transcript.rejected else None
            self._post(Interim(turn, revision, text, transcript.language if transcript else None))

        self._interim = self._own(work(), f"interim {turn}.{revision}")

    def overhear(self, asked: Listen, audio: Pcm16) -> None:
        """Posts ``Overheard``: what is being said over the agent, if there are words."""

        async def work() -> None:
            transcript, error = await self._ask(audio, Priority.FINAL, _OVERHEAR_S)
            if error is not None:
                log.info("not overheard: %s", error)
            understood = transcript is not None and not transcript.rejected
            self._post(Overheard(asked, transcript.text or None if understood and transcript else None))

        self._own(work(), f"overhear {asked.turn}")

    async def _either(self, request: TranscriptionRequest) -> Transcript:
        """In the expected language; what is no sense in it may be some in the language that was spoken."""
        transcript = await self._transcriber.transcribe(request)
        final = request.priority is not Priority.INTERIM
        if request.language is None or not final or transcript.rejected in (None, *WORDLESS):
            return transcript
        free = await self._transcriber.transcribe(replace(request, language=None))
        other = free.language is not None and free.language != request.language
        return free if other and free.rejected is None else transcript

    async def _ask(
        self, audio: Pcm16, priority: Priority, deadline: float, stream: str | None = None
    ) -> tuple[Transcript | None, SelamError | None]:
        request = TranscriptionRequest(
            audio=audio,
            language=self.language,
            hints=self.hints,
            priority=priority,
            deadline=deadline,
            stream=stream,
        )
        begun = self._clock()
        try:
            async with asyncio.timeout(deadline):
                return await self._either(request), None
        except TimeoutError:
            return None, EngineError("The recogniser took too long.", code="stt_timeout")
        except SelamError as error:
            return None, error
        except Exception:
            log.exception("the recogniser failed")
            return None, EngineError("The recogniser failed.", code="stt_failed")
        finally:
            self._took_s = self._clock() - begun
