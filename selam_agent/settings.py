"""One typed tree of settings: ``selam.toml``, overridden by ``SELAM_<SECTION>__<FIELD>``.

``settings_file.load`` reads it once at start; nothing else in the package reads the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Keep = Literal["none", "metadata", "text", "audio"]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _default_data_dir() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "selam-agent"


class Server(Section):
    """Where the server listens and whom it lets in."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    data_dir: Path = Field(default_factory=_default_data_dir)
    cors_origins: list[str] = []
    # auto: a certificate of our own making, kept in data_dir; browsers warn about it once.
    tls: Literal["off", "auto"] = "off"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    offline: bool = False
    # Of stored agents and session records; empty: SQLite in data_dir. Else an asynchronous SQLAlchemy URL,
    # such as postgresql+asyncpg://…, whose driver is installed.
    database_url: str = ""
    # Where clients reach the server from outside (https://agent.example): in links, and for Twilio.
    public_url: str = ""
    # Doors of other people, each "import:package.module:factory"; see docs/adding-a-protocol.md.
    doors: list[str] = []
    # A folder with further language packs (and flows/); a file of the same name takes ours' place.
    voices_dir: Path | None = None
    unauthenticated_sockets: int = Field(64, ge=1)
    max_sessions: int = Field(256, ge=1)
    # A leaner loop for WebSockets instead of the Socket.IO library's; half the transport's CPU time.
    fast_path: bool = True
    # What a client that was turned away for want of room is told to wait (s).
    retry_after_s: float = Field(10.0, gt=0)
    # How long the turns that are going on may take to end after SIGTERM (s).
    drain_s: float = Field(10.0, ge=0)


class SttModel(Section):
    """One recogniser of ``stt.models``; ``"engine:model"`` for short, such as ``"whisper:small"``."""

    engine: str
    model: str = ""
    base_url: str = ""
    api_key: str = ""
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        if given.startswith("import:"):
            return {"engine": given}
        engine, _, model = given.partition(":")
        return {"engine": engine, "model": model}


class Stt(Section):
    """Speech to text. ``engine``: auto, whisper, command, sherpa, openai or import:package.module:factory.

    ``models``: language → recogniser, over ``engine`` and ``model``; ``any`` hears callers whose language
    is not known yet, else the recogniser of most languages does. ``base_url``, ``api_key``: for ``openai``.
    """

    engine: str = "auto"
    model: str = ""
    models: dict[str, SttModel] = {}
    base_url: str = ""
    api_key: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "int8"
    threads: int = Field(1, ge=1, le=64)
    workers: int = Field(1, ge=1, le=16)
    queue: int = Field(64, ge=1)
    min_window_s: float = Field(10.0, ge=0.0, le=30.0)
    max_tokens: int = Field(96, ge=8, le=440)
    log_prob_threshold: float = -1.0
    no_speech_threshold: float = 0.6
    options: dict[str, Any] = {}


class Llm(Section):
    """Language model. Without ``base_url`` the rule-based flow engine answers."""

    engine: str = "auto"
    base_url: str = ""
    api_key: str = ""
    model: str = ""
    temperature: float | None = None
    max_tokens: int = Field(512, ge=16)
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 15.0
    total_timeout_s: float = 60.0
    flow: str = "clinic_booking"
    # Instead of the packs' own (docs/translation.md); may use {language} and {now}; empty: none.
    preamble: str | None = None

    @field_validator("preamble")
    @classmethod
    def _check_preamble(cls, text: str | None) -> str | None:
        try:
            (text or "").format(language="", now="")
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError("may only use {language} and {now}") from None
        return text

    options: dict[str, Any] = {}


class Tts(Section):
    """Text to speech. ``engines``: those of a voice that may be used, in the pack's order.

    ``base_url`` to ``voices`` are for ``openai``, any server with ``/audio/speech``. ``voices``: which
    of its voices speaks for one of ours, before the pack's engines: ``{mekdes = "amharic-1"}``.
    """

    engine: str = "auto"
    engines: list[str] = ["edge", "openai", "espeak"]
    base_url: str = ""
    api_key: str = ""
    model: str = "gpt-4o-mini-tts"
    voices: dict[str, str] = {}
    options: dict[str, Any] = {}


class Translation(Section):
    """Translation (docs/translation.md). ``engine``: auto (the language model), llm or import:….

    ``mode`` and ``languages`` are for clients that do not name any.
    """

    engine: str = "auto"
    mode: Literal["off", "pivot", "interpreter"] = "off"
    languages: list[str] = []
    # For a sentence with its second try; a caller would not wait longer.
    deadline_s: float = Field(5.0, gt=0, le=60)
    options: dict[str, Any] = {}


class GptAudio(Section):
    """A model that thinks and speaks, for the voices alloy, echo, fable, onyx, nova and shimmer.

    ``model``: its name, such as gpt-audio; empty: those voices are refused. ``base_url``: chat
    completions with audio output; empty: OpenAI's.
    """

    base_url: str = ""
    api_key: str = ""
    model: str = ""


class Privacy(Section):
    """``allow``: engines that may send what is said (speech or text) off this machine, by name."""

    allow: list[str] = []


class Audio(Section):
    """What is heard: noise suppression, voice activity, bounds."""

    denoise: Literal["vad", "all", "off"] = "vad"
    vad_mode: int = Field(2, ge=0, le=3)
    max_pending_s: float = 30.0
    # Looks for the agent's own voice in the microphone, and takes it out where it is found.
    echo_guard: bool = True
    # What takes it out: ``numpy``, or WebRTC's ``aec3`` (the extra ``aec``), which has fewer false alarms
    # where the delay wanders, hears a quarter of the callers later, and costs twice as much.
    echo_canceller: Literal["numpy", "aec3"] = "numpy"


class Turns(Section):
    """The one table of timings (ms unless named otherwise); each with its reason."""

    # No clipped first consonants: speech starts at 3 voiced frames of 5, with this much before it.
    pre_roll_ms: int = 300
    # In a pause this long the answer is already prepared; the caller does not wait for the work.
    speculation: bool = True
    speculate_ms: int = Field(200, ge=60, le=2000)
    # Bounded cost: guesses per turn, and how long the speech may be.
    max_guesses: int = Field(3, ge=1, le=10)
    max_guessed_speech_ms: int = 15_000
    # Silence that ends a turn whose words sound complete, unclear, incomplete; patience is nearly
    # free while the answer is being prepared.
    complete_ms: int = Field(400, ge=100, le=5000)
    unknown_ms: int = Field(800, ge=100, le=5000)
    incomplete_ms: int = Field(1800, ge=100, le=5000)
    silence_limit_ms: int = Field(3000, ge=100, le=10_000)
    # A fixed silence instead of all these.
    silence_ms: int | None = Field(None, ge=100, le=10_000)
    # What stops the agent: the words, energy alone, or nothing.
    interruption: Literal["semantic", "energy", "off"] = "semantic"
    # Sending is held after this much speech over the agent: with the lead, silence within 350 ms.
    hold_ms: int = Field(60, ge=40, le=1000)
    # How often the recogniser is asked meanwhile, if it has answered.
    listen_ms: int = Field(40, ge=20, le=1000)
    # So much speech interrupts whatever the words are.
    interrupt_speech_ms: int = Field(600, ge=100, le=5000)
    # A sound is over after this much silence.
    sound_over_ms: int = Field(300, ge=60, le=2000)
    # A pause this short is still the same run of speech: even clean speech has gaps.
    gap_ms: int = 200
    # Push-to-talk clients stop sending; stalls on slow networks last longer.
    no_packets_ptt_ms: int = 500
    no_packets_ms: int = 1500
    # Nobody speaks longer without a pause; also bounds memory.
    max_utterance_ms: int = 30_000
    # Shorter bursts of voiced sound are no utterance.
    min_speech_ms: int = 120
    # Small enough that an interruption is heard at once, large enough for network jitter. A client has
    # at most this and one chunk of 40 ms: with 240 a word of which nothing is understood would be met by
    # silence after 375 ms in one case of twenty, with 200 after 335.
    lead_ms: int = 200
    # Synthesise the next fragment when this much of the current one is left.
    next_fragment_ms: int = 1500
    # Libraries swallow cancellation; after this a task is abandoned and logged.
    cancel_budget_s: float = 2.0
    # How long the session waits for the recogniser and for a whole reply.
    stt_deadline_s: float = 20.0
    # A voice that has sent nothing for this long is taken for dead.
    tts_deadline_s: float = 5.0
    # The same for a remote one while the voice has another engine: nobody waits for a network.
    tts_first_ms: int = Field(400, ge=50, le=5000)
    # And while that engine fails again and again; it is asked only to see whether it is well again.
    tts_failing_ms: int = Field(50, ge=0, le=5000)
    reply_deadline_s: float = 120.0
    # The client's tools; longer than any look-up a caller would wait for.
    tool_timeout_s: float = Field(30.0, gt=0, le=600)
    # How long a dropped connection may come back to its session; 0: not at all.
    resume_s: float = Field(30.0, ge=0, le=600)
    # A transcript of what was said so far, after each so much speech; 0: never.
    interim_ms: int = Field(700, ge=0, le=10_000)
    # After so long a silence of a caller whose line is open: "are you there?"; 0: never.
    silence_prompt_s: float = Field(0.0, ge=0, le=3600)
    # What the agent says while a tool of the client's runs, where the client wants it: after so long.
    tool_filler_ms: int = Field(1000, ge=100, le=30_000)
    # When the model has written nothing so long after the turn: the pack's filler; 0: never.
    filler_ms: int = Field(0, ge=0, le=30_000)
    idle_s: float = 300.0
    max_session_s: float = 10_800.0
    # Speech-like sound 10 dB over the floor, yet under the gate, for this long: say so once.
    too_quiet_ms: int = 600


class Records(Section):
    """What is stored of a session, for its own key to read.

    ``keep``: nothing; times, decisions and endings; the words too; the audio of both sides too.
    """

    keep: Keep = "metadata"
    # After so many days a record is erased; 0: never.
    ttl: float = Field(30.0, ge=0)


class Twilio(Section):
    """Telephone calls over Twilio Media Streams; the door is closed without ``auth_token``.

    ``key``: id of the key whose limits and stored agents count; empty: the first of tier OWNER.
    The others are for calls that choose nothing themselves.
    """

    auth_token: str = ""
    key: str = ""
    agent: str = ""
    voice: str = ""
    language: str = ""
    greeting: str = ""
    instructions: str = ""
    max_calls: int = Field(64, ge=1)


class Log(Section):
    """What is written to standard error. What callers say is written at ``debug`` only, audio never."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(Section):
    """The whole tree."""

    server: Server = Server()
    stt: Stt = Stt()
    llm: Llm = Llm()
    tts: Tts = Tts()
    translation: Translation = Translation()
    gpt_audio: GptAudio = GptAudio()
    privacy: Privacy = Privacy()
    audio: Audio = Audio()
    turns: Turns = Turns()
    records: Records = Records()
    twilio: Twilio = Twilio()
    log: Log = Log()
