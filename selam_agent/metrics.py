"""Every number the server tells Prometheus: its name, unit and meaning.

Seconds throughout, as Prometheus advises; the protocol's events have milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` ends in its unit. ``buckets``: upper bounds of a histogram's, in that unit."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# A caller notices 200 ms, and gives up after seconds.
_LATENCY = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)

SESSIONS = Metric("selam_sessions", "gauge", "Live sessions.")
SESSIONS_STARTED = Metric("selam_sessions_started_total", "counter", "Sessions started.")
SESSIONS_RESUMED = Metric(
    "selam_sessions_resumed_total",
    "counter",
    "Sessions taken up again by a client whose connection broke.",
)
SESSIONS_ENDED = Metric(
    "selam_sessions_ended_total",
    "counter",
    "Sessions ended, by the reason of session_ended, or disconnected or replaced.",
    ("reason",),
)
AUDIO_RECEIVED = Metric(
    "selam_audio_received_seconds_total", "counter", "Caller audio of the sessions that have ended."
)
OPEN_CONNECTIONS = Metric(
    "selam_open_connections", "gauge", "Client connections now, refused ones that are not closed yet too."
)
CONNECTIONS = Metric("selam_connections_total", "counter", "Client connections, by outcome.", ("outcome",))
SLOW_CLIENTS = Metric(
    "selam_slow_clients_total", "counter", "Connections cut because the client did not read."
)
ERRORS = Metric("selam_errors_total", "counter", "Error events, by type and code.", ("type", "code"))
WARNINGS = Metric("selam_warnings_total", "counter", "Warning events, by code.", ("code",))
WRONG_LANGUAGE = Metric(
    "selam_wrong_language_answers_total",
    "counter",
    "Answers that the language model began in another language than it was asked for, by what was done: "
    "asked_again, translated or apology. The second and third follow a first.",
    ("remedy",),
)

TURNS = Metric(
    "selam_turns_total",
    "counter",
    "Turns of callers: answered, interrupted (by the caller), failed or not_understood.",
    ("outcome",),
)
STAGE_SECONDS = Metric(
    "selam_stage_seconds",
    "histogram",
    "How long each stage made a caller wait; what was ready before the turn was over counts 0. "
    "endpoint: silence waited for; stt: until the words were known; llm_first_token: until the language "
    "model's first words, part of llm; llm: until the first fragment that can be spoken; tts: until its "
    "first audio; send: encoding and pacing.",
    ("stage",),
    _LATENCY,
)
V2V_SECONDS = Metric(
    "selam_v2v_seconds",
    "histogram",
    "From the acoustic end of the caller's speech to the first audible sample sent.",
    (),
    _LATENCY,
)
INTERRUPTIONS = Metric(
    "selam_interruptions_total",
    "counter",
    "Speech over the agent, by verdict. It stopped for words (their meaning), duration (much speech) or "
    "energy (sound alone); it went on after no_words (a cough) or not_meant (a backchannel, an echo).",
    ("verdict",),
)
SPECULATIONS = Metric(
    "selam_speculations_total",
    "counter",
    "Answered turns, by whether the answer was prepared in the pause: hit, miss (in vain) or none.",
    ("outcome",),
)
SPECULATIONS_DROPPED = Metric(
    "selam_speculations_dropped_total", "counter", "Prepared answers of answered turns that nobody heard."
)
SPECULATION_WASTED = Metric(
    "selam_speculation_wasted_seconds_total",
    "counter",
    "How long language model and voice, added up, were at work on them; waiting in an engine's queue counts.",
)

STT_QUEUE = Metric("selam_stt_queue", "gauge", "Recognitions that wait or are at work.")
STT_SECONDS = Metric(
    "selam_stt_seconds",
    "histogram",
    "How long the recogniser took for a request, waiting included, by its purpose (final, speculative, "
    "interim) and outcome (ok, failed, cancelled).",
    ("priority", "outcome"),
    _LATENCY,
)
BREAKER = Metric(
    "selam_breaker_open",
    "gauge",
    "Circuit breaker of a remote engine: 0 closed, 1 open (the engine is not asked), 0.5 tried again.",
    ("engine",),
)
LOOP_LAG = Metric(
    "selam_event_loop_lag_seconds",
    "histogram",
    "How much too late the event loop woke a timer; asked twice a second.",
    (),
    (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)

ALL = tuple(each for each in globals().values() if isinstance(each, Metric))

# One value per series is enough; the time of its creation is of no use here.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The values of one server. Cheap enough for the event loop: no locks that anybody holds for long."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for each in ALL:
            about = (each.name, each.help, each.labels)
            if each.kind == "gauge":
                self._gauges[each.name] = Gauge(*about, registry=self._registry)
            elif each.kind == "counter":
                self._counters[each.name] = Counter(*about, registry=self._registry)
            else:
                self._histograms[each.name] = Histogram(*about, buckets=each.buckets, registry=self._registry)

    def count(self, metric: Metric, by: float = 1.0, **labels: str) -> None:
        """Adds to a counter."""
        counter = self._counters[metric.name]
        (counter.labels(**labels) if labels else counter).inc(by)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Puts a value into a histogram."""
        histogram = self._histograms[metric.name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def measure(self, metric: Metric, value: Callable[[], float], **labels: str) -> None:
        """Asks ``value`` for a gauge at each scrape."""
        gauge = self._gauges[metric.name]
        (gauge.labels(**labels) if labels else gauge).set_function(value)

    def exposition(self) -> bytes:
        """Everything, in the text format of ``CONTENT_TYPE``."""
        return generate_latest(self._registry)
