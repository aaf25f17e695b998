"""Roll-ups in the tables: which are due, what goes into each, one bucket at a time.

A bucket is always made anew, from all that is in the tier below it; so it can be made twice, and
what came late is in it. `pending` names the buckets in which something is new. A bucket is written
and taken off `pending`, and the one above it is put there, in one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

import numpy as np

from phoenixctl.metrics.digest import pack_digests, unpack_digests
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rollup import GAP_SECONDS, Rolled, joined, rolled_up
from phoenixctl.metrics.series import Tier
from phoenixctl.store.metric_blocks import Block, history
from phoenixctl.store.metric_names import Names
from phoenixctl.store.sqlite import changing

BELOW: Final = {
    Tier.MINUTE: Tier.SECOND,
    Tier.FIVE_MINUTES: Tier.MINUTE,
    Tier.HOUR: Tier.FIVE_MINUTES,
}
_ABOVE: Final = {below: tier for tier, below in BELOW.items()}
GAP: Final = round(GAP_SECONDS * 1000)


def width(tier: Tier) -> int:
    """Of its buckets, in milliseconds."""
    return tier.resolution_seconds * 1000


def bucket(tier: Tier, at: int) -> int:
    """When the bucket begins that this time is in."""
    return at - at % width(tier)


class Rolling:
    """All methods but `roll` belong in a transaction that is open."""

    def __init__(self, connection: sqlite3.Connection, names: Names) -> None:
        self._connection = connection
        self._names = names

    def written(self, metrics: Iterable[tuple[int, Kind]], at: int) -> None:
        """These metrics have something new at this time."""
        found = list(metrics)
        minute = bucket(Tier.MINUTE, at)
        self._put([(Tier.MINUTE, number, minute) for number, _ in found])
        # From a counter's value on depends how much the next one grew, if that came earlier.
        self._connection.executemany(
            "INSERT OR IGNORE INTO pending SELECT DISTINCT ?1, metric, at - at % ?2 FROM blocks"
            " WHERE metric = ?3 AND at >= ?4 + ?2 AND at < ?5 + ?2",
            [
                (Tier.MINUTE.resolution_seconds, width(Tier.MINUTE), number, minute, at + GAP)
                for number, kind in found
                if kind is Kind.COUNTER
            ],
        )

    def due(self, tier: Tier, now: int) -> list[tuple[int, int]]:
        """Metric and time of each bucket of a tier that has ended and has something new."""
        rows = self._connection.execute(
            "SELECT metric, at FROM pending WHERE tier = ? AND at <= ? ORDER BY at, metric",
            (tier.resolution_seconds, now - width(tier)),
        )
        return rows.fetchall()

    def roll(self, tier: Tier, metric: int, at: int, *, oldest: int) -> bool:
        """Make one bucket; False when there is nothing to make, or another process has made it.

        What ended before `oldest` no tier would keep.
        """
        key = (tier.resolution_seconds, metric, at)
        with changing(self._connection):
            taken = self._connection.execute(
                "DELETE FROM pending WHERE tier = ? AND metric = ? AND at = ?", key
            ).rowcount
            if not taken or at < max(self._horizon(BELOW[tier]), oldest):
                return False
            made = self.made(tier, metric, at)
            self._connection.execute(
                "DELETE FROM rollups WHERE tier = ? AND metric = ? AND at = ?", key
            )
            if made is not None:
                roster = self._names.roster(made.subjects)
                self._connection.execute(
                    "INSERT INTO rollups VALUES (?, ?, ?, ?, ?, ?)",
                    (*key, roster, *pack_digests(made.digests)),
                )
            above = _ABOVE.get(tier)
            if above is not None:
                self._put([(above, metric, bucket(above, at))])
        return made is not None

    def made(self, tier: Tier, metric: int, at: int) -> Rolled | None:
        """A bucket from what is in the tier below, rolled up or not; None when that is nothing."""
        below, until = BELOW[tier], at + width(tier)
        if below is Tier.SECOND:
            return self.of_values(metric, at, until)
        return joined([part for _, part in self.between(below, metric, at, until)])

    def between(self, tier: Tier, metric: int, start: int, until: int) -> list[tuple[int, Rolled]]:
        """Buckets of a tier with their times, also those that are not rolled up yet."""
        found: dict[int, Rolled | None] = dict(self.kept(tier, metric, start, until))
        found |= self.fresh(tier, metric, start, until)
        return [(at, part) for at in sorted(found) if (part := found[at]) is not None]

    def kept(self, tier: Tier, metric: int, start: int, until: int) -> list[tuple[int, Rolled]]:
        """The roll-ups that are in the table."""
        rows = self._connection.execute(
            "SELECT at, roster, moments, histograms FROM rollups"
            " WHERE tier = ? AND metric = ? AND at >= ? AND at < ? ORDER BY at, roster",
            (tier.resolution_seconds, metric, start, until),
        ).fetchall()
        rosters = self._names.rosters({row[1] for row in rows})
        return [
            (at, Rolled(rosters[roster], unpack_digests(moments, content, len(rosters[roster]))))
            for at, roster, moments, content in rows
        ]

    def fresh(self, tier: Tier, metric: int, start: int, until: int) -> dict[int, Rolled | None]:
        """Those buckets in which something is new, as they are with it."""
        stale = self._stale(tier, metric, start, until)
        return {at: self.made(tier, metric, at) for at in sorted(stale)}

    def _stale(self, tier: Tier, metric: int, start: int, until: int) -> set[int]:
        """The buckets in which something is new, in them or in those of a finer tier."""
        found: set[int] = set()
        for finer, below in BELOW.items():
            if finer.resolution_seconds <= tier.resolution_seconds:
                rows = self._connection.execute(
                    "SELECT at FROM pending WHERE tier = ? AND metric = ? AND at >= ? AND at < ?",
                    (
                        finer.resolution_seconds,
                        metric,
                        max(start, self._horizon(below)),
                        until,
                    ),
                )
                found.update(bucket(tier, at) for (at,) in rows)
        return found

    def of_values(self, metric: int, start: int, until: int) -> Rolled | None:
        """What was written in this time, as one bucket."""
        kind = self._names.kind(metric)
        blocks = self.blocks(metric, start, until)
        if blocks and kind is Kind.COUNTER:
            blocks = [*self._before(metric, start, blocks), *blocks]
        rosters = self._names.rosters({block.roster for block in blocks})
        values = rolled_up(history(blocks, rosters), kind, start=start / 1000)
        observed = [part for _, part in self.kept(Tier.SECOND, metric, start, until)]
        return joined([*observed, *([values] if values is not None else [])])

    def blocks(self, metric: int, start: int, until: int) -> list[Block]:
        rows = self._connection.execute(
            "SELECT at, roster, content FROM blocks WHERE metric = ? AND at >= ? AND at < ?"
            " ORDER BY at, roster",
            (metric, start, until),
        )
        return [Block(*row) for row in rows]

    def _before(self, metric: int, start: int, blocks: list[Block]) -> list[Block]:
        """The blocks before `start`, back to where all were known that are known in these."""
        missing = self._known(blocks)
        rows = self._connection.execute(
            "SELECT at, roster, content FROM blocks WHERE metric = ? AND at >= ? AND at < ?"
            " ORDER BY at DESC, roster",
            (metric, start - GAP, start),
        )
        found: list[Block] = []
        for row in rows:
            block = Block(*row)
            found.append(block)
            missing -= self._known([block])
            if not missing:
                break
        return sorted(found, key=lambda block: (block.at, block.roster))

    def _known(self, blocks: list[Block]) -> set[str]:
        """The subjects that have a value in any of these blocks."""
        found = history(blocks, self._names.rosters({block.roster for block in blocks}))
        count = np.count_nonzero(~np.isnan(found.values), axis=0)
        return {found.subjects[column] for column in np.flatnonzero(count)}

    def _horizon(self, tier: Tier) -> int:
        row = self._connection.execute(
            "SELECT at FROM horizons WHERE tier = ?", (tier.resolution_seconds,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _put(self, buckets: Iterable[tuple[Tier, int, int]]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO pending VALUES (?, ?, ?)",
            [(tier.resolution_seconds, metric, at) for tier, metric, at in buckets],
        )
