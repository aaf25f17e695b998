"""The specification's weight of a node: the mean of four factors. Kept as it was written, by name.

It is not what weights are made of by default: response times of 1 ms give a factor of 1000, so that
every weight is at its upper bound until a node is slow and then at once at its lower one; with the
weights applied as they are, nodes swing between both (see `simulate`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.model.balancing import LEAST_WEIGHT, MOST_WEIGHT

Floats = NDArray[np.float64]

_NO_RESPONSE_MILLISECONDS: Final = 999_999.0  # of a node of which it is not known


def performance_score(
    availability: Floats, response_seconds: Floats, error_ratio: Floats, throughput: Floats
) -> Floats:
    """(availability + 1000 / max(ms, 1) + 1 - errors + min(throughput / 1000, 1)) / 4, of shape
    (nodes,). Unknown values count as the worst, as specified."""
    milliseconds = np.nan_to_num(1000 * response_seconds, nan=_NO_RESPONSE_MILLISECONDS)
    return (
        np.nan_to_num(availability, nan=0.0)
        + 1000 / np.maximum(milliseconds, 1.0)
        + (1.0 - np.nan_to_num(error_ratio, nan=1.0))
        + np.minimum(np.nan_to_num(throughput, nan=0.0) / 1000, 1.0)
    ) / 4


def performance_to_weight(score: Floats) -> Floats:
    """2 x score, from 0.1 to 2."""
    return np.clip(2 * score, LEAST_WEIGHT, MOST_WEIGHT)
