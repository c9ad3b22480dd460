"""The server's engines from start to end: built from the settings, warmed, closed."""

from __future__ import annotations

import asyncio
import logging
import os

import numpy as np

from selam_agent.engines import catalog
from selam_agent.engines.stt_routing import RoutingTranscriber
from selam_agent.languages.packs import Packs
from selam_agent.ports import (
    ChatModel,
    SynthesisRequest,
    Synthesizer,
    Transcriber,
    TranscriptionRequest,
    Translator,
)
from selam_agent.session.config import Engines
from selam_agent.settings import Settings

log = logging.getLogger(__name__)


def go_offline() -> None:
    """Keeps libraries from asking the network for models; before the first of them is imported."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ[name] = "1"


def build(settings: Settings, packs: Packs) -> Engines:
    """The engines that the settings name. Loads models: seconds for large ones.

    Raises:
        SettingsError: an engine cannot be used, or would leave the machine and may not.
    """
    catalog.check_allowed_names(settings)
    # The recogniser loads for seconds; a mistake in the other sections is told before.
    chat_model = catalog.build_chat_model(settings, packs)
    translator = catalog.build_translator(settings, packs, chat_model)
    synthesizers = catalog.build_synthesizers(settings)
    transcriber = catalog.build_transcriber(settings, chat_model)
    return Engines(
        transcriber=transcriber,
        chat_model=chat_model,
        synthesizers=synthesizers,
        translator=translator,
        speaking_models=catalog.build_speaking_models(settings),
    )


async def warm(engines: Engines, packs: Packs) -> None:
    """First uses are slow: model pages, worker processes, caches. Nobody should wait for them.

    An engine that fails here is logged and tried again when it is needed.
    """
    transcribers = (_warm_transcriber(each) for each in recognisers(engines))
    synthesizers = (_warm_synthesizer(engines, packs, each) for each in engines.synthesizers)
    results = await asyncio.gather(*transcribers, *synthesizers, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            log.warning("an engine did not warm up and is tried again when it is needed: %s", result)


def recognisers(engines: Engines) -> tuple[Transcriber, ...]:
    """The recognisers behind the one that sessions ask."""
    transcriber = engines.transcriber
    return transcriber.parts if isinstance(transcriber, RoutingTranscriber) else (transcriber,)


async def _warm_transcriber(transcriber: Transcriber) -> None:
    if not transcriber.info.leaves_machine:
        await transcriber.transcribe(TranscriptionRequest(audio=np.zeros(8_000, np.int16)))


async def _warm_synthesizer(engines: Engines, packs: Packs, name: str) -> None:
    engine = engines.synthesizers[name]
    if engine.info.leaves_machine or engine.info.remote:
        return
    for pack, entry in packs.voices():
        for voice in entry.engines:
            if voice["engine"] == name:
                request = SynthesisRequest(text=entry.name, language=pack.code, voice=voice)
                async for _ in engine.synthesize(request):
                    pass
                return


async def close(engines: Engines) -> None:
    """Closes every engine; one that fails at it does not keep the others open."""
    every: list[Transcriber | ChatModel | Synthesizer | Translator] = [
        engines.transcriber,
        engines.chat_model,
    ]
    every += (*engines.synthesizers.values(), *engines.speaking_models.values())
    if engines.translator is not None:
        every.append(engines.translator)
    for engine in every:
        try:
            await engine.aclose()
        except Exception:
            log.exception("closing %s failed", type(engine).__name__)
