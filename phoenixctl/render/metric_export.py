"""Metrics as rows for other programs: metric, subject, time, value."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final

from phoenixctl.metrics.series import History
from phoenixctl.model.errors import UsageError
from phoenixctl.render.times import utc

Row = tuple[str, str, float, float]
COLUMNS: Final = ("metric", "subject", "at", "value")


def rows_of(metric: str, history: History) -> Iterator[Row]:
    """Known values in the order of subject and time."""
    times = history.times.tolist()
    for number, subject in enumerate(history.subjects):
        for at, value in zip(times, history.values[:, number].tolist(), strict=True):
            if not math.isnan(value):
                yield metric, subject, at, value


def write_csv(rows: Iterable[Row], file: IO[str]) -> None:
    """With a line of names; times in RFC 3339, values with all their digits."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for metric, subject, at, value in rows:
        writer.writerow((metric, subject, utc(at), repr(value)))


def write_json(rows: Iterable[Row], file: IO[str]) -> None:
    """An object on each line; an infinite value as text, for JSON has none."""
    for metric, subject, at, value in rows:
        known: Any = value if math.isfinite(value) else str(value)
        document = {"metric": metric, "subject": subject, "at": utc(at), "value": known}
        file.write(json.dumps(document) + "\n")


def write_parquet(rows: Iterable[Row], file: IO[bytes]) -> None:
    """One table; times as UTC timestamps in milliseconds. UsageError without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed",
            hint="pip install 'phoenixctl[parquet]', or --format csv",
        ) from None
    found = list(rows)
    moments = pa.array([round(row[2] * 1000) for row in found], pa.timestamp("ms", tz="UTC"))
    columns = [
        pa.array([row[0] for row in found], pa.string()).dictionary_encode(),
        pa.array([row[1] for row in found], pa.string()).dictionary_encode(),
        moments,
        pa.array([row[3] for row in found], pa.float64()),
    ]
    pq.write_table(pa.table(columns, names=list(COLUMNS)), file)
