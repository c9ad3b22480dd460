"""WebRTC's echo canceller AEC3 (the extra ``aec``): takes more off than the numpy filter, of callers as well.

It looks for the delay itself, up to 500 ms only; so it is given what was sent later by the delay that was
found already, less 40 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from selam_agent.audio.frames import SAMPLE_RATE
from selam_agent.audio.pcm import Pcm16
from selam_agent.errors import SettingsError

_LEFT_MS: Final = 40
# How much earlier than it is heard what was sent is to be given to it, in samples.
AHEAD: Final = SAMPLE_RATE * _LEFT_MS // 1000
_BLOCK: Final = SAMPLE_RATE // 100


class Aec3:
    """Of one call. ``rtc``: the module ``livekit.rtc``. About 350 µs per frame."""

    def __init__(self, rtc: Any) -> None:
        self._frame = rtc.AudioFrame
        # Its noise suppression and gain would change what the recogniser hears of the caller.
        self._apm = rtc.AudioProcessingModule(
            echo_cancellation=True,
            noise_suppression=False,
            high_pass_filter=True,
            auto_gain_control=False,
        )

    def cancel(self, microphone: Pcm16, sent: Pcm16) -> Pcm16:
        """int16 [320] without the echo; ``sent``: what will be heard 40 ms after this frame."""
        cleaned = np.empty_like(microphone)
        for first in range(0, len(microphone), _BLOCK):
            block = slice(first, first + _BLOCK)
            self._apm.process_reverse_stream(self._of(sent[block]))
            near = self._of(microphone[block])
            self._apm.set_stream_delay_ms(_LEFT_MS)
            self._apm.process_stream(near)
            cleaned[block] = np.frombuffer(bytes(near.data), np.int16)
        return cleaned

    def _of(self, pcm: Pcm16) -> Any:
        return self._frame(bytearray(pcm.tobytes()), SAMPLE_RATE, 1, len(pcm))


MakeAec3: TypeAlias = Callable[[], Aec3]


def load() -> MakeAec3:
    """What makes one per call. Takes a third of a second once. Raises SettingsError without the extra."""
    try:
        from livekit import rtc
    except ImportError as error:
        raise SettingsError(
            "audio.echo_canceller is 'aec3', but its extra is missing: pip install 'selam-agent[aec]'"
        ) from error
    return lambda: Aec3(rtc)
