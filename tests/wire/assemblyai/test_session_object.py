"""How a session object becomes the wishes of a session, and its echo."""

from __future__ import annotations

from typing import Any

import pytest

from selam_agent.wire.assemblyai.mapping import gate, parse, wishes
from selam_agent.wire.assemblyai.session_object import echo, merged
from selam_agent.wire.assemblyai.voices import CATALOGUE, local_voice
from tests.session.calls import PACKS

DEFAULTS = wishes(parse({}), PACKS)


def differing(given: dict[str, Any]) -> dict[str, Any]:
    made = wishes(parse(given), PACKS)
    return {name: value for name, value in made.items() if value != DEFAULTS[name]}


def heard(**detection: Any) -> dict[str, Any]:
    return {"input": {"turn_detection": detection}}


CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"system_prompt": "Be kind."}, {"instructions": "Be kind."}),
    ({"greeting": "Hello."}, {"greeting": "Hello."}),
    ({"greeting": None, "tools": None, "input": {"keyterms": None}}, {}),
    # Documented defaults change nothing when they are said.
    (heard(type="server_vad", vad_threshold=0.5, interrupt_response=True), {}),
    (heard(type="semantic_vad"), {}),
    (heard(vad_threshold=0.0), {"vad_threshold": 150.0}),
    (heard(vad_threshold=1), {"vad_threshold": 2400.0}),
    (heard(min_silence=1200), {"min_silence_ms": 1200}),
    (heard(max_silence=3600), {"max_silence_ms": 3600}),
    (heard(min_silence=1200, max_silence=3600), {"min_silence_ms": 1200, "max_silence_ms": 3600}),
    (heard(interrupt_response=False), {"interruption": "off"}),
    (heard(interruption_delay=500), {"interruption_delay_ms": 500}),
    (heard(uninterruptible_turns=["greeting"]), {"uninterruptible_greeting": True}),
    (
        {"input": {"keyterms": ["Jimma"], "transcription_prompt": "A clinic."}},
        {"hints": ("A clinic.", "Jimma")},
    ),
    ({"input": {"transcription_mode": "max_accuracy", "voice_focus": "far-field"}}, {}),
    ({"output": {"volume": 40}}, {"volume": 40}),
    ({"language": "am-ET"}, {"language": "am", "voice": "mekdes"}),
    ({"language": "am", "output": {"voice": "james"}}, {"language": "am", "voice": "ameha"}),
    ({"output": {"voice": "james"}}, {"voice": "andrew"}),
    ({"output": {"voice": "mekdes"}}, {"voice": "mekdes"}),
    ({"input": {"language_codes": ["so"]}}, {"language": "so", "voice": "ubax", "languages": ("so",)}),
    ({"input": {"language_codes": ["am", "en", "fr"]}}, {"languages": ("am", "en")}),
    ({"translation": "interpreter"}, {"translation": "interpreter"}),
    ({"input": {"language_codes": ["es"]}}, {}),
    (
        {"tools": [{"type": "function", "name": "look", "timeout_seconds": 5}]},
        {
            "tools": (
                {
                    "type": "function",
                    "function": {
                        "name": "look",
                        "description": "",
                        "parameters": {"type": "object", "properties": {}},
                    },
                },
            ),
            "tool_timeouts": {"look": 5.0},
            "filled_tools": frozenset({"look"}),
        },
    ),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_what_it_asks_for(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert differing(given) == expected


def test_the_gate_is_a_loudness() -> None:
    assert [round(gate(t)) for t in (None, 0.5, 0.0, 0.25, 1.0)] == [600, 600, 150, 300, 2400]


def test_the_nested_form_of_a_tool_is_the_flat_one() -> None:
    function = {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}
    nested = parse({"tools": [{"type": "function", "function": function}]})
    assert nested == parse({"tools": [{"type": "function", **function}]})


@pytest.mark.parametrize("code", PACKS.languages)
def test_every_voice_of_their_catalogues_speaks(code: str) -> None:
    assert len(CATALOGUE) > 55
    for name, gender in CATALOGUE.items():
        pack, voice = PACKS.voice(local_voice(name.title(), code, PACKS))
        assert pack.code == code
        assert voice.gender == gender or gender not in {each.gender for _, each in PACKS.voices(code)}


def test_the_echo_of_nothing() -> None:
    config = echo(parse({}), agent_id=None, voice="aria", silences=(400, 3000))
    assert config == {
        "id": None,
        "system_prompt": None,
        "greeting": None,
        "input": {
            "type": "audio",
            "format": {"encoding": "audio/pcm", "sample_rate": 24_000},
            "turn_detection": None,
            "keyterms": None,
            "transcription_mode": "balanced",
            "continuous_partials": None,
            "transcription_prompt": None,
            "language_codes": None,
            "voice_focus": "near-field",
            "voice_focus_threshold": 0.85,
        },
        "output": {
            "type": "audio",
            "voice": "aria",
            "format": {"encoding": "audio/pcm", "sample_rate": 24_000},
            "volume": None,
        },
        "tools": [],
        "llm": [],
        "pre_connect_requests": [],
    }


def test_the_echo_of_turn_detection_and_tools() -> None:
    given = heard(min_silence=700) | {"tools": [{"type": "function", "name": "look"}], "language": "so"}
    config = echo(parse(given), agent_id="agent_1", voice="ubax", silences=(400, 3000))
    assert config["id"] == "agent_1" and config["language"] == "so"
    assert config["input"]["turn_detection"] == {
        "type": None,
        "vad_threshold": 0.5,
        "min_silence": 700,
        "max_silence": 3000,
        "interrupt_response": True,
        "interruption_delay": None,
        "uninterruptible_turns": [],
    }
    assert config["tools"] == [
        {
            "type": "function",
            "name": "look",
            "description": "",
            "parameters": {"type": "object", "properties": {}},
            "execution_mode": "interactive",
            "timeout_seconds": 120,
            "http": None,
            "response_instructions": None,
            "deployment_id": None,
            "session_update": None,
            "image_tag": None,
        }
    ]


def test_an_update_replaces_lists_and_formats_and_merges_the_rest() -> None:
    old = {"tools": [1], "input": {"format": {"encoding": "a", "sample_rate": 1}, "keyterms": ["x"]}}
    new = {"tools": [], "input": {"format": {"encoding": "b"}}}
    assert merged(old, new) == {"tools": [], "input": {"format": {"encoding": "b"}, "keyterms": ["x"]}}
