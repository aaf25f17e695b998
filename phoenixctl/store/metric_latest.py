"""What each metric had last, found without reading what was before."""

from __future__ import annotations

import sqlite3
from typing import Final

import numpy as np

from phoenixctl.metrics.digest import unpack_moments
from phoenixctl.store.metric_blocks import Block, latest, pack
from phoenixctl.store.metric_names import Names

# The newest of each metric and roster is found in the index alone; then its blob is read.
_VALUES: Final = """
    SELECT newest.name, blocks.at, blocks.roster, blocks.content FROM (
        SELECT metrics.name, metrics.id, blocks.roster, MAX(blocks.at) AS at FROM metrics
        JOIN blocks ON blocks.metric = metrics.id AND blocks.at >= ?
        GROUP BY metrics.id, blocks.roster
    ) AS newest
    JOIN blocks ON blocks.metric = newest.id AND blocks.at = newest.at
        AND blocks.roster = newest.roster
"""
_OBSERVED: Final = """
    SELECT newest.name, rollups.at, rollups.roster, rollups.moments FROM (
        SELECT metrics.name, metrics.id, rollups.roster, MAX(rollups.at) AS at FROM metrics
        JOIN rollups ON rollups.tier = 1 AND rollups.metric = metrics.id AND rollups.at >= ?
        GROUP BY metrics.id, rollups.roster
    ) AS newest
    JOIN rollups ON rollups.tier = 1 AND rollups.metric = newest.id AND rollups.at = newest.at
        AND rollups.roster = newest.roster
"""


def latest_values(
    connection: sqlite3.Connection, names: Names, since: int
) -> dict[str, dict[str, float]]:
    """By metric and subject, as MetricStore.latest has it; in a transaction that is open.

    ValueError when a block is not as long as its roster.
    """
    values = connection.execute(_VALUES, (since,)).fetchall()
    observed = connection.execute(_OBSERVED, (since,)).fetchall()
    rosters = names.rosters({row[2] for row in (*values, *observed)})
    blocks = [(name, Block(at, roster, content)) for name, at, roster, content in values]
    for name, at, roster, moments in observed:
        count, total = unpack_moments(moments, len(rosters[roster]))[:2]
        means = total / np.where(count > 0, count, np.nan)
        blocks.append((name, Block(at, roster, pack(means))))
    blocks.sort(key=lambda found: (found[0], found[1].at, found[1].roster))
    return latest(blocks, rosters)
