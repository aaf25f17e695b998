"""Values as bytes, and many blocks of bytes as one array over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.metrics.series import History, Values

_FORM: Final = np.dtype("<f4")
_WIDE: Final = np.dtype("<f8")  # totals of counters


@dataclass(frozen=True)
class Block:
    """The values of a roster's subjects at one time, in milliseconds since 1970."""

    at: int
    roster: int
    content: bytes


def pack(values: Values, *, wide: bool = False) -> bytes:
    # As they are: zlib at its quickest takes a tenth off noisy values and half off round ones, and
    # 3 to 8 ms of CPU for 50 metrics of 1,000 nodes, where all the rest takes 2 ms.
    with np.errstate(over="ignore"):  # what is too large is infinite
        return values.astype(_WIDE if wide else _FORM, copy=False).tobytes()


def history(blocks: Sequence[Block], rosters: Mapping[int, tuple[str, ...]]) -> History:
    """Blocks, which are in the order of time, with the subjects that they are of.

    Raises ValueError when a block does not hold a value for each subject.
    """
    found = {block.roster for block in blocks}
    if len(found) == 1:  # nearly always: the subjects were the same all the time
        times = np.array([block.at for block in blocks]) / 1000
        subjects = rosters[blocks[0].roster]
        return History(times, subjects, _rows(blocks, len(subjects)))
    subjects = tuple(sorted({subject for roster in found for subject in rosters[roster]}))
    moments = sorted({block.at for block in blocks})
    column = {subject: number for number, subject in enumerate(subjects)}
    row = {at: number for number, at in enumerate(moments)}
    parts = {roster: [block for block in blocks if block.roster == roster] for roster in found}
    every = {roster: _rows(own, len(rosters[roster])) for roster, own in sorted(parts.items())}
    form = np.result_type(np.float32, *(rows.dtype for rows in every.values()))
    values = np.full((len(moments), len(subjects)), np.nan, form)
    for roster, rows in every.items():
        when = [row[block.at] for block in parts[roster]]
        at = np.ix_(when, [column[name] for name in rosters[roster]])
        # A subject in two batches of one time: a value counts more than an unknown one.
        values[at] = np.where(np.isnan(rows), values[at], rows)
    return History(np.array(moments, np.float64) / 1000, subjects, values)


def latest(
    blocks: Sequence[tuple[str, Block]], rosters: Mapping[int, tuple[str, ...]]
) -> dict[str, dict[str, float]]:
    """By metric and subject what the last of its blocks says, unknown left out.

    The blocks of a metric are in the order of time. ValueError as for `history`.
    """
    found: dict[str, dict[str, tuple[int, float]]] = {}
    for metric, block in blocks:
        subjects, own = rosters[block.roster], found.setdefault(metric, {})
        for subject, value in zip(subjects, _rows([block], len(subjects))[0].tolist(), strict=True):
            before = own.get(subject)
            # Twice at one time: a value counts more than an unknown one, as in `history`.
            if before is None or before[0] < block.at or not math.isnan(value):
                own[subject] = (block.at, value)
    return {
        metric: {subject: value for subject, (_, value) in own.items() if not math.isnan(value)}
        for metric, own in found.items()
    }


def _rows(blocks: Sequence[Block], subjects: int) -> Values:
    sizes = {len(block.content) for block in blocks}
    if not sizes <= {subjects * _FORM.itemsize, subjects * _WIDE.itemsize}:
        raise ValueError("a block is not as long as its list of subjects")
    if len(sizes) == 1:
        return _values(b"".join(block.content for block in blocks), len(blocks), subjects)
    # Written before its kind was said, and after.
    return np.vstack([_values(block.content, 1, subjects) for block in blocks])


def _values(content: bytes, rows: int, subjects: int) -> Values:
    wide = len(content) > rows * subjects * _FORM.itemsize
    found = np.frombuffer(content, _WIDE if wide else _FORM).reshape(rows, subjects)
    return found.astype(np.float64 if wide else np.float32, copy=False)
