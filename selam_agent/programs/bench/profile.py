"""What is measured: one way to call the server, and its variants. All of it is in the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LEVELS = (1, 8, 32, 64, 128, 192, 256)
SILENCE_MS = 800
# The protocol's default: 8 units of 30 ms.
BARGE_IN_MS = 240
_INSTANT = "import:selam_agent.programs.bench.engines"
# It begins with 500 ms of unbroken voice: what stops the agent is then the threshold's length and not
# the words' gaps; and no pause in it is longer than 60 ms, which nobody takes for its end.
LINE = "When may I see her on Monday?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """``packet_ms``: what callers send at once, base64 pcm16 at 16 kHz. ``silence_ms``: what ends a turn.
    ``barge_in_ms``: so much speech stops the agent. ``lines``: what callers say, one line each, in
    espeak's ``caller`` voice. The rest are the server's options.
    """

    name: str = "base"
    packet_ms: int = 20
    output_format: str = "pcm16"
    output_sample_rate: int = 24_000
    playback: str = "buffered"
    silence_ms: int = SILENCE_MS
    barge_in_ms: int = BARGE_IN_MS
    interruption: str = "energy"
    denoise: str = "vad"
    speculation: bool = False
    interim: bool = False
    decisions: bool = False
    fast_path: bool = True
    player_buffer_ms: float = 60.0
    transcriber: str = f"{_INSTANT}:transcriber"
    transcriber_model: str = ""
    chat_model: str = f"{_INSTANT}:chat_model"
    synthesizer: str = f"{_INSTANT}:synthesizer"
    lines: tuple[str, ...] = (LINE,)
    caller: str = "en-us"

    def wishes(self) -> dict[str, Any]:
        """The payload of ``start_session``."""
        names = ("output_format", "output_sample_rate", "playback", "interruption", "interim", "decisions")
        return {
            "voice": "aria",
            "language": "en",
            "interrupt_threshold": self.barge_in_ms // 30,
            **{name: getattr(self, name) for name in names},
        }

    def settings(self, data_dir: str, sessions: int) -> dict[str, Any]:
        """The server's settings."""
        return {
            "server": {
                "port": 0,
                "data_dir": data_dir,
                "offline": True,
                "fast_path": self.fast_path,
                "max_sessions": sessions + 1,
                "unauthenticated_sockets": sessions + 1,
            },
            "stt": {"engine": self.transcriber, "model": self.transcriber_model},
            "llm": {"engine": self.chat_model},
            "tts": {"engine": self.synthesizer},
            "audio": {"denoise": self.denoise},
            "turns": {"speculation": self.speculation, "silence_ms": self.silence_ms},
        }

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


VARIANTS = {
    "base": Profile(),
    "chunks100": Profile(name="chunks100", packet_ms=100),
    "mp3": Profile(name="mp3", output_format="mp3"),
    "stock": Profile(name="stock", fast_path=False),
    "everything": Profile(
        name="everything", speculation=True, interim=True, decisions=True, interruption="semantic"
    ),
}
