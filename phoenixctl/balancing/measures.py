"""What strategies by measured values think of all members at once: arrays of shape (members,).

The same formulas as of single peers, in `curve` and `strategies/resource_aware`; NaN is unknown.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.balancing.curve import KEPT, LEAST_SPREAD, SLOWEST_SECONDS

Floats = NDArray[np.float64]

QUICKEST_SECONDS: Final = 1e-6  # an answer that took less was not measured
_FACTORS: Final = np.array([0.3, 0.3, 0.2, 0.2])  # of cpu, memory, network, response


def to_spare(cpu: Floats, memory: Floats, network: Floats, response_seconds: Floats) -> Floats:
    """1 less the resource score, at least 0.01; what is unknown leaves the rest to count more."""
    parts = np.minimum(np.stack([cpu, memory, network, response_seconds]), 1.0)
    known = ~np.isnan(parts)
    factors = known * _FACTORS[:, None]
    whole = factors.sum(axis=0)
    score = (factors * np.where(known, parts, 0.0)).sum(axis=0) / np.where(whole > 0, whole, np.nan)
    spare: Floats = np.maximum(1 - score, 0.01)
    return spare


def learned(curves: Floats, load: Floats, seconds: Floats) -> Floats:
    """Each member's curve with one more measurement: sums as in `Curve`, shape (members, 5)."""
    usable = (load > 0) & (seconds >= QUICKEST_SECONDS)
    inverse = 1 / np.where(usable, seconds, 1.0)
    x = np.where(usable, load, 0.0)
    new = np.stack([np.ones_like(x), x, inverse, x * x, x * inverse], axis=1)
    return np.where(usable[:, None], KEPT * curves + new, curves)


def predicted(curves: Floats, load: Floats) -> Floats:
    """Seconds that an answer takes at this load; NaN where nothing was learned or no load known."""
    weight = np.where(curves[:, 0] > 0, curves[:, 0], np.nan)
    mean_x, mean_y, mean_xx, mean_xy = (curves[:, 1:] / weight[:, None]).T
    spread = mean_xx - mean_x * mean_x
    varied = spread > LEAST_SPREAD * mean_x * mean_x
    slope = (mean_xy - mean_x * mean_y) / np.where(varied, spread, np.inf)
    inverse = mean_y + np.minimum(slope, 0.0) * (load - mean_x)
    seconds: Floats = 1 / np.maximum(inverse, 1 / SLOWEST_SECONDS)
    return seconds
