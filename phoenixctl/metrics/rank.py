"""The rule by which a percentile is chosen among values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rank(count: NDArray[np.int64], percentile: int) -> NDArray[np.int64]:
    """Which of so many ordered values a percentile is: the round(count * p / 100)-th, halves away
    from zero, at least the first (the specification's rule).
    """
    if not 1 <= percentile <= 100:
        raise ValueError("a percentile is a whole number from 1 to 100")
    return np.maximum((2 * count * percentile + 100) // 200, 1)
