"""What a client may ask for and send beside audio, over a real socket."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from selam_agent.app import App
from selam_agent.errors import ValidationError
from selam_agent.events import SessionUpdated, VoiceChanged
from selam_agent.ports import ChatModelInfo, ChatRequest, Text, ToolCall
from selam_agent.session.config import SessionConfig
from selam_agent.wire.selam_events import payload
from selam_agent.wire.wishes import Resume, Start, parse_start, parse_update
from tests.fakes import FakeChatModel
from tests.wire.doors import Client, raw, running, scripted

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


def config(**wishes: Any) -> SessionConfig:
    start = parse_start({"voice": "aria", **wishes}, "")
    assert isinstance(start, Start)
    return start.config


def tool(**changes: Any) -> dict[str, Any]:
    return {"type": "function", "function": {**TOOL["function"], **changes}}


@pytest.mark.parametrize(
    ("wish", "fields"),
    [
        ({"interruption": "energy"}, {"interruption": "energy"}),
        ({"interrupt_response": False}, {"interruption": "off"}),
        ({"interrupt_response": True}, {"interruption": None}),
        ({"interruption_delay": 250}, {"interruption_delay_ms": 250}),
        ({"min_silence": 300.0, "max_silence": 900}, {"min_silence_ms": 300, "max_silence_ms": 900}),
        ({"uninterruptible_greeting": True}, {"uninterruptible_greeting": True}),
        ({"silence_prompt_s": 8, "filler": 700}, {"silence_prompt_s": 8, "filler_ms": 700}),
        ({}, {"interim": True, "tools": (), "end_call": False, "silence_prompt_s": None}),
        ({"interim": False, "end_call": True}, {"interim": False, "end_call": True}),
        ({}, {"translation": None, "languages": ()}),
        (
            {"translation": "interpreter", "languages": ["ti-ER", "EN"]},
            {"translation": "interpreter", "languages": ("ti", "en"), "locale": "ti-ER"},
        ),
        ({"tools": [tool(description="Sky.")]}, {"tools": (tool(description="Sky."),)}),
    ],
)
def test_wishes_of_a_start(wish: dict[str, Any], fields: dict[str, Any]) -> None:
    made = dataclasses.asdict(config(**wish))
    assert {name: made[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"interruption": "sometimes"}, "interruption"),
        ({"translation": "on"}, "translation"),
        ({"languages": "so"}, "languages"),
        ({"languages": ["so", 1]}, "languages.1"),
        ({"languages": ["so", "so-SO"]}, "languages"),
        ({"languages": ["auto"]}, "languages"),
        ({"interrupt_response": "no"}, "interrupt_response"),
        ({"interruption_delay": 1001}, "interruption_delay"),
        ({"min_silence": 99}, "min_silence"),
        ({"max_silence": 10_001}, "max_silence"),
        ({"min_silence": 900, "max_silence": 300}, "min_silence"),
        ({"silence_prompt_s": -1}, "silence_prompt_s"),
        ({"tools": {}}, "tools"),
        ({"tools": [tool()] * 2}, "twice"),
        ({"tools": [tool(name=f"t{n}") for n in range(65)]}, "tools"),
        ({"tools": [tool(name="two words")]}, "name"),
        ({"tools": [tool(name="")]}, "name"),
        ({"tools": [tool(name="end_call")]}, "end_call"),
        ({"tools": [tool(parameters={"type": "array"})]}, "object"),
        ({"tools": [tool(parameters=[])]}, "parameters"),
        ({"tools": [{"function": {"name": "x"}}]}, "type"),
        ({"tools": [tool(parameters={"type": "object", "x": "y" * 70_000})]}, "tools"),
        ({"resume": 5}, "resume"),
        ({"resume": ""}, "resume"),
    ],
)
def test_limits_of_a_start(wish: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        config(**wish)


def test_a_resume_needs_nothing_else() -> None:
    assert parse_start({"resume": "abc", "voice": 7, "binary": True}, "") == Resume("abc", True)


def test_wishes_of_an_update() -> None:
    assert parse_update({"voice": "aria", "instructions": ""}) == {"voice": "aria", "instructions": ""}
    assert parse_update({"min_silence": 300, "vad_threshold": 20.5, "language": "am-ET"}) == {
        "min_silence_ms": 300, "vad_threshold": 20.5, "language": "am", "locale": "am-ET",
    }  # fmt: skip
    assert parse_update({"interrupt_response": False}) == {"interruption": "off"}
    for wrong, code in (({}, "nothing_to_change"), ({"output_format": "wav"}, "not_changeable")):
        with pytest.raises(ValidationError) as caught:
            parse_update(wrong)
        assert caught.value.code == code


def test_payloads() -> None:
    changed = VoiceChanged(old_voice="aria", new_voice="ubax", language="so", reason="client")
    assert payload(changed) == {"from": "aria", "to": "ubax", "language": "so", "reason": "client"}
    updated = SessionUpdated(session_id="s", changes={"min_silence_ms": 300, "voice": "aria"})
    assert payload(updated) == {"min_silence": 300, "voice": "aria", "session_id": "s"}


async def test_text_is_answered(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start(output_format="pcm16")
        await client.emit("text_input", {"text": "Hello."})
        said = await client.wait("transcription")
        assert (said["text"], said["is_final"], said["source"]) == ("Hello.", True, "text")
        assert (await client.wait("audio_end"))["spoken_text"] == "Good day to you."


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("text_input", {"text": " "}, "invalid_payload"),
        ("text_input", {"text": 5}, "invalid_payload"),
        ("text_input", "hello", "invalid_payload"),
        ("text_input", {"text": "x" * 4_001}, "too_long"),
        ("tool_result", {"call_id": "a", "result": 1}, "unknown_call"),
        ("tool_result", {"result": 1}, "invalid_payload"),
        ("tool_result", {"call_id": "a", "result": "x" * 40_000}, "too_long"),
        ("tool_result", {"call_id": "a", "is_error": 1}, "invalid_payload"),
        ("playback_position", {"reply_id": "r", "played_ms": "5"}, "invalid_payload"),
        ("playback_position", {"reply_id": "r", "played_ms": -1}, "invalid_payload"),
        ("playback_position", {"reply_id": "r", "played_ms": True}, "invalid_payload"),
        ("playback_position", {"reply_id": "", "played_ms": 1}, "invalid_payload"),
        ("update_session", {}, "nothing_to_change"),
        ("update_session", {"voice": "nobody"}, "unknown_voice"),
        ("update_session", {"voice": "mekdes"}, "voice_language_mismatch"),
        ("update_session", {"playback": "buffered"}, "not_changeable"),
    ],
)
async def test_what_is_refused(app: App, name: str, data: Any, code: str) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit(name, data)
        event, error = await socket.event()
        assert event == "error" and error["code"] in {"no_session", code}
        await socket.emit("start_session", {"voice": "aria", "language": "en"})
        await socket.event()
        await socket.emit(name, data)
        event, error = await socket.event()
        assert (event, error["type"], error["code"]) == ("error", "validation_error", code)


async def test_an_update_is_echoed(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        await client.emit("update_session", {"voice": "andrew", "interrupt_threshold": 4})
        assert await client.wait("session_updated") == {
            "session_id": client.all("session_started")[0]["session_id"],
            "voice": "andrew", "language": "en", "interrupt_threshold": 4,
        }  # fmt: skip
        assert (await client.wait("voice_changed"))["to"] == "andrew"


class Forecaster(FakeChatModel):
    """Asks for the weather, says what it is, and ends the call."""

    @property
    def info(self) -> ChatModelInfo:
        return dataclasses.replace(super().info, calls_tools=True)


async def test_a_tool_and_the_end_of_the_call(tmp_path: Path) -> None:
    def answer(request: ChatRequest) -> list[Any]:
        last = request.messages[-1]
        if last.role == "tool":
            return [Text(f"It is {last.content}. Goodbye."), ToolCall("z", "end_call", {})]
        return [ToolCall("a", "weather", {"city": "ጅማ"})]

    engines = scripted(chat_model=Forecaster(answer, delay=0.01))
    async with running(tmp_path, engines=engines) as app, Client(app) as client:
        await client.greet()
        await client.start(tools=[TOOL], end_call=True, output_format="pcm16")
        await client.emit("text_input", {"text": "What is the weather?"})
        asked = await client.wait("tool_call")
        assert asked.items() >= {"name": "weather", "arguments": {"city": "ጅማ"}, "turn_id": 1}.items()
        await client.emit("tool_result", {"call_id": asked["call_id"], "result": "sunny"})
        assert (await client.wait("session_ended"))["reason"] == "agent"
        assert client.all("audio_end")[0]["spoken_text"] == "It is sunny. Goodbye."


async def test_a_position_moves_what_was_heard(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start(output_format="pcm16")
        await client.emit("text_input", {"text": "Hello."})
        reply_id = (await client.wait("audio_chunk"))["reply_id"]
        await client.wait("audio_chunk", 6)
        await client.emit("playback_position", {"reply_id": reply_id, "played_ms": 0})
        await client.emit("control", {"action": "interrupt"})
        assert (await client.wait("audio_end"))["spoken_text"] == ""


@pytest.mark.parametrize(
    ("given", "language", "locale"),
    [
        ("ti-ER", "ti", "ti-ER"),
        ("TI_er", "ti", "ti-ER"),
        ("am-Ethi-ET", "am", "am-ET"),
        ("ti", "ti", ""),
        ("auto", None, ""),
        ("", None, ""),
    ],
)
def test_a_language_may_name_its_region(given: str, language: str | None, locale: str) -> None:
    start = parse_start({"voice": "sami", "language": given}, "")
    assert isinstance(start, Start)
    assert (start.config.language, start.config.locale) == (language, locale)
    assert parse_update({"language": given or "auto"})["locale"] == locale
