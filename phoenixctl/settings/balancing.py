"""The `balancing` section as BalancingSettings, and what must be true of it."""

from __future__ import annotations

from phoenixctl.model.balancing import BalancingSettings
from phoenixctl.settings.balancing_sections import BalancingSection
from phoenixctl.settings.nodes import Report


def read_balancing(section: BalancingSection, report: Report) -> BalancingSettings:
    """What is wrong goes to `report`."""
    for name, value, least in (
        ("least", section.least, 0.01),
        ("most", section.most, 1.0),
        ("step", section.step, 0.01),
        ("most_change", section.most_change, 1.01),
        ("half_life_rounds", section.half_life_rounds, 0.1),
    ):
        if value < least:
            report(("balancing", name), f"expected {least} or more")
    return BalancingSettings(
        strategy=section.strategy,
        formula=section.formula,
        interval_seconds=section.interval,
        least=section.least,
        most=section.most,
        step=section.step,
        most_change=section.most_change,
        dead_band=section.dead_band,
        half_life_rounds=section.half_life_rounds,
        blackout_seconds=section.blackout,
        expiry_seconds=section.expiry,
        error_penalty=section.error_penalty,
        rise=section.rise,
        fall=section.fall,
        most_ejected=section.most_ejected,
        panic_below=section.panic_below,
        slow_start_seconds=section.slow_start,
    )
