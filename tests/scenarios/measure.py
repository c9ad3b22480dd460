"""The figures of issue 3, "Done when", from generated variations: engines of fixed delay, virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from tests.scenarios.dsl import LANGUAGES, Cue, Expect, Pause, Scenario, Sound, Step, Words, lexicon
from tests.scenarios.outcome import Outcome
from tests.scenarios.sound import RATE, say

Play = Callable[[Scenario], Outcome]
VOICES = ("m7", "f4", "m2", "f2", "m5")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``met`` None: reported only."""

    name: str
    value: str
    wanted: str
    met: bool | None


def percentile(values: Iterable[float], share: float) -> float:
    """The value that this share of them does not exceed; nan if there are none."""
    ordered = sorted(values)
    # Times are sums of floats: 350.000000001 ms are 350.
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else float("nan")


# ---------------------------------------------------------------- variations


def over_reply(kind: str, number: int, *, playback: str = "buffered") -> list[Scenario]:
    """``kind``: backchannels, stops or coughs; over languages, words, voices, rates and places."""
    made: list[Scenario] = []
    for n in range(number):
        language = LANGUAGES[n % len(LANGUAGES)]
        words = lexicon()[language]
        voice = VOICES[n // 5 % len(VOICES)]
        rate = (150, 165, 180, 200)[n // 3 % 4]
        step: Step
        if kind == "coughs":
            step = Sound("cough", ms=150 + 37 * n % 400, dbfs=-24 + n % 10)
        else:
            step = Words(words[kind][n // 5 % len(words[kind])], voice=voice, rate=rate)
        made.append(
            Scenario(
                name=f"{kind} {n} {playback}",
                language=language,
                steps=(Words(words["tell"]), Cue("begin", 250 + 173 * n % 3000), step),
                reply="long",
                playback="immediate" if playback == "immediate" else "buffered",
                expect=Expect(turns=2, replies=2, interrupted=1)
                if kind == "stops"
                else Expect(turns=1, replies=1),
            )
        )
    return made


def endings(kind: str, *, speculation: bool = True) -> list[Scenario]:
    """Turns whose words end so: complete, unknown, incomplete."""
    key = {"complete": "ask", "unknown": "unknown", "incomplete": "unfinished"}[kind]
    return [
        Scenario(
            name=f"{kind} {voice} {speculation}",
            language=language,
            steps=(
                Words(text if isinstance(text := lexicon()[language][key], str) else text[0], voice=voice),
            ),
            settings={"speculation": speculation},
            expect=Expect(turns=1, replies=1),
        )
        for language in LANGUAGES
        for voice in VOICES[:2]
    ]


def pauses(key: str, ms: Sequence[int], voices: Sequence[str]) -> list[Scenario]:
    """Sentences with one pause in them."""
    return [
        Scenario(
            name=f"{key} {pause} {voice}",
            language=language,
            steps=(Words(first, voice=voice), Pause(pause), Words(second, voice=voice)),
            expect=Expect(turns=1, replies=1),
        )
        for language in LANGUAGES
        for first, second in (lexicon()[language][key],)
        for pause in ms
        for voice in voices
    ]


# ---------------------------------------------------------------- figures


def latency(play: Play) -> list[Figure]:
    """v2v with speculation against what patience and work allow, and against the sequential mode."""
    figures: list[Figure] = []
    waits = {"complete": 400, "unknown": 800, "incomplete": 1800}
    for kind, wait in waits.items():
        fast = [play(each) for each in endings(kind)]
        slow = [play(each) for each in endings(kind, speculation=False)]
        p50 = median(v for each in fast for v in each.v2v_voiced)
        acoustic = median(v for each in fast for v in each.v2v)
        sequential = median(v for each in slow for v in each.v2v_voiced)
        bound = max(wait, 200 + 550) + 30
        saved = 100 * (1 - p50 / sequential)
        figures += [
            Figure(f"v2v p50, {kind} endings, n={len(fast)}", f"{p50:.0f} ms", f"≤ {bound} ms", p50 <= bound),
            Figure("  from the acoustic end of the words", f"{acoustic:.0f} ms", "", None),
            Figure(
                f"  against the sequential mode ({sequential:.0f} ms)",
                f"{saved:.0f} % less",
                "≥ 35 %" if kind == "unknown" else "",
                saved >= 35 if kind == "unknown" else None,
            ),
        ]
    return figures


def patience(play: Play) -> list[Figure]:
    """Replies that began in a pause."""

    def cut(name: str, scenarios: list[Scenario], share: float | None) -> Figure:
        outcomes = [play(each) for each in scenarios]
        count = sum(each.cut_offs for each in outcomes)
        which = ", ".join(each.scenario.id for each in outcomes if each.cut_offs) if share is not None else ""
        met = None if share is None else count <= share * len(outcomes)
        wanted = "" if share is None else "0" if not share else f"< {share:.0%}"
        return Figure(name, f"{count} of {len(outcomes)}" + (f" ({which})" if which else ""), wanted, met)

    short = (300, 400, 500, 600, 700)
    return [
        cut("cut-offs, pauses of 300–700 ms after unknown words", pauses("unknown", short, VOICES[:2]), 0),
        cut("cut-offs, 300–700 ms after incomplete words", pauses("unfinished", short, VOICES[:2]), 0),
        cut("cut-offs, 1 s after incomplete words", pauses("unfinished", (1000,), VOICES), 0.05),
        cut("cut-offs, 500 ms after a complete sentence", pauses("finished", (500,), VOICES[:2]), None),
        cut("cut-offs, 1 s after a complete sentence", pauses("finished", (1000,), VOICES[:2]), None),
    ]


def interruption(play: Play, number: int = 50) -> tuple[list[Figure], list[Outcome]]:
    """Backchannels, coughs and stop words over a long reply."""
    back = [play(each) for each in over_reply("backchannels", number)]
    coughs = [play(each) for each in over_reply("coughs", number)]
    stops = [play(each) for each in over_reply("stops", number)]
    immediate = [play(each) for each in over_reply("stops", number // 2, playback="immediate")]
    stopped = [each for each in back if each.interrupted or each.replies != 1]
    silent = [each for each in coughs if each.interrupted or each.unfinished or each.replies != 1]
    missed = [each for each in stops + immediate if each.interrupted != 1]
    short = [each for each in back if _last_words_ms(each.scenario) <= 500]
    unheard = [each for each in short if each.gaps and max(each.gaps) < 80.5]
    gaps = [gap for each in back for gap in each.gaps]
    cough_gaps = [gap for each in coughs for gap in each.gaps]
    latency = [ms for each in stops for ms in each.stop]
    late = [ms for each in immediate for ms in each.stop]

    def names(outcomes: list[Outcome]) -> str:
        return "".join(f" {_what(each.scenario)}" for each in outcomes[:12])

    return [
        Figure(
            "backchannels that stop the agent",
            f"{len(stopped)} of {len(back)}{names(stopped)}",
            "0",
            not stopped,
        ),
        Figure(
            "backchannels ≤ 500 ms with a gap ≤ 80 ms",
            f"{len(unheard)} of {len(short)}",
            "",
            None,
        ),
        Figure("  gap p50, p95", f"{median(gaps):.0f}, {percentile(gaps, 0.95):.0f} ms", "", None),
        Figure(
            "coughs that leave silence", f"{len(silent)} of {len(coughs)}{names(silent)}", "0", not silent
        ),
        Figure(
            "  gap p50, p95", f"{median(cough_gaps):.0f}, {percentile(cough_gaps, 0.95):.0f} ms", "≤ 1000 ms",
            percentile(cough_gaps, 0.95) <= 1000,
        ),
        Figure(
            "stop words missed", f"{len(missed)} of {len(stops + immediate)}{names(missed)}", "0", not missed
        ),
        Figure(
            "stop latency p50, p95, buffering clients",
            f"{percentile(latency, 0.5):.0f}, {percentile(latency, 0.95):.0f} ms",
            "p95 ≤ 350 ms",
            percentile(latency, 0.95) <= 350,
        ),
        Figure(
            "stop latency p50, p95, immediate clients",
            f"{percentile(late, 0.5):.0f}, {percentile(late, 0.95):.0f} ms",
            "",
            None,
        ),
    ], back + coughs + stops + immediate  # fmt: skip


def with_recogniser(scenarios: list[Scenario], stt_ms: int) -> list[Scenario]:
    """The same with another delay of the recogniser."""
    return [replace(each, engines=replace(each.engines, stt=stt_ms)) for each in scenarios]


def fast_recogniser(play: Play, number: int = 50, stt_ms: int = 20) -> list[Figure]:
    """Gap and stop latency with a recogniser as fast as the embedded one."""
    many = with_recogniser(over_reply("backchannels", 5 * number // 2), stt_ms)
    brief = [each for each in many if _last_words_ms(each) <= 500][:number]
    back = [play(each) for each in many[:number] + [each for each in brief if each not in many[:number]]]
    stops = [play(each) for each in with_recogniser(over_reply("stops", number), stt_ms)]
    short = [each for each in back if each.scenario in brief]
    unheard = [each for each in short if each.gaps and max(each.gaps) < 80.5]
    stopped = [each for each in back if each.interrupted or each.replies != 1]
    missed = [each for each in stops if each.interrupted != 1]
    latency = [ms for each in stops for ms in each.stop]
    return [
        Figure(f"with a transcript in {stt_ms} ms: backchannels that stop the agent",
               f"{len(stopped)} of {len(back)}", "0", not stopped),
        Figure("  backchannels ≤ 500 ms with a gap ≤ 80 ms", f"{len(unheard)} of {len(short)}", "≥ 90 %",
               len(unheard) >= 0.9 * len(short)),
        Figure("  stop words missed", f"{len(missed)} of {len(stops)}", "0", not missed),
        Figure("  stop latency p50, p95, buffering clients",
               f"{percentile(latency, 0.5):.0f}, {percentile(latency, 0.95):.0f} ms", "p95 ≤ 350 ms",
               percentile(latency, 0.95) <= 350),
    ]  # fmt: skip


def _last_words_ms(scenario: Scenario) -> float:
    step = scenario.steps[-1]
    assert isinstance(step, Words)
    return len(say(step.text, scenario.language, step.voice, step.rate, step.dbfs).pcm) * 1000 / RATE


def _what(scenario: Scenario) -> str:
    step = scenario.steps[-1]
    return f"{scenario.language}:{step.text}" if isinstance(step, Words) else scenario.id
