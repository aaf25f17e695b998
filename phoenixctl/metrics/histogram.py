"""How often values of each size came: counts in buckets, which can be added up where percentiles
cannot.

The buckets are those of Prometheus' native histograms of schema 8: each ends 2**(1/256) above its
beginning, so the middle of one is within 0.14 % of every value in it. Negative values have buckets
as positive ones have; what is closer to 0 than a normal float32 can be is counted as 0. Buckets are
of values as float32, and are found by comparing their bits: exactly, and everywhere alike.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.rank import rank

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ERROR: Final = 2 ** (1 / 512) - 1
"""How far a percentile may be from that of the values themselves, relative to it."""

_PER_DOUBLING: Final = 256
_FRACTION_BITS: Final = 23
_LEAST_EXPONENT: Final = -126
# The number of a bucket grows with its values: below 0 for negative ones, 0 for those of 0.
_LEAST: Final = 1 - _LEAST_EXPONENT * _PER_DOUBLING
_NUMBER_BITS: Final = 18  # for more numbers than there are from the lowest bucket to the highest
_HALF: Final = 2 ** (_NUMBER_BITS - 1)
_ENDS: Final = np.floor(
    (np.exp2(np.arange(_PER_DOUBLING + 1) / _PER_DOUBLING) - 1) * 2**_FRACTION_BITS
).astype(np.int32)
# A doubling is cut into 4096 cells, so narrow that in none of them two buckets end. For each the
# bucket in which it begins, and in the lower bits how far from its beginning that bucket ends.
_CELL_BITS: Final = _FRACTION_BITS - 12
_CELL: Final = 2**_CELL_BITS
_BEGINS: Final = np.searchsorted(_ENDS, np.arange(2**12) * _CELL)
_CELLS: Final = (
    _BEGINS * 2 * _CELL + np.minimum(_ENDS[_BEGINS] - np.arange(2**12) * _CELL, _CELL)
).astype(np.int32)
# One number of 63 bits has place for a row, a bucket and a count.
_ROW_BITS: Final = 20
_COUNT_BITS: Final = 25
_AT_ONCE: Final = 2**22  # entries that are merged: more would take more than 200 MB
_RAW: Final = -15  # deflate alone, without a header and a checksum for each part
_HEAD: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")


def buckets(values: NDArray[np.floating]) -> NDArray[np.int32]:
    """The number of each value's bucket, in the shape of `values`, of which none may be NaN."""
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite
        bits = values.astype(np.float32).view(np.int32)
    size = bits & 0x7FFFFFFF
    cell = np.take(_CELLS, (size >> _CELL_BITS) & (2**12 - 1))
    number: NDArray[np.int32] = (size >> _FRACTION_BITS) * _PER_DOUBLING
    number += cell >> (_CELL_BITS + 1)
    number += (size & (_CELL - 1)) > (cell & (2 * _CELL - 1))
    number += _LEAST - 127 * _PER_DOUBLING
    number *= size >= 2**_FRACTION_BITS
    return np.negative(number, out=number, where=bits < 0)


def middles(numbers: NDArray[np.integer]) -> Floats:
    """The geometric middle of each bucket, 0 for that of 0."""
    size = np.exp2((np.abs(numbers) - _LEAST - 0.5) / _PER_DOUBLING)
    return np.where(numbers == 0, 0.0, np.sign(numbers) * size)


@dataclass(frozen=True, eq=False)
class Histograms:
    """A histogram for each of several rows; only buckets that hold something are there.

    Row i has the entries from `starts[i]` until before `starts[i + 1]` of `numbers` (buckets, in
    the order of their values) and `counts` (at least 1).
    """

    starts: Integers
    numbers: NDArray[np.int32]
    counts: Integers

    @property
    def rows(self) -> int:
        return self.starts.size - 1

    @property
    def row(self) -> Integers:
        """The row of each entry."""
        return np.repeat(np.arange(self.rows), np.diff(self.starts))

    @property
    def count(self) -> Integers:
        """How many values each row has."""
        return self._up_to(self.starts[1:]) - self._up_to(self.starts[:-1])

    def percentile(self, percentile: int) -> Floats:
        """The nearest rank in each row, within ERROR; NaN in a row without values."""
        count = self.count
        if not self.numbers.size:
            return np.full(self.rows, np.nan)
        wanted = self._up_to(self.starts[:-1]) + np.where(count > 0, rank(count, percentile), 1)
        entry = np.searchsorted(np.cumsum(self.counts), wanted)
        found = middles(self.numbers[np.minimum(entry, self.numbers.size - 1)])
        return np.where(count > 0, found, np.nan)

    def _up_to(self, entries: Integers) -> Integers:
        return np.concatenate([[0], np.cumsum(self.counts)])[entries]


def histograms(values: NDArray[np.floating], row: NDArray[np.integer], rows: int) -> Histograms:
    """Of values in `rows` rows, the row of each in `row`; NaN is left out."""
    known = ~np.isnan(values)
    numbers = buckets(values[known])
    if rows == 1 and numbers.size:  # counting takes a fifth of the time of sorting
        least = int(numbers.min())
        counts = np.bincount(numbers - least)
        found = np.flatnonzero(counts)
        starts = np.array([0, found.size])
        return Histograms(starts, (found + least).astype(np.int32), counts[found])
    return _gathered(row[known], numbers, np.ones(numbers.size, np.int64), rows)


def merged(parts: Sequence[Histograms]) -> Histograms:
    """Row by row, all that is in any of the parts, which have equally many rows; at least one."""
    waiting, size = [parts[0]], parts[0].numbers.size
    for part in parts[1:]:
        if size + part.numbers.size > _AT_ONCE and len(waiting) > 1:
            waiting = [_joined(waiting)]
            size = waiting[0].numbers.size
        waiting.append(part)
        size += part.numbers.size
    return _joined(waiting)


def moved(part: Histograms, to: Integers, rows: int) -> Histograms:
    """The same with row i as row `to[i]` of so many; several that go to one row are added up."""
    return _gathered(to[part.row], part.numbers, part.counts, rows)


def without_ends(part: Histograms) -> Histograms:
    """With one value less in the first and in the last bucket of each row, as far as there are."""
    counts = part.counts.copy()
    counts[part.starts[:-1][part.count > 0]] -= 1
    counts[part.starts[1:][part.count > 1] - 1] -= 1
    kept = counts > 0
    starts = np.concatenate([[0], np.cumsum(kept)])[part.starts]
    return Histograms(starts, part.numbers[kept], counts[kept])


def with_ends(
    part: Histograms, lows: NDArray[np.floating], highs: NDArray[np.floating]
) -> Histograms:
    """With two values more in each row; NaN is none."""
    row = np.arange(part.rows)
    return merged([part, histograms(lows, row, part.rows), histograms(highs, row, part.rows)])


def _joined(parts: Sequence[Histograms]) -> Histograms:
    return _gathered(
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.counts for part in parts]),
        parts[0].rows,
    )


def _gathered(
    row: NDArray[np.integer], numbers: NDArray[np.int32], counts: Integers, rows: int
) -> Histograms:
    """Entries in any order; those of one row and bucket become one, empty ones go."""
    place = (row.astype(np.int64) << _NUMBER_BITS) + (numbers + _HALF)
    if rows >> _ROW_BITS == 0 and int(counts.max(initial=1)) >> _COUNT_BITS == 0:
        # Sorting both as one number takes a tenth of the time of asking for an order.
        both = np.sort((place << _COUNT_BITS) + counts)
        place, counts = both >> _COUNT_BITS, both & (2**_COUNT_BITS - 1)
    else:
        order = np.argsort(place)
        place, counts = place[order], counts[order]
    first = np.flatnonzero(np.concatenate([place[:1] >= 0, place[1:] != place[:-1]]))
    total = np.add.reduceat(counts, first) if first.size else counts
    place = place[first]
    starts = np.searchsorted(place, np.arange(rows + 1) << _NUMBER_BITS)
    return Histograms(starts, ((place & (2 * _HALF - 1)) - _HALF).astype(np.int32), total)


def pack(part: Histograms) -> bytes:
    """As bytes: how many entries each row has, its first bucket, how far from each bucket to the
    next, how often. Near to what is in them at all: lognormal noise takes 1.3 bytes a value.
    """
    first = part.starts[:-1][np.diff(part.starts) > 0]
    gaps = np.diff(part.numbers, prepend=0)
    lowest = part.numbers[first]
    inner = np.delete(gaps, first)
    arrays = (np.diff(part.starts), lowest + _HALF, inner, part.counts)
    head = _HEAD.pack(part.rows, part.numbers.size)
    return head + b"".join(deflated(array.astype("<u4")) for array in arrays)


def unpack(content: bytes) -> Histograms:
    """What was packed. ValueError when it is not whole."""
    try:
        rows, entries = _HEAD.unpack_from(content)
        sizes, at = inflated(content, _HEAD.size, rows, "<u4")
        lowest, at = inflated(content, at, int(np.count_nonzero(sizes)), "<u4")
        inner, at = inflated(content, at, entries - lowest.size, "<u4")
        counts, at = inflated(content, at, entries, "<u4")
    except (struct.error, zlib.error, ValueError):
        raise ValueError("a histogram is not whole") from None
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    if at != len(content) or starts[-1] != entries:
        raise ValueError("a histogram is not whole")
    numbers = np.empty(entries, np.int64)
    is_first = np.zeros(entries, bool)
    is_first[starts[:-1][sizes > 0]] = True
    numbers[~is_first] = inner
    low = lowest.astype(np.int64) - _HALF
    # The gaps are summed up through all rows; each row's beginning takes back what came before it.
    numbers[is_first] = 0
    through = np.cumsum(numbers)
    numbers = through + np.repeat(low - through[is_first], sizes[sizes > 0])
    return Histograms(starts, numbers.astype(np.int32), counts.astype(np.int64))


def deflated(array: NDArray[np.generic]) -> bytes:
    """Numbers as bytes, all first bytes together, then all second ones: what is alike is side by
    side, and what is noise is not mixed with it.
    """
    planes = array.view(np.uint8).reshape(array.size, array.itemsize).T
    packed = [_deflated(plane.tobytes()) if plane.any() else b"" for plane in planes]
    return b"".join(_LENGTH.pack(len(content)) + content for content in packed)


def inflated(content: bytes, at: int, size: int, form: str) -> tuple[NDArray[Any], int]:
    """So many numbers from this place on, and the place after them. ValueError, struct.error or
    zlib.error when they are not there.
    """
    kind = np.dtype(form)
    planes = np.zeros((kind.itemsize, size), np.uint8)
    for plane in planes:
        (length,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        if length:
            part = content[at : at + length]
            plain = part if length == size else zlib.decompress(part, _RAW)
            if len(plain) != size:
                raise ValueError("too few or too many numbers")
            plane[:] = np.frombuffer(plain, np.uint8)
        at += length
    return np.ascontiguousarray(planes.T).view(kind).reshape(size), at


def _deflated(plane: bytes) -> bytes:
    # Runs and lengths of codes alone: half the time of a search for repetitions, and no larger.
    squeeze = zlib.compressobj(1, zlib.DEFLATED, _RAW, 9, zlib.Z_RLE)
    content = squeeze.compress(plane) + squeeze.flush()
    return content if len(content) < len(plane) else plane
