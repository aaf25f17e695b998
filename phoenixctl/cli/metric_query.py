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
    from phoenixctl.render.metrics import Shown, Stats

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


def kept(store: MetricStore) -> dict[str, tuple[str, ...]]:
    """The subjects of each metric that is kept in some resolution."""
    from phoenixctl.metrics.series import Tier

    found: dict[str, set[str]] = {}
    for tier in Tier:
        for metric, subjects in store.series(tier).items():
            found.setdefault(metric, set()).update(subjects)
    return {metric: tuple(sorted(found[metric])) for metric in sorted(found)}


def asked(
    parts: Parts, text: str, whose: Whose, window: Window, *, now: float
) -> tuple[Shown, ...]:
    """What was asked for; UsageError where there is no such metric, or none of such subjects."""
    from phoenixctl.render.metrics import Shown

    meant = whose.chooser(parts.fleet)
    metrics = matching(parts.metrics, text)
    read_all = (read(parts.metrics, metric, window, now=now) for metric in metrics)
    found = [
        Shown(metric, part, window)
        for metric, history in zip(metrics, read_all, strict=True)
        if (part := chosen(history, meant)).subjects
    ]
    if not found:
        raise UsageError(f"nothing of {text} is kept in this window", hint="phoenixctl metrics ls")
    return tuple(found)


def summed_up(fleet: Fleet, one: Shown, by: By, top: int | None) -> Stats:
    from phoenixctl.metrics.gathered import UP
    from phoenixctl.metrics.grouping import grouped
    from phoenixctl.metrics.kinds import Kind
    from phoenixctl.metrics.summary import largest, summaries
    from phoenixctl.render.metric_values import kind_of
    from phoenixctl.render.metrics import Stats

    pools = {str(node.name): node.pool for node in fleet.nodes.values()}
    groups = grouped(one.history.subjects, by, pools)
    found = summaries(
        one.history,
        groups,
        counter=kind_of(one.metric) is Kind.COUNTER,
        good_until=one.window.until if one.metric == UP else None,
    )
    return Stats(one.metric, one.window, by, found if top is None else largest(found, top))


def matching(store: MetricStore, text: str) -> tuple[str, ...]:
    """Metrics with this name and any labels, or that fit the pattern. UsageError for none."""
    from phoenixctl.metrics.kinds import canonical

    known = list(kept(store))
    if not known:
        raise UsageError("no metrics are kept yet", hint="phoenixctl metrics collect")
    names = {metric.partition("{")[0] for metric in known}
    if "{" in text:
        try:
            text = canonical(text)
        except ValueError as error:
            raise UsageError(str(error)) from None
        found = [metric for metric in known if metric == text]
    else:
        found = [metric for metric in known if fnmatchcase(metric.partition("{")[0], text)]
    if not found:
        raise no_such("metric", text, names, "phoenixctl metrics ls")
    return tuple(found)


def read(store: MetricStore, metric: str, window: Window, *, now: float) -> History:
    """A metric over a window, as finely as all of it is still kept."""
    from phoenixctl.metrics.series import Tier

    old = now - window.start
    tier = next((tier for tier in Tier if old <= tier.kept_seconds), Tier.HOUR)
    return store.read(metric, start=window.start, until=window.until, tier=tier)


def chosen(history: History, meant: Callable[[str], bool]) -> History:
    """The part of it that is of these subjects, in the order of their names."""
    from phoenixctl.metrics.series import History

    order = sorted(range(len(history.subjects)), key=lambda n: history.subjects[n])
    kept: Sequence[int] = [n for n in order if meant(history.subjects[n])]
    names = tuple(history.subjects[n] for n in kept)
    return History(history.times, names, history.values[:, kept])
