"""For programs: keep what they measure, beside the metrics of the fleet.

from phoenixctl.measure import Metrics

metrics = Metrics(node="web-1")
metrics.record("queue_depth", 7)
metrics.increment("mails_total", kind="bounce")
with metrics.time("import_seconds"):
    ...

@metrics.time("request_seconds", path="/a")
def answer(): ...
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from phoenixctl.metrics.kinds import Kind, build
from phoenixctl.metrics.subjects import FLEET, agent_subject
from phoenixctl.model.names import check_node_name

if TYPE_CHECKING:
    from phoenixctl.model.fleet import Fleet, SecretRef
    from phoenixctl.ports.metrics import MetricStore


class Metrics:
    """Where a program's values go: to the fleet of a configuration file, found as the commands
    find it, or named here. They are the fleet's own, or a node's, or an agent's on its node.

    May be used from several threads and processes at once. What cannot be kept is a PhoenixError;
    names and values that cannot be are a ValueError.
    """

    def __init__(
        self,
        config: str | Path | None = None,
        *,
        node: str | None = None,
        agent: str | None = None,
    ) -> None:
        if agent is not None and node is None:
            raise ValueError("an agent is on a node: name that too")
        self._config = None if config is None else Path(config)
        where = None if node is None else check_node_name(node)
        self._subject = where or FLEET
        if where is not None and agent is not None:
            self._subject = agent_subject(where, agent)

    def record(
        self, name: str, value: float, /, *, as_kind: Kind | str = Kind.GAUGE, **labels: str
    ) -> None:
        """Keep a value as of now: how much there is (gauge), or one of many that were observed
        (timer in seconds, histogram, summary). Of a counter, it is what is added.
        """
        kind = Kind(as_kind)
        metric = build(name, labels)
        if not math.isfinite(value) or (kind is Kind.COUNTER and value < 0):
            raise ValueError(f"{value} is no value of a {kind.value}")
        from phoenixctl.store.turns import turn
        from phoenixctl.workflows.record import record

        with turn(self._state / "metrics.turn"), closing(self._open()) as store:
            record(store, metric, value, kind=kind, subject=self._subject, at_seconds=time.time())

    def increment(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Add to a counter, which begins at 0."""
        self.record(name, amount, as_kind=Kind.COUNTER, **labels)

    @contextmanager
    def time(self, name: str, /, **labels: str) -> Iterator[None]:
        """Keep how many seconds the block takes; or, as a decorator, each call of the function.

        With `error="true"` when it raises, which it goes on to do.
        """
        begun = time.perf_counter()
        try:
            yield
        except BaseException:
            labels = {**labels, "error": "true"}
            raise
        finally:
            seconds = time.perf_counter() - begun
            self.record(name, seconds, as_kind=Kind.TIMER, **labels)

    @cached_property
    def _path(self) -> Path:
        from phoenixctl.settings.find import find_config

        return find_config(self._config, os.environ, Path.cwd())

    @cached_property
    def _fleet(self) -> Fleet:
        from phoenixctl.cli.configuration import cache_folder
        from phoenixctl.settings.compiled import load_fleet

        return load_fleet(self._path, environ=os.environ, overrides={}, cache=cache_folder())

    @cached_property
    def _state(self) -> Path:
        from phoenixctl.cli.configuration import state_folder

        return state_folder(self._fleet.name)

    def _open(self) -> MetricStore:
        """Anew each time: a store is for one thread."""
        from phoenixctl.cli.compose import SystemClock, metrics_of
        from phoenixctl.settings.secret import read_secret

        def secret(ref: SecretRef) -> str:
            return read_secret(ref, self._path.absolute().parent, os.environ)

        return metrics_of(self._fleet, self._state, secret, SystemClock())
