"""The server's decisions in plain words, for the terminal and the page."""

from __future__ import annotations

_MEANINGS = {
    "speech_started": "the caller’s voice was found: speech begins",
    "speculate": "a pause that may be the end: prepare an answer, not yet spoken",
    "reopen": "the caller goes on: what was prepared is out of date",
    "commit silence": "the caller was silent for as long as these words ask for: the turn is over, answer it",
    "commit no_packets": "the caller’s client stopped sending: the turn is over, answer it",
    "commit max_utterance": "nobody is listened to for longer in one go: answer it",
    "commit stop_listening": "the client asked to stop listening: answer what was said",
    "commit text": "the client sent it as text: nothing to wait for, answer it",
    "pause": "somebody speaks over the agent: hold it until it is known why",
    "listen": "ask the recogniser what is being said over the agent",
    "resume not_meant": "a sign of listening or an echo, no interruption: the agent goes on where it was",
    "resume no_words": "a sound without words: the agent says the phrase again",
    "resume": "it was no interruption: the agent goes on",
    "interrupt words": "the words mean it: the agent stops",
    "interrupt duration": "the caller keeps speaking over the agent: it stops",
    "interrupt energy": "the caller’s voice lasted over the agent’s: it stops",
    "ignore too_short": "too short to be speech",
    "ignore below_interrupt_threshold": "what was heard over the agent asks for nothing: no turn",
    "ignore interrupted": "the client interrupted: not answered",
}
_SPECULATION = {
    "hit": "the answer had been prepared in the pause",
    "miss": "the answer prepared in the pause did not fit",
    "none": "the answer was made after the turn",
}


def decision_meaning(decision: str, reason: str) -> str:
    """What a decision with this reason means; what is not known is shown as it is."""
    return _MEANINGS.get(f"{decision} {reason}") or _MEANINGS.get(decision) or reason or decision


def speculation_meaning(speculation: str, wasted_ms: float) -> str:
    """Whether the answer was ready before the turn was over, and what was done in vain."""
    said = _SPECULATION.get(speculation, speculation)
    return f"{said}, {wasted_ms:.0f} ms of work in vain" if said and wasted_ms >= 1 else said


def silence_meaning(gap_ms: float) -> str:
    """How an agent went on that was silent for this long."""
    return f"goes on after {gap_ms / 1000:.2f} s of silence" if gap_ms else "goes on without a gap"
