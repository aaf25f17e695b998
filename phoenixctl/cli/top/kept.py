"""A node's last hour, from where metrics are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Final

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.names import NodeName
from phoenixctl.model.reading import Metric
from phoenixctl.render.plots import resampled
from phoenixctl.render.top.pages import NODE_COURSES
from phoenixctl.store.metrics import FILE_NAME

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts

_HOUR: Final = 3600.0
_PARTS: Final = 60


def last_hour(parts: Parts, node: NodeName) -> Mapping[Metric, Sequence[float]]:
    """Means of each minute; nothing when no metrics are kept, or they cannot be read."""
    kept = parts.configured.metrics
    elsewhere = kept is not None and kept.store is not None
    if not elsewhere and not (parts.state / FILE_NAME).exists():
        return {}
    now = parts.clock.epoch()
    try:
        store = parts.open_metrics()
        with closing(store):
            read = {m: store.read(m.value, start=now - _HOUR, until=now) for m in NODE_COURSES}
    except PhoenixError:  # it is a picture beside the numbers
        return {}
    return {
        metric: resampled(
            history.times.tolist(),
            history.values[:, history.subjects.index(node)].tolist(),
            start=now - _HOUR,
            until=now,
            count=_PARTS,
        )
        for metric, history in read.items()
        if node in history.subjects
    }
