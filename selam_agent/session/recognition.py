"""A session's questions to the recogniser; the answers come as messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from selam_agent.dialogue.decisions import Listen
from selam_agent.errors import EngineError, SelamError
from selam_agent.ports import Pcm16, Priority, Transcriber, Transcript, TranscriptionRequest
from selam_agent.session.messages import Overheard, Transcribed

log = logging.getLogger(__name__)

# An interruption is decided within this (s), or it is none.
_OVERHEAR_S = 1.0


class Recognition:
    """Asks the shared recogniser; ``own`` makes tasks that the session cancels when it ends."""

    def __init__(
        self,
        *,
        transcriber: Transcriber,
        language: str | None,
        deadline_s: float,
        post: Callable[[Transcribed | Overheard], None],
        own: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
    ) -> None:
        self._transcriber = transcriber
        self._language = language
        self._deadline_s = deadline_s
        self._post = post
        self._own = own

    def transcribe(self, turn: int, revision: int, audio: Pcm16, priority: Priority) -> asyncio.Task[None]:
        """Posts ``Transcribed`` for this revision of a turn, whatever happens."""

        async def work() -> None:
            transcript, error = await self._ask(audio, priority, self._deadline_s)
            self._post(Transcribed(turn, revision, transcript, error))

        return self._own(work(), f"transcribe {turn}.{revision}")

    def overhear(self, asked: Listen, audio: Pcm16) -> None:
        """Posts ``Overheard``: what is being said over the agent, if there are words."""

        async def work() -> None:
            transcript, error = await self._ask(audio, Priority.FINAL, _OVERHEAR_S)
            if error is not None:
                log.info("not overheard: %s", error)
            understood = transcript is not None and not transcript.rejected
            self._post(Overheard(asked, transcript.text or None if understood and transcript else None))

        self._own(work(), f"overhear {asked.turn}")

    async def _ask(
        self, audio: Pcm16, priority: Priority, deadline: float
    ) -> tuple[Transcript | None, SelamError | None]:
        request = TranscriptionRequest(
            audio=audio, language=self._language, priority=priority, deadline=deadline
        )
        try:
            async with asyncio.timeout(deadline):
                return await self._transcriber.transcribe(request), None
        except TimeoutError:
            return None, EngineError("The recogniser took too long.", code="stt_timeout")
        except SelamError as error:
            return None, error
        except Exception:
            log.exception("the recogniser failed")
            return None, EngineError("The recogniser failed.", code="stt_failed")
