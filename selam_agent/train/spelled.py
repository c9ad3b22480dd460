"""The CTC head used after training: how well the sound spells each phrase of a list.

An experiment, not part of the shipped recogniser: the card says what it reached. A phrase that was
never trained on can be scored like any other, and the best spelling without any list (the free path)
is what its score is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_agent.train.letters import BLANK

_NEVER: Final = np.float32(-1e30)

UNSEEN: Final[dict[str, tuple[str, ...]]] = {
    "en": ("Check my balance.", "Transfer me to an operator.", "Send the invoice.", "Change my address."),
    "am": ("ሒሳቤን አሳየኝ።", "አድራሻ ቀይርልኝ።", "ደረሰኝ ላክልኝ።", "ከሠራተኛ ጋር አገናኘኝ።"),
    "so": ("Ciwaanka beddel.", "Xisaabtayda i tus.", "Shaqaale ii xir.", "Rasiidh ii dir."),
    "om": ("Herrega koo agarsiisi.", "Nagahee naaf ergi.", "Hojjetaa natti fidi.", "Iddoo naaf jijjiiri."),
    "ti": ("ሕሳበይ ኣርእየኒ።", "ኣድራሻይ ቀይር።", "ቅብሊት ስደደለይ።", "ምስ ሰራሕተኛ ኣራኽበኒ።"),
}
"""What no training run has heard, for the phrases that a flow adds later. Not by native speakers."""


def free_path(log_probs: NDArray[np.float32]) -> float:
    """The log-probability of the best path through ``log_probs`` [positions, classes]."""
    return float(log_probs.max(axis=1).sum())


def spelling_scores(
    log_probs: NDArray[np.float32], spellings: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """CTC's log-probability of each spelling, by the forward algorithm for all at once.

    Args:
        log_probs: [positions, classes], class 0 being the blank.
        spellings: letters counted from 1; none is empty.
    """
    count, longest = len(spellings), max(len(each) for each in spellings)
    states = np.full((count, 2 * longest + 1), BLANK)
    for row, letters in zip(states, spellings, strict=True):
        row[1 : 2 * len(letters) : 2] = letters
    # A letter may follow the one before it directly, unless it is the same.
    skips = np.zeros(states.shape, bool)
    skips[:, 2:] = (states[:, 2:] != BLANK) & (states[:, 2:] != states[:, :-2])
    alpha = np.full(states.shape, _NEVER, np.float32)
    alpha[:, :2] = log_probs[0][states[:, :2]]
    for position in log_probs[1:]:
        step = np.full(states.shape, _NEVER, np.float32)
        step[:, 1:] = alpha[:, :-1]
        leap = np.full(states.shape, _NEVER, np.float32)
        leap[:, 2:] = np.where(skips[:, 2:], alpha[:, :-2], _NEVER)
        alpha = np.logaddexp(np.logaddexp(alpha, step), leap) + position[states]
    ends = np.array([2 * len(each) for each in spellings])
    rows = np.arange(count)
    scores: NDArray[np.float32] = np.logaddexp(alpha[rows, ends], alpha[rows, ends - 1])
    return scores
