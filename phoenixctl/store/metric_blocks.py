"""Values as bytes, and many blocks of bytes as one array over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.metrics.series import History, Values

_FORM: Final = np.dtype("<f4")


@dataclass(frozen=True)
class Block:
    """The values of a roster's subjects at one time, in milliseconds since 1970."""

    at: int
    roster: int
    content: bytes


def pack(values: Values) -> bytes:
    # As they are: zlib at its quickest takes a tenth off noisy values and half off round ones, and
    # 3 to 8 ms of CPU for 50 metrics of 1,000 nodes, where all the rest takes 2 ms.
    return values.astype(_FORM, copy=False).tobytes()


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
    values = np.full((len(moments), len(subjects)), np.nan, np.float32)
    for roster in sorted(found):
        own = [block for block in blocks if block.roster == roster]
        at = np.ix_([row[block.at] for block in own], [column[name] for name in rosters[roster]])
        rows = _rows(own, len(rosters[roster]))
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
    if any(len(block.content) != subjects * _FORM.itemsize for block in blocks):
        raise ValueError("a block is not as long as its list of subjects")
    joined = np.frombuffer(b"".join(block.content for block in blocks), _FORM)
    return joined.reshape(len(blocks), subjects).astype(np.float32, copy=False)
