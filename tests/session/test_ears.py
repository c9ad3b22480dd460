"""What a session hears with: which audio is decoded beside the event loop."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from selam_agent.session.ears import Ears
from selam_agent.session.room import Room
from selam_agent.settings import Audio
from tests.fakes import silence

CAPTURE = Path(__file__).parent.parent / "fixtures" / "mediarecorder_chunks.jsonl"


def test_only_long_compressed_audio_leaves_the_loop() -> None:
    lines = CAPTURE.read_text(encoding="utf-8").splitlines()
    recording = b"".join(base64.b64decode(json.loads(line)["audio"]) for line in lines)
    ears = Ears(Audio(), 600, Room(guarded=False))
    assert not ears.heavy(silence(30_000)), "bare samples cost nothing"
    assert not ears.heavy(recording[:4_000]), "what a browser sends at a time"
    assert ears.heavy((recording * 4)[:200_000])
    assert len(ears.decode(recording, "pcm16", 16_000)) > 3 * 16_000
    assert ears.heavy(bytes(100_000)), "an open recording goes on without a header"
