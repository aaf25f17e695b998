"""Metrics in a server, behind the port that the file has too."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.prometheus import (
    NAME,
    PREFIX,
    kind_of,
    labels_of,
    metric_of,
    read_as,
    served_name,
)
from phoenixctl.metrics.rollup import GAP_SECONDS, RollUps
from phoenixctl.metrics.series import Batch, History, Tier
from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import SecretRef
from phoenixctl.model.measuring import PrometheusStore
from phoenixctl.ports.clock import Clock
from phoenixctl.store.prometheus.buckets import bucket, grown, in_buckets, summary
from phoenixctl.store.prometheus.http import PAUSE_SECONDS, Server
from phoenixctl.store.prometheus.wire import series_head, write_request

_SAMPLES: Final = 5_000  # of one request: 0.8 MB before it is packed; servers take 16 MB at least
_POINTS: Final = 10_000  # of one answer and series; a Prometheus gives 11,000 at most

_Course = Sequence[tuple[float, float]]  # times and values


class PrometheusMetrics:
    """Implements ports.metrics.MetricStore as far as a Prometheus can, for one thread.

    - An unknown value is not sent: where there is no sample, nothing is known.
    - A sample stays as it came first. One that is older than another of its series is refused,
      unless the server allows it (`out_of_order_time_window`).
    - Of what was observed since the last batch its mean is sent, and with the label `quantile`
      what a summary of Prometheus has; the whole of it does not come back.
    - Nothing is rolled up or forgotten: coarser tiers are made of samples when they are asked for,
      and how long those are kept is a setting of the server. So are the kinds: what is no counter
      by its name is a gauge.
    - A tick of more than 5,000 samples takes several requests: a failure may leave a part of it
      there. Sent again it is whole.
    """

    def __init__(
        self,
        settings: PrometheusStore,
        fleet: str,
        secret: Callable[[SecretRef], str],
        clock: Clock,
        *,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._server = Server(settings, secret, pause_seconds=pause_seconds)
        self._fleet = fleet
        self._clock = clock
        self._heads: dict[str, dict[str, bytes]] = {}  # by metric and subject, as they are sent

    def write(self, batch: Batch) -> None:
        at = round(batch.at_seconds * 1000)
        columns = dict(batch.columns)
        for metric, observed in batch.observed.items():
            columns |= summary(metric, observed)
        found = [
            (head, value)
            for metric, values in columns.items()
            for head, value in zip(
                self._heads_of(metric, batch.subjects), values.tolist(), strict=True
            )
            if not math.isnan(value)
        ]
        for start in range(0, len(found), _SAMPLES):
            self._server.push(write_request(found[start : start + _SAMPLES], at))

    def read(self, metric: str, *, start: float, until: float, tier: Tier = Tier.SECOND) -> History:
        if tier is Tier.SECOND:
            return _history(self._samples(metric, start, until), start, until)
        if kind_of(metric) is Kind.COUNTER:
            return grown(self.digests(metric, start=start, until=until, tier=tier))
        start = bucket(tier, start)
        return _history(self._means(metric, start, until, tier.resolution_seconds), start, until)

    def digests(self, metric: str, *, start: float, until: float, tier: Tier) -> RollUps:
        kind, start = kind_of(metric), bucket(tier, start)
        early = start - (GAP_SECONDS if kind is Kind.COUNTER else 0)  # from where it has grown
        end = until
        if tier is not Tier.SECOND:  # the last bucket is whole
            end = bucket(tier, until - 0.001) + tier.resolution_seconds
        samples = _history(self._samples(metric, early, end), early, end)
        return in_buckets(samples, kind, tier, start=start)

    def series(self, tier: Tier = Tier.SECOND) -> Mapping[str, tuple[str, ...]]:
        now = self._clock.epoch()
        window = {"start": _time(now - tier.kept_seconds), "end": _time(now)}
        data = self._server.ask("/api/v1/series", {"match[]": self._selector(), **window})
        found: dict[str, set[str]] = {}
        for labels in _list(data):
            ours = metric_of(labels)
            if ours is not None:
                found.setdefault(ours[0], set()).add(ours[1])
        return {metric: tuple(sorted(found[metric])) for metric in sorted(found)}

    def latest(self, *, since: float) -> Mapping[str, Mapping[str, float]]:
        now = self._clock.epoch()
        if since > now:
            return {}
        query = f"last_over_time({self._selector()}[{_span(now - since)}])"
        found: dict[str, dict[str, float]] = {}
        for metric, subject, points in self._query("/api/v1/query", query, {"time": _time(now)}):
            found.setdefault(metric, {})[subject] = points[-1][1]
        return {metric: dict(sorted(found[metric].items())) for metric in sorted(found)}

    def kinds(self) -> Mapping[str, Kind]:
        return {metric: kind_of(metric) for metric in self.series()}

    def rollup(self, *, now: float) -> int:  # noqa: ARG002
        """Nothing: coarser tiers are made when they are asked for."""
        return 0

    def forget(self, *, now: float) -> int:  # noqa: ARG002
        """Nothing: the server forgets by itself, when its own setting says so."""
        return 0

    def close(self) -> None:
        self._server.close()

    def _heads_of(self, metric: str, subjects: Iterable[str]) -> list[bytes]:
        known = self._heads.setdefault(metric, {})
        heads = []
        for subject in subjects:
            head = known.get(subject)
            if head is None:
                head = known[subject] = series_head(labels_of(self._fleet, metric, subject))
            heads.append(head)
        return heads

    def _selector(self, metric: str | None = None) -> str:
        """What PromQL knows our series by; other labels than the name are compared afterwards."""
        name = f"=~{_text(f'{PREFIX}.+')}" if metric is None else f"={_text(served_name(metric))}"
        return f"{{{NAME}{name},fleet={_text(self._fleet)}}}"

    def _samples(self, metric: str, start: float, until: float) -> Iterable[tuple[str, _Course]]:
        """By subject, the samples as they were sent: a range that is asked for at one time."""
        query = f"{self._selector(metric)}[{_span(until - start)}]"
        found = self._query("/api/v1/query", query, {"time": _time(until)})
        return [(subject, points) for name, subject, points in found if name == read_as(metric)]

    def _means(
        self, metric: str, start: float, until: float, step: int
    ) -> Iterator[tuple[str, _Course]]:
        """By subject, the mean of each bucket of `step` from the one on that begins at `start`.

        A window ends with the time that it is asked for, so that is the last millisecond.
        """
        query = f"avg_over_time({self._selector(metric)}[{step}s])"
        name = served_name(metric)  # which a mean has no more
        count = max(0, math.ceil((until - start) / step))
        late = step - 0.001
        for done in range(0, count, _POINTS):
            begin = start + done * step + late
            end = begin + (min(_POINTS, count - done) - 1) * step
            window = {"start": _time(begin), "end": _time(end), "step": str(step)}
            for series in self._query("/api/v1/query_range", query, window, name=name):
                if series[0] == read_as(metric):
                    yield series[1], [(at - late, value) for at, value in series[2]]

    def _query(
        self, path: str, query: str, window: Mapping[str, str], *, name: str = ""
    ) -> list[tuple[str, str, _Course]]:
        """Metric, subject and course of each series of ours; `name` for those that come without."""
        # VictoriaMetrics would align the times to what it has kept of earlier answers.
        data = self._server.ask(path, {"query": query, **window, "nocache": "1"})
        try:
            found: list[tuple[str, str, _Course]] = []
            for series in data["result"]:
                ours = metric_of({NAME: name, **series["metric"]})
                if ours is not None:
                    points = series["values"] if "values" in series else [series["value"]]
                    found.append((*ours, [(float(at), float(value)) for at, value in points]))
            return found
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _strange(error) from None


def _history(courses: Iterable[tuple[str, _Course]], start: float, until: float) -> History:
    """Samples of many series as one array. Times are in milliseconds there, as they were sent."""
    by_subject: dict[str, dict[int, float]] = {}
    for subject, points in courses:
        own = by_subject.setdefault(subject, {})
        own.update((round(at * 1000), value) for at, value in points)
    begin, end = round(start * 1000), round(until * 1000)
    moments = sorted({at for own in by_subject.values() for at in own if begin <= at < end})
    row = {at: number for number, at in enumerate(moments)}
    subjects = tuple(sorted(name for name, own in by_subject.items() if own.keys() & row.keys()))
    values = np.full((len(moments), len(subjects)), np.nan)
    for column, subject in enumerate(subjects):
        for at, value in by_subject[subject].items():
            if at in row:
                values[row[at], column] = value
    return History(np.array(moments, np.float64) / 1000, subjects, values)


def _list(data: Any) -> list[Mapping[str, str]]:
    if isinstance(data, list) and all(isinstance(labels, dict) for labels in data):
        return data
    raise _strange("no list of series")


def _strange(why: object) -> PhoenixError:
    return PhoenixError(
        f"an answer of the server of metrics cannot be understood: {why}",
        hint="look at metrics.store.query_url: phoenixctl config show",
    )


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


def _span(seconds: float) -> str:
    # A millisecond more: since Prometheus 3 a window is without its beginning.
    return f"{max(0, round(seconds * 1000)) + 1}ms"


def _text(value: str) -> str:
    """A string of PromQL."""
    return json.dumps(value, ensure_ascii=False)
