"""A translated conversation from the socket to the language model's own client library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selam_agent.engines.llm_openai import OpenAIChatModel
from selam_agent.engines.translate_llm import LlmTranslator
from selam_agent.settings import Llm
from tests.engines.test_llm_openai import DONE, STOP, FakeServer, event, says, server, status
from tests.wire.doors import Client, running, scripted

__all__ = ["server"]

SAID = "Magacaygu waa Xaawo, waan xanuunsanahay."
INTERPRETER = {"voice": "ubax", "language": None, "translation": "interpreter", "languages": ["so", "en"]}


def translating(server: FakeServer) -> Any:
    chat = OpenAIChatModel(Llm(base_url=server.url, model="m"))
    translator = LlmTranslator(chat, {"so": "Somali", "en": "English", "am": "Amharic"})
    return scripted(chat_model=chat, translator=translator)


async def test_an_interpreter_over_the_socket(server: FakeServer, tmp_path: Path) -> None:
    translated = "My name is <x1/>, I am ill."
    server.answers = [
        says(event({"content": translated[:9]}), event({"content": translated[9:]}), STOP, DONE)
    ]
    async with running(tmp_path, engines=translating(server)) as app, Client(app) as client:
        await client.greet("ubax")
        started = await client.start(**INTERPRETER)
        assert (started["translation"], started["languages"]) == ("interpreter", ["so", "en"])
        await client.emit("text_input", {"text": SAID})
        assert (await client.wait("response"))["text"] == "My name is Xaawo, I am ill."
        changed = await client.wait("voice_changed")
        assert changed == {"from": "ubax", "to": "aria", "language": "en", "reason": "interpreter"}
        ended = await client.wait("audio_end")
        assert ended["spoken_text"] == "My name is Xaawo, I am ill."
    assert server.requests[0]["messages"][-1]["content"] == "Magacaygu waa <x1/>, waan xanuunsanahay."


async def test_a_model_that_is_away_is_a_warning_and_no_silence(server: FakeServer, tmp_path: Path) -> None:
    server.answers = [status(401)]
    async with running(tmp_path, engines=translating(server)) as app, Client(app) as client:
        await client.greet("ubax")
        await client.start(**INTERPRETER)
        await client.emit("text_input", {"text": SAID})
        warning = await client.wait("warning")
        assert warning["code"] == "untranslated"
        assert warning["details"] == {"from": "so", "to": "en", "reason": "llm_refused", "turn_id": 1}
        assert (await client.wait("audio_end"))["spoken_text"] == SAID


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        ({"languages": ["so"]}, "interpreter_languages"),
        ({"languages": ["so", "xx"]}, "unknown_language"),
        ({"voice": "mekdes"}, "voice_language_mismatch"),
        ({"translation": "both"}, "invalid_parameter"),
    ],
)
async def test_refusals_are_typed(
    wishes: dict[str, Any], code: str, server: FakeServer, tmp_path: Path
) -> None:
    async with running(tmp_path, engines=translating(server)) as app, Client(app) as client:
        await client.greet("ubax")
        await client.emit("start_session", {**INTERPRETER, **wishes})
        error = await client.wait("error")
        assert (error["type"], error["code"]) == ("validation_error", code)


async def test_the_flow_engine_has_no_translator(tmp_path: Path) -> None:
    async with running(tmp_path) as app, Client(app) as client:
        await client.greet("ubax")
        await client.emit("start_session", INTERPRETER)
        error = await client.wait("error")
        assert (error["type"], error["code"]) == ("validation_error", "no_translator")
