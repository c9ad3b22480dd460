"""What the page's synthetic caller says, the built-in recogniser understands: in every language."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from unittest.mock import Mock

import numpy as np
from aiohttp import web

from selam_agent import app_page
from selam_agent.app import App
from selam_agent.ports import TranscriptionRequest
from selam_agent.settings import Server, Settings
from tests.wire.doors import KEY


async def test_a_few_phrases_of_each_language(tmp_path: Path) -> None:
    app = await App.build(Settings(server=Server(port=0, data_dir=tmp_path)), api_key=KEY)
    try:
        say = app_page.say(app.engines, app.packs)
        for pack in app.packs:
            greeting, booked = pack.phrases["greeting"][0], [*pack.slots.values(), pack.phrases["no"]][0][0]
            for text in (greeting, booked):
                answer = await say.answer(Mock(web.Request, query={"text": text, "language": pack.code}))
                assert isinstance(answer.body, bytes)
                with wave.open(io.BytesIO(answer.body)) as file:
                    spoken = np.frombuffer(file.readframes(file.getnframes()), np.int16)
                edge = np.zeros(4_800, np.int16)
                heard = await app.engines.transcriber.transcribe(
                    TranscriptionRequest(audio=np.concatenate([edge, spoken, edge]), language=pack.code)
                )
                assert heard.rejected is None
                assert letters(heard.text) == letters(text)
    finally:
        await app.stop()


def letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
