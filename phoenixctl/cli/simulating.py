"""What `balance simulate` plays: members from the command line or the fleet, load or a trace."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from phoenixctl.balancing.simulate.run import Outcome, simulate
from phoenixctl.balancing.simulate.setting import Floats, Machine, Setting, Way, under
from phoenixctl.cli.progress import Progress
from phoenixctl.model.balancing import BalancingSettings, Formula
from phoenixctl.model.errors import UsageError

if TYPE_CHECKING:
    from phoenixctl.cli.run import Run

_SPEED: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:x([1-9][0-9]{0,5}))?", re.ASCII)
_MOST_MEMBERS: Final = 200
_MOST_REQUESTS: Final = 2_000_000
_ROUND_SECONDS: Final = 5.0  # shorter than real ones, so that a minute has some


@dataclass(frozen=True)
class Question:
    """What is to be played; times in seconds, `load` a share of what all members can do."""

    speeds: Sequence[float]
    workers: int
    load: float
    trace: Path | None
    service_seconds: float
    timeout_seconds: float
    seconds: int
    seed: int

    def setting(self) -> Setting:
        machines = tuple(
            Machine(f"m{number}", speed, self.workers) for number, speed in enumerate(self.speeds)
        )
        made = Setting(
            machines,
            service_seconds=self.service_seconds,
            timeout_seconds=self.timeout_seconds,
            round_seconds=_ROUND_SECONDS,
            warm_seconds=self.seconds / 2,
        )
        made = under(made, self.load, self.seconds)
        if self.trace is not None:
            shape = _shape(self.trace, self.seconds)
            made = replace(made, rates=made.rates * shape)
        if made.rates.sum() > _MOST_REQUESTS:
            raise UsageError(
                f"that is {made.rates.sum():.0f} requests, more than {_MOST_REQUESTS}",
                hint="give fewer --seconds, or a longer --service",
            )
        return made

    def document(self) -> Mapping[str, Any]:
        return {
            "speeds": list(self.speeds),
            "workers": self.workers,
            "load": self.load,
            "trace": None if self.trace is None else str(self.trace),
            "service_seconds": self.service_seconds,
            "timeout_seconds": self.timeout_seconds,
            "seconds": self.seconds,
            "seed": self.seed,
        }


def played(question: Question, ways: Sequence[Way]) -> list[Outcome]:
    """Every way with the same requests."""
    setting = question.setting()
    found = []
    with Progress("playing", len(ways)) as shown:
        for way in ways:
            formula = way.formula or Formula.CAPACITY
            settings = replace(BalancingSettings(), formula=formula)
            found.append(simulate(setting, way, settings, seed=question.seed))
            shown.step(failed=False)
    return found


def speeds_of(run: Run, text: str | None) -> list[float]:
    """From `1.0x4,0.5x2`, else from the capacities of the last round, else four alike."""
    if text is None:
        return _of_fleet(run) or [1.0] * 4
    speeds: list[float] = []
    for part in text.split(","):
        found = _SPEED.fullmatch(part.strip())
        if found is None:
            raise UsageError(
                f"--speeds {text}: {part!r} is not a speed", hint="write it like 1.0x4,0.5x2"
            )
        speed, count = float(found[1]), int(found[2] or 1)
        if not 0.01 <= speed <= 100:
            raise UsageError(f"--speeds {text}: a speed is from 0.01 to 100")
        if len(speeds) + count > _MOST_MEMBERS:
            raise UsageError(f"--speeds {text}: at most {_MOST_MEMBERS} members can be played")
        speeds += [speed] * count
    return speeds


def _of_fleet(run: Run) -> list[float]:
    """The members of the largest backend by what they could take; empty where nothing is kept."""
    from phoenixctl.balancing.kept import round_from
    from phoenixctl.model.errors import ConfigError
    from phoenixctl.store.balance import BalanceFile

    try:
        memory = BalanceFile(run.parts.state).read()
    except ConfigError:
        return []
    rounds = [found for kept in memory.backends.values() if (found := round_from(kept.round))]
    capacities = max((one.capacity for one in rounds), key=len, default=np.zeros(0))
    known = capacities[~np.isnan(capacities)][:_MOST_MEMBERS]
    return [round(float(value), 3) for value in known / known.mean()] if known.size else []


def ratio_of(option: str, text: str) -> float:
    """`70%` or `0.7`, more than 0 and at most 1.5."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1.5:
        raise UsageError(f"{option} {text} is not a share", hint=f"write it like {option} 70%")
    return value


def _shape(path: Path, seconds: int) -> Floats:
    """A trace squeezed into so many seconds, its peak being 1."""
    values = []
    try:
        with path.open(newline="") as file:
            for row in csv.reader(file):
                if row and row[0] != "timestamp":
                    values.append(float(row[1]))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (IndexError, ValueError):
        raise UsageError(
            f"{path}: line {len(values) + 2} is not timestamp,value",
            hint="each line is like 2026-01-01 00:00:00,12.5",
        ) from None
    found = np.array(values)
    if found.size < 2 or not np.all(np.isfinite(found)) or found.min() < 0 or found.max() <= 0:
        raise UsageError(f"{path} has no load: two or more values of 0 or more are needed")
    places = np.linspace(0, found.size - 1, seconds)
    shape: Floats = np.interp(places, np.arange(found.size), found) / found.max()
    return shape
