"""Metrics for other programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from math import inf, nan

import numpy as np
import pytest

from phoenixctl.metrics.series import History
from phoenixctl.model.errors import UsageError
from phoenixctl.render.metric_export import rows_of, write_csv, write_json, write_parquet

METRIC = 'requests_total{path="/a,b\\"c"}'
HISTORY = History(np.array([0.0, 1.5]), ("a", "b"), np.array([[1, nan], [0.1, inf]], np.float32))


def test_a_row_for_each_value_that_is_known_whatever_is_in_its_name() -> None:
    file = io.StringIO()
    write_csv(rows_of(METRIC, HISTORY), file)
    names, *rows = csv.reader(io.StringIO(file.getvalue()))
    assert names == ["metric", "subject", "at", "value"]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (METRIC, "a", "1970-01-01T00:00:00.000Z"),
        (METRIC, "a", "1970-01-01T00:00:01.500Z"),
        (METRIC, "b", "1970-01-01T00:00:01.500Z"),
    ]
    assert [float(row[3]) for row in rows] == [1.0, float(np.float32(0.1)), inf]


def test_each_line_of_json_can_be_read_by_anybody() -> None:
    file = io.StringIO()
    write_json(rows_of(METRIC, HISTORY), file)
    documents = [
        json.loads(line, parse_constant=pytest.fail) for line in file.getvalue().split("\n")[:-1]
    ]
    assert documents[0] == {
        "metric": METRIC, "subject": "a", "at": "1970-01-01T00:00:00.000Z", "value": 1.0,
    }  # fmt: skip
    assert documents[-1]["value"] == "inf"


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="needs pyarrow") as caught:
        write_parquet(rows_of(METRIC, HISTORY), io.BytesIO())
    assert "pip install 'phoenixctl[parquet]'" in caught.value.hint


@pytest.mark.parametrize("history", [HISTORY, History(np.array([]), (), np.empty((0, 0)))])
def test_parquet_is_read_back_as_it_was(history: History) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet is not installed")
    file = io.BytesIO()
    write_parquet(rows_of(METRIC, history), file)
    file.seek(0)
    table = parquet.read_table(file)
    expected = list(rows_of(METRIC, history))
    assert table.column_names == ["metric", "subject", "at", "value"]
    assert table["value"].to_pylist() == [row[3] for row in expected]
    assert [moment.timestamp() for moment in table["at"].to_pylist()] == [r[2] for r in expected]
