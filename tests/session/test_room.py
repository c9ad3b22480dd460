"""The room of a session without echo: what it searched with is given back, and it looks again later."""

from __future__ import annotations

import tracemalloc

import numpy as np

from selam_agent.audio.encode import EncodedChunk
from selam_agent.session.room import Room

_RATE = 24_000


def speak(room: Room, seconds: float, begun_ms: float = 0.0) -> float:
    """The agent speaks and the microphone hears the room's noise; returns the time."""
    random = np.random.default_rng(3)
    for number in range(int(seconds * 25)):
        at = begun_ms + number * 40.0
        sound = random.integers(-3000, 3000, _RATE * 40 // 1000).astype(np.int16)
        noise = random.integers(-40, 40, (2, 320)).astype(np.int16)
        room.plays(EncodedChunk(sound.tobytes(), len(sound), 0, "pcm16", _RATE), at)
        room.hears(noise, at)
    return begun_ms + seconds * 1000


def test_a_session_without_echo_keeps_nothing_to_find_it_with() -> None:
    # What all sessions share is there by now.
    speak(Room(guarded=True), 1)
    room = Room(guarded=True)
    tracemalloc.start()
    try:
        now = speak(room, 3)
        searching, _ = tracemalloc.get_traced_memory()
        now = speak(room, 5, now)
        found_none, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert room.trusted and not room.echoes and not room.suspected
    assert searching < 200_000
    assert found_none < 20_000


def test_between_two_replies_nothing_is_kept_either() -> None:
    speak(Room(guarded=True), 1)
    room = Room(guarded=True)
    tracemalloc.start()
    try:
        now = speak(room, 3)
        for number in range(100):
            room.hears(np.zeros((2, 320), np.int16), now + number * 40.0)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert room._guard is not None and room._guard.state == "listening"
    assert kept < 25_000


def test_it_looks_again_after_a_minute_of_agent_audio() -> None:
    """Headphones get unplugged."""
    room = Room(guarded=True)
    now = speak(room, 8)
    assert room._guard is not None and room._guard.state == "none"
    now = speak(room, 55, now)
    assert room._guard.state == "none"
    speak(room, 4, now)
    assert room._guard.state == "listening"
