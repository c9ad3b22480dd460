"""The language model as a translator, through the real client library against a server on loopback."""

from __future__ import annotations

import pytest

from selam_agent.engines.llm_openai import OpenAIChatModel
from selam_agent.engines.translate_llm import LlmTranslator
from selam_agent.errors import EngineError
from selam_agent.ports import TranslationRequest, Translator
from selam_agent.settings import Llm
from tests.engines.test_llm_openai import DONE, STOP, FakeServer, event, hang, says, server, status

__all__ = ["server"]

NAMES = {"so": "Somali", "en": "English"}


async def translate(server: FakeServer, text: str, deadline: float = 5.0) -> str:
    chat = OpenAIChatModel(Llm(base_url=server.url, model="m"))
    translator = LlmTranslator(chat, NAMES)
    assert isinstance(translator, Translator) and not translator.info.leaves_machine
    try:
        request = TranslationRequest(text=text, source="so", target="en", deadline=deadline)
        return await translator.translate(request)
    finally:
        await translator.aclose()
        await chat.aclose()


@pytest.mark.parametrize("answer", ["My name is <x1/>.", ' "My name is <x1/>."\n'])
async def test_asks_for_the_translation_only(server: FakeServer, answer: str) -> None:
    server.answers = [says(event({"content": answer[:5]}), event({"content": answer[5:]}), STOP, DONE)]
    assert await translate(server, "Magacaygu waa <x1/>.") == "My name is <x1/>."
    (body,) = server.requests
    system, user = body["messages"]
    assert "from Somali into English" in system["content"] and "<x1/>" in system["content"]
    assert "Your answer is spoken" not in system["content"]
    assert user == {"role": "user", "content": "Magacaygu waa <x1/>."}


async def test_failures(server: FakeServer) -> None:
    for answer, code in [
        (status(500), "llm_failed"),
        (says(STOP, DONE), "translation_empty"),
        (hang, "translation_timeout"),
    ]:
        server.answers = [answer]
        with pytest.raises(EngineError) as caught:
            await translate(server, "Haye.", deadline=0.2)
        assert caught.value.code == code
