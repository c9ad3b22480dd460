"""What the echo guard makes of the microphone, and what it knows of the echo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.pcm import Pcm16

State = Literal["listening", "none", "guarding"]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """``frames``: int16 [n, 320] without the echo.

    ``suspect``: bool [n], agent heard and no caller; None where there is no echo.
    """

    frames: Pcm16
    suspect: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class EchoStatus:
    """``delay_ms`` and ``erle_db`` (how much the filter takes off) are None unless guarding."""

    state: State
    delay_ms: float | None
    erle_db: float | None
