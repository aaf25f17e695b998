"""The section about balancing: how requests are spread over an agent's replicas.

As in `sections`, the annotations are not strings.
"""

from typing import Annotated, Any

from phoenixctl.model import balancing
from phoenixctl.settings.kinds import choice
from phoenixctl.settings.sections import Section, key
from phoenixctl.settings.values import Amount, AtLeastOne, Duration, DurationOrNought, Ratio

StrategyWord = Annotated[
    balancing.StrategyName,
    choice(*(name.value for name in balancing.StrategyName), make=balancing.StrategyName),
]
FormulaWord = Annotated[
    balancing.Formula, choice(*(one.value for one in balancing.Formula), make=balancing.Formula)
]


def _key(description: str, field: str) -> Any:
    return key(description, like=(balancing.BalancingSettings, field))


class BalancingSection(Section):
    strategy: StrategyWord = _key(
        "What weights are made of, and how `balance pick` picks.", "strategy"
    )
    formula: FormulaWord = _key(
        "How: capacity, or simple, the mean of four factors, which is refused where it swings.",
        "formula",
    )
    interval: Duration = _key("Pause between two rounds of `balance auto`.", "interval_seconds")
    least: Ratio = _key("The least weight of a member, 1 being that of most.", "least")
    most: Amount = _key("The largest weight of a member.", "most")
    step: Ratio = _key("The part of what a weight lacks that a round gives it.", "step")
    most_change: Amount = _key(
        "The largest factor by which a round changes a weight.", "most_change"
    )
    dead_band: Ratio = _key("What lacks less than this share stays as it is.", "dead_band")
    half_life_rounds: Amount = _key(
        "After so many rounds of a surprise, what was known before counts half.", "half_life_rounds"
    )
    blackout: DurationOrNought = _key("A new member is not judged for so long.", "blackout_seconds")
    expiry: Duration = _key("An estimate without a new one ends after this.", "expiry_seconds")
    error_penalty: Amount = _key("How much errors count as use.", "error_penalty")
    rise: AtLeastOne = _key("Good looks in a row that make a member healthy.", "rise")
    fall: AtLeastOne = _key("Bad looks in a row that make it unhealthy.", "fall")
    most_ejected: Ratio = _key("At most this share of the members is ejected.", "most_ejected")
    panic_below: Ratio = _key(
        "With a smaller share of healthy members than this, all get requests.", "panic_below"
    )
    slow_start: DurationOrNought = _key(
        "Time in which `balance pick` gives a new member its full share.", "slow_start_seconds"
    )
