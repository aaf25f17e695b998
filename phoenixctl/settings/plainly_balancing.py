"""How requests are spread, in the words of the configuration."""

from __future__ import annotations

from typing import Any

from phoenixctl.model.balancing import BalancingSettings
from phoenixctl.settings.plainly import duration


def balancing_as_written(balancing: BalancingSettings) -> dict[str, Any]:
    return {
        "strategy": balancing.strategy.value,
        "formula": balancing.formula.value,
        "interval": duration(balancing.interval_seconds),
        "least": balancing.least,
        "most": balancing.most,
        "step": balancing.step,
        "most_change": balancing.most_change,
        "dead_band": balancing.dead_band,
        "half_life_rounds": balancing.half_life_rounds,
        "blackout": duration(balancing.blackout_seconds),
        "expiry": duration(balancing.expiry_seconds),
        "error_penalty": balancing.error_penalty,
        "rise": balancing.rise,
        "fall": balancing.fall,
        "most_ejected": balancing.most_ejected,
        "panic_below": balancing.panic_below,
        "slow_start": duration(balancing.slow_start_seconds),
    }
