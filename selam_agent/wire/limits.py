"""What one socket may cost before anybody has shown a key, and how far a slow reader may fall behind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the Socket.IO door; the values are a field so that tests need no long sleeps.

    ``unaccepted_s``: life of an Engine.IO socket that has joined no namespace.
    ``refused_s``: until the socket of a refused client is really closed.
    ``errors_per_s``: ``error`` events a connection gets one by one; the rest is summed up.
    ``queue_bytes`` and ``queue_audio_ms``: what may wait for a client that does not read.
    ``queue_events``: the same for events without audio.
    ``flush_s``: how long a farewell may take to leave.
    ``unauthenticated_sockets``: sockets at once without an accepted namespace.
    """

    unaccepted_s: float = 10.0
    refused_s: float = 1.0
    errors_per_s: int = 20
    queue_bytes: int = 256 * 1024
    queue_audio_ms: float = 3_000.0
    queue_events: int = 1_024
    flush_s: float = 2.0
    unauthenticated_sockets: int = 64
    max_message_bytes: int = 4 * 1024 * 1024
    ping_interval_s: float = 10.0
    ping_timeout_s: float = 10.0
