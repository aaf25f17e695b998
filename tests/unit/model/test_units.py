"""Quantities: what people write is understood, what is written can be read back."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.units import (
    format_bytes,
    format_cores,
    format_duration,
    format_ratio,
    parse_bytes,
    parse_cores,
    parse_duration,
    parse_ratio,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4096", 4096), ("1k", 1000), ("1KiB", 1024), ("500M", 500_000_000), ("0.5GiB", 2**29),
        ("256 MiB", 2**28), ("1Ti", 2**40), ("2gib", 2**31), ("7b", 7),
    ],
)  # fmt: skip
def test_sizes_are_understood(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "MiB", "-1MiB", "1e9", "1 KiBs", "1,5G", "٣MiB", "1.MiB"])
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("1.5h", 5400), ("1w", 604_800)],
)
def test_durations_are_understood(text: str, seconds: float) -> None:
    assert isclose(parse_duration(text), seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "1h 30m", "-5s", "5 s", "1h30", "30sec", "1e3s"])
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "cores"), [("500m", 0.5), ("2", 2.0), ("1.5", 1.5), ("50m", 0.05)]
)
def test_cores_are_understood(text: str, cores: float) -> None:
    assert parse_cores(text) == cores


@pytest.mark.parametrize(
    ("text", "ratio"), [("75%", 0.75), ("0.75", 0.75), ("99.9%", 0.999), ("100%", 1.0)]
)
def test_shares_are_understood_to_the_bit(text: str, ratio: float) -> None:
    assert parse_ratio(text) == ratio


@pytest.mark.parametrize("text", ["", "-1", "half", "1,5", "5 %%", "nan", "inf"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_cores(text)
    with pytest.raises(ValueError, match="is not a"):
        parse_ratio(text)


@given(st.integers(0, 2**50))
def test_a_formatted_size_reads_back_within_its_three_digits(count: int) -> None:
    assert isclose(parse_bytes(format_bytes(count)), count, rel_tol=0.051, abs_tol=1)


@given(st.floats(0.0, 30 * 86_400.0))
def test_a_formatted_duration_reads_back_within_its_smaller_unit(seconds: float) -> None:
    text = format_duration(seconds)
    slack = 3600 if "d" in text else 60 if "h" in text else 1 if "m" in text[:-2] else 0.05
    assert abs(parse_duration(text) - seconds) <= slack + 1e-6, text


@given(st.floats(0.0, 86_400.0), st.floats(0.0, 86_400.0))
def test_a_longer_time_is_never_shown_as_a_shorter_one(one: float, other: float) -> None:
    short, long = sorted((one, other))
    assert parse_duration(format_duration(short)) <= parse_duration(format_duration(long)) + 1e-9


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"), (0.0142, "14.2ms"), (0.9994, "999ms"), (0.9996, "1s"), (2.5, "2.5s"),
        (59.94, "59.9s"), (59.96, "1m00s"), (200, "3m20s"), (3599.6, "1h00m"), (7500, "2h05m"),
        (86_399.6, "1d00h"), (273_600, "3d04h"),
    ],
)  # fmt: skip
def test_durations_are_shown_with_two_units_at_most(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0, "0%"), (0.42, "42%"), (0.003, "0.3%"), (0.9995, "99.95%"), (0.99, "99%"), (1, "100%"),
        (1.5, "150%"), (0.00001, "0%"), (0.999999, "100%"),
    ],
)  # fmt: skip
def test_shares_are_shown(ratio: float, text: str) -> None:
    assert format_ratio(ratio) == text


@pytest.mark.parametrize(
    ("cores", "text"), [(0.5, "500m"), (2.5, "2.5"), (1, "1"), (0.05, "50m"), (0, "0m")]
)
def test_cores_are_shown(cores: float, text: str) -> None:
    assert format_cores(cores) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (1536, "1.5KiB"), (10**9, "954MiB"),
     (1024**3 - 1, "1GiB"), (1024**2 - 1, "1MiB")],
)  # fmt: skip
def test_sizes_are_shown_in_the_unit_that_reads_best(count: int, text: str) -> None:
    assert format_bytes(count) == text
