"""Reading what is kept of metrics: which are meant, of whom, and in which resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.select import NodesOption, PoolOption, choose_nodes, no_such
from phoenixctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenixctl.cli.compose import Parts
    from phoenixctl.metrics.grouping import By
    from phoenixctl.metrics.series import History
    from phoenixctl.metrics.windows import Window
    from phoenixctl.model.fleet import Fleet
    from phoenixctl.ports.metrics import MetricStore
    from phoenixctl.render.metrics import Listed, Shown, Stats

# Histograms of a week of minutes of 1,000 nodes would take a gigabyte; an hour's say the same.
_MOST_BUCKETS = 1500

MetricArgument = Annotated[
    str,
    typer.Argument(
        metavar="METRIC", help="A name, one with labels, or a pattern such as 'memory_*'."
    ),
]


@dataclass(frozen=True, slots=True)
class Whose:
    """Options that choose the subjects; none given: all."""

    nodes: NodesOption = None
    pool: PoolOption = None
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", "-a", metavar="AGENT", help="Only of these agents: ingest-*."),
    ] = None

    def chooser(self, fleet: Fleet) -> Callable[[str], bool]:
        """Whether a subject is meant. UsageError for nodes and pools that there are not."""
        from phoenixctl.metrics.subjects import agent_of, node_of

        nodes = None
        if self.nodes or self.pool:
            nodes = frozenset(choose_nodes(fleet, self.nodes, self.pool))
        patterns = self.agent or []

        def meant(subject: str) -> bool:
            if nodes is not None and node_of(subject) not in nodes:
                return False
            agent = agent_of(subject) or ""
            return not patterns or any(fnmatchcase(agent, pattern) for pattern in patterns)

        return meant


def kept(store: MetricStore) -> tuple[Listed, ...]:
    """The metrics that are kept in some resolution, in the order of names."""
    from phoenixctl.metrics.kinds import Kind
    from phoenixctl.metrics.series import Tier
    from phoenixctl.render.metrics import Listed

    found: dict[str, set[str]] = {}
    for tier in Tier:
        for metric, subjects in store.series(tier).items():
            found.setdefault(metric, set()).update(subjects)
    kinds = store.kinds()
    return tuple(
        Listed(metric, kinds.get(metric, Kind.GAUGE), tuple(sorted(found[metric])))
        for metric in sorted(found)
    )


def asked(
    parts: Parts, text: str, whose: Whose, window: Window, *, now: float
) -> tuple[Shown, ...]:
    """What was asked for; UsageError where there is no such metric, or none of such subjects."""
    from phoenixctl.metrics.series import covering
    from phoenixctl.render.metrics import Shown

    meant = whose.chooser(parts.fleet)
    tier = covering(window.start, window.until, now=now)
    found = [
        Shown(one.metric, one.kind, tier, part, window)
        for one in matching(parts.metrics, text)
        if (
            part := chosen(
                parts.metrics.read(one.metric, start=window.start, until=window.until, tier=tier),
                meant,
            )
        ).subjects
    ]
    if not found:
        raise UsageError(f"nothing of {text} is kept in this window", hint="phoenixctl metrics ls")
    return tuple(found)


def summed_up(parts: Parts, one: Shown, by: By, top: int | None) -> Stats:
    """By groups: exactly where all values are still kept, else from roll-ups."""
    from phoenixctl.metrics.gathered import UP
    from phoenixctl.metrics.grouping import grouped
    from phoenixctl.metrics.histogram import ERROR
    from phoenixctl.metrics.kinds import Kind
    from phoenixctl.metrics.series import Tier, covering
    from phoenixctl.metrics.summary import largest, rolled_summaries, summaries
    from phoenixctl.render.metrics import Stats

    pools = {str(node.name): node.pool for node in parts.fleet.nodes.values()}
    window, counter, up = one.window, one.kind is Kind.COUNTER, one.metric == UP
    exact = one.tier is Tier.SECOND and not one.kind.observed
    if exact:
        groups = grouped(one.history.subjects, by, pools)
        until = window.until if up else None
        found = summaries(one.history, groups, counter=counter, good_until=until)
    else:
        tier = one.tier
        if tier is not Tier.SECOND:
            now = parts.clock.epoch()
            tier = covering(window.start, window.until, now=now, most=_MOST_BUCKETS)
        rolled = parts.metrics.digests(
            one.metric, start=window.start, until=window.until, tier=tier
        )
        wanted = frozenset(one.history.subjects)
        everyone = grouped(rolled.subjects, by, pools)
        groups = {
            name: own
            for name, positions in everyone.items()
            if (own := tuple(p for p in positions if rolled.subjects[p] in wanted))
        }
        found = rolled_summaries(rolled, groups, seconds=window.seconds, counter=counter, good=up)
    shown = found if top is None else largest(found, top)
    return Stats(one.metric, one.kind, window, 0.0 if exact else ERROR, by, shown)


def matching(store: MetricStore, text: str) -> tuple[Listed, ...]:
    """Metrics with this name and any labels, or that fit the pattern. UsageError for none."""
    from phoenixctl.metrics.kinds import canonical

    known = kept(store)
    if not known:
        raise UsageError("no metrics are kept yet", hint="phoenixctl metrics collect")
    if "{" in text:
        try:
            text = canonical(text)
        except ValueError as error:
            raise UsageError(str(error)) from None
        found = [one for one in known if one.metric == text]
    else:
        found = [one for one in known if fnmatchcase(_bare(one), text)]
    if not found:
        raise no_such("metric", text, {_bare(one) for one in known}, "phoenixctl metrics ls")
    return tuple(found)


def _bare(one: Listed) -> str:
    return one.metric.partition("{")[0]


def read(store: MetricStore, metric: str, window: Window, *, now: float) -> History:
    """A metric over a window, as finely as all of it is still kept."""
    from phoenixctl.metrics.series import covering

    tier = covering(window.start, window.until, now=now)
    return store.read(metric, start=window.start, until=window.until, tier=tier)


def chosen(history: History, meant: Callable[[str], bool]) -> History:
    """The part of it that is of these subjects, in the order of their names."""
    from phoenixctl.metrics.series import History

    order = sorted(range(len(history.subjects)), key=lambda n: history.subjects[n])
    kept: Sequence[int] = [n for n in order if meant(history.subjects[n])]
    names = tuple(history.subjects[n] for n in kept)
    return History(history.times, names, history.values[:, kept])
