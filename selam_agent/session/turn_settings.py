"""The turn-taker's settings: the server's table of timings, bent by a client's wishes."""

from __future__ import annotations

from selam_agent.dialogue import decisions
from selam_agent.session.config import SessionConfig
from selam_agent.settings import Turns


def turn_settings(timings: Turns, config: SessionConfig) -> decisions.TurnSettings:
    """What the turn-taker obeys in a session with these wishes.

    An interruption delay asks for that much more speech wherever speech may act on the agent: before
    sending is held (and so before the words are asked for), by energy, and by duration.
    """
    delay_ms = config.interruption_delay_ms
    delay_frames = -(-delay_ms // decisions.FRAME_MS)
    return decisions.TurnSettings(
        speculate_ms=timings.speculate_ms if timings.speculation else None,
        complete_ms=timings.complete_ms,
        unknown_ms=timings.unknown_ms,
        incomplete_ms=timings.incomplete_ms,
        min_silence_ms=config.min_silence_ms if config.min_silence_ms is not None else timings.silence_ms,
        max_silence_ms=config.max_silence_ms if config.max_silence_ms is not None else timings.silence_ms,
        silence_limit_ms=timings.silence_limit_ms,
        max_guesses=timings.max_guesses,
        max_guessed_speech_ms=timings.max_guessed_speech_ms,
        gap_ms=timings.gap_ms,
        pre_roll_ms=timings.pre_roll_ms,
        min_speech_ms=timings.min_speech_ms,
        no_packets_ms=timings.no_packets_ms,
        no_packets_ptt_ms=timings.no_packets_ptt_ms,
        max_utterance_ms=timings.max_utterance_ms,
        interruption=config.interruption or timings.interruption,
        hold_ms=max(timings.hold_ms, delay_ms),
        listen_ms=timings.listen_ms,
        interrupt_speech_ms=max(timings.interrupt_speech_ms, delay_ms),
        sound_over_ms=timings.sound_over_ms,
        interrupt_frames=max(decisions.interrupt_frames(config.interrupt_threshold), delay_frames),
    )
