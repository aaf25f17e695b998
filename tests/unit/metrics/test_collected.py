"""What collectors found becomes batches."""

from __future__ import annotations

import numpy as np

from phoenixctl.metrics.collected import batches_of_asked
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.measuring import Asked, Collector, CollectorKind, Sample
from phoenixctl.model.names import NodeName

APP = Collector("app", CollectorKind.PROMETHEUS)


def asked(node: str, *samples: Sample, of: Collector = APP, failed: bool = False) -> Asked:
    return Asked(of, NodeName(node), samples, CommandFailed("no") if failed else None)


def batches(*found: Asked, total: float = 0.0) -> dict[str, Batch]:
    """By metric."""
    made = batches_of_asked(found, lambda _metric, _subject: total, at_seconds=9.0)
    return {metric: batch for batch in made for metric in (*batch.columns, *batch.observed)}


def test_a_sample_carries_its_collectors_name() -> None:
    found = batches(
        asked("a", Sample("hits_total", 5, (("path", "/"),), "counter")),
        asked("b", Sample("hits_total", 7, (("job", "own"),), "counter")),
    )
    assert list(found) == [
        'collector_up{job="app"}', 'hits_total{job="app",path="/"}',
        'hits_total{exported_job="own",job="app"}',
    ]  # fmt: skip
    batch = found['hits_total{job="app",path="/"}']
    assert batch.subjects == ("a",)
    assert batch.columns['hits_total{job="app",path="/"}'].tolist() == [5]
    assert batch.kinds['hits_total{job="app",path="/"}'] is Kind.COUNTER


def test_one_that_fails_is_kept_as_down_with_what_it_gave() -> None:
    found = batches(asked("a", Sample("x", 1)), asked("b", Sample("x", 2), failed=True))
    up = found['collector_up{job="app"}']
    assert dict(zip(up.subjects, up.columns['collector_up{job="app"}'].tolist(), strict=True)) == {
        "a": 1,
        "b": 0,
    }
    assert found['x{job="app"}'].subjects == ("a", "b")


def test_an_increment_is_added_to_what_the_counter_was() -> None:
    found = batches(asked("a", Sample("done", 3, kind="increment")), total=40)
    assert found['done{job="app"}'].columns['done{job="app"}'].tolist() == [43]
    assert found['done{job="app"}'].kinds == {'done{job="app"}': Kind.COUNTER}


def test_many_values_become_a_digest_for_each_node() -> None:
    samples = [Sample("wait", value, kind="timer") for value in (0.1, 0.2, 0.6)]
    found = batches(asked("b", *samples), asked("a", samples[0]))
    batch = found['wait{job="app"}']
    digest = batch.observed['wait{job="app"}']
    assert batch.subjects == ("a", "b")
    assert batch.kinds == {'wait{job="app"}': Kind.TIMER}
    assert digest.count.tolist() == [1, 3]
    assert np.allclose(digest.total, [0.1, 0.9])
    assert np.allclose(digest.high, [0.1, 0.6])
