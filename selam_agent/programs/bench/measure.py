"""Figures from samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# np.percentile would load it when it is first called: 4 MB in the middle of a measurement.
import numpy.ma


def percentiles(samples: Sequence[float]) -> dict[str, float] | None:
    """Median, 95th and 99th percentile, the largest and the number of samples; None without any."""
    if not samples:
        return None
    p50, p95, p99 = (round(float(each), 2) for each in np.percentile(samples, (50, 95, 99)))
    return {"p50": p50, "p95": p95, "p99": p99, "max": round(max(samples), 2), "n": len(samples)}


def part(of: dict[str, float] | None, name: str) -> float | None:
    """One of the figures, if there were samples."""
    return None if of is None else of[name]
