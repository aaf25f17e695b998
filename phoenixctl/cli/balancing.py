"""Rounds of balancing: look, reckon, remember, set."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phoenixctl.cli.approve import carry_out, change, finish_cut_off, manner_for
from phoenixctl.cli.routing import asked, errors_of, name_errors
from phoenixctl.model.balancing import BalanceMemory, BalancingSettings, Formula, StrategyName
from phoenixctl.model.errors import ExitCode, Locked, PhoenixError, Refused
from phoenixctl.planning.weighing import Weighing, weighings
from phoenixctl.planning.weight_rounds import growth, labelled, remembered, round_batches
from phoenixctl.planning.weight_steps import plan_weights
from phoenixctl.store.balance import BalanceFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.model.plan import Plan
    from phoenixctl.model.routing import RouterStatus

_SEED = 1  # of the simulation by which a formula is judged
_ROUNDS_OF_A_TREND = 20
_USED = 0.7  # of the members, where it is not known


@dataclass(frozen=True, eq=False)
class Looked:
    """What a look at all routers came to: a round for each backend that answered."""

    settings: BalancingSettings
    statuses: Sequence[RouterStatus]
    found: tuple[Weighing, ...]
    memory: BalanceMemory
    at_seconds: float

    @property
    def plan(self) -> Plan:
        return plan_weights(self.found, strategy=self.settings.strategy.value)


def settings_of(parts: Parts, memory: BalanceMemory) -> BalancingSettings:
    """As configured, with the strategy that was set by command."""
    settings = parts.configured.balancing or BalancingSettings()
    return settings if memory.strategy is None else replace(settings, strategy=memory.strategy)


async def looked(parts: Parts, *, take_back: bool = False) -> Looked:
    """Ask routers and nodes. Refused when the formula would let weights swing."""
    memory = BalanceFile(parts.state).read()
    settings = settings_of(parts, memory)
    statuses, snapshot = await asked(parts, rates=True)
    now = parts.clock.epoch()
    found = weighings(
        statuses,
        snapshot,
        memory,
        settings,
        now=now,
        take_back=take_back,
        growth=lambda of: _growth(parts, settings, of, now),
    )
    if settings.formula is Formula.SIMPLE:
        _refuse_swinging(settings, found)
    return Looked(settings, statuses, found, memory, now)


def _growth(parts: Parts, settings: BalancingSettings, of: str, now: float) -> float:
    """The load of the next round beside the present one, which only one strategy asks for."""
    if settings.strategy is not StrategyName.PREDICTIVE:
        return 1.0
    start = now - _ROUNDS_OF_A_TREND * settings.interval_seconds
    requests = parts.metrics.read(labelled("balance_requests", of), start=start, until=now)
    return growth(requests, ahead_seconds=settings.interval_seconds)


def _refuse_swinging(settings: BalancingSettings, found: Sequence[Weighing]) -> None:
    from phoenixctl.balancing.simulate.settling import settling

    for weighing in found:
        capacities = [m.capacity for m in weighing.members if m.capacity is not None]
        used = [m.utilization for m in weighing.members if m.utilization is not None]
        if not weighing.members:
            continue
        mean = sum(capacities) / len(capacities) if capacities else 1.0
        speeds = [c / mean for c in capacities] or [1.0] * len(weighing.members)
        # At today's load, and when it is high: that is when weights matter.
        for load in (sum(used) / len(used) if used else _USED, 0.9):
            verdict = settling(
                settings.formula, speeds, min(max(load, 0.1), 0.9), settings, seed=_SEED
            )
            if not verdict.settles:
                raise Refused(
                    f"formula simple is not applied to {weighing.of}: simulated at a load of"
                    f" {load:.0%}, {verdict.words}",
                    hint="set balancing.formula to capacity; see: phoenixctl balance simulate",
                )


def keep(parts: Parts, look: Looked) -> None:
    """Remember the round, before it is carried out, and its values over time."""
    BalanceFile(parts.state).change(
        lambda memory: remembered(look.found, memory, at_seconds=look.at_seconds)
    )
    for batch in round_batches(look.found, at_seconds=look.at_seconds):
        parts.metrics.write(batch)


def applied(
    run: Run, *, take_back: bool, yes: bool, dry_run: bool, lock_wait: str | None
) -> ExitCode:
    """One round, read before it is carried out."""
    seen: list[Looked] = []

    async def make(parts: Parts) -> Plan:
        look = await looked(parts, take_back=take_back)
        seen.append(look)
        if not dry_run:
            keep(parts, look)
        return look.plan

    code = change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait)
    name_errors(run, seen[0].statuses)
    return _gravest(code, seen[0])


async def one_round(run: Run, parts: Parts) -> ExitCode:
    """One round by itself; a run that holds the lock is let alone."""
    try:
        await finish_cut_off(run, parts, dry_run=False, wait=0.0)
        look = await _with_members(run, parts, await looked(parts))
        keep(parts, look)
        name_errors(run, look.statuses)
        for drift in look.plan.drift:
            run.note(f"{drift.address.removeprefix('router.')}: {drift.what}")
        if not look.plan.steps:
            return _gravest(ExitCode.OK, look)
        report = await carry_out(run, parts, look.plan, manner_for(parts, None, 0.0))
    except Locked as error:
        run.note(f"this round is left out: {error}")
        return ExitCode.OK
    return _gravest(report.exit_code, look)


async def _with_members(run: Run, parts: Parts, look: Looked) -> Looked:
    """A router that was started anew gets its members back before their weights."""
    from phoenixctl.planning.routing import plan_routes

    if not any(weighing.restarted for weighing in look.found):
        return look
    routes = plan_routes(look.statuses)
    if not routes.steps:
        return look
    await carry_out(run, parts, routes, manner_for(parts, None, 0.0))
    return await looked(parts)


async def rounds(run: Run, parts: Parts, interval: float) -> ExitCode:
    """Round after round until it is interrupted; an error is told, and the next round tries."""
    while True:
        begun = parts.clock.monotonic()
        try:
            await one_round(run, parts)
        except PhoenixError as error:
            run.note(f"{error.kind}: {error}")
        await asyncio.sleep(max(0.0, interval - (parts.clock.monotonic() - begun)))


def _gravest(code: ExitCode, look: Looked) -> ExitCode:
    from phoenixctl.model.outcome import gravest

    return gravest([code, *(error.exit_code for _, error in errors_of(look.statuses))])
