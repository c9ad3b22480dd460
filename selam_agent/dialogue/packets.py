"""When packets came, and how long to wait for more of them while somebody is speaking."""

from __future__ import annotations

from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.decisions import Known, TurnSettings


class Packets:
    """Of one client. Times are arrival time in ms."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.last: float | None = None
        # Learned: the client has stopped in mid-speech before, and nothing came late.
        self._stops_in_speech = False

    @property
    def push_to_talk(self) -> bool:
        """Whether the client sends audio only while its caller speaks, as far as is known."""
        return self._known.recorder or self._stops_in_speech

    def patience_ms(self, settings: TurnSettings, ending: Ending | None) -> int:
        """Without packets for so long, speech is over; ``ending``: how its words sound so far, if any."""
        if self.push_to_talk:
            return settings.no_packets_ptt_ms
        if ending is Ending.INCOMPLETE:
            # In mid-sentence it is rather the network that stalls.
            return max(settings.no_packets_ms, settings.silence_limit_ms)
        return settings.no_packets_ms

    def stopped_in_speech(self) -> None:
        """Nothing came any more, and somebody was speaking."""
        self._stops_in_speech = True

    def came_late(self) -> None:
        """It did come: the network had stalled."""
        self._stops_in_speech = False

    def frozen(self, for_ms: float) -> None:
        """The session was paused for this long; the packet clock stood still."""
        if self.last is not None:
            self.last += for_ms
