"""Answered and missed observations per node and hour: what availability is counted from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.names import NodeName
from phoenixctl.store.disk import make_private, replace_file

KEPT_HOURS: Final = 24
FORMAT: Final = 1


class Sightings:
    """The last day of observations from this machine, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def availability(self) -> dict[NodeName, float]:
        """Answered observations / all observations of the last 24 hours, where there are any."""
        result: dict[NodeName, float] = {}
        for name, hours in self._read().items():
            answered = sum(hour[0] for hour in hours.values())
            asked = sum(hour[1] for hour in hours.values())
            if asked:
                result[NodeName(name)] = answered / asked
        return result

    def add(self, answered: Mapping[NodeName, bool], *, epoch: float) -> None:
        """Keep that these nodes did or did not answer. `epoch` in seconds since 1970."""
        hour = int(epoch // 3600)
        sightings = {
            name: {key: value for key, value in hours.items() if int(key) > hour - KEPT_HOURS}
            for name, hours in self._read().items()
        }
        for name, ok in answered.items():
            hours = sightings.setdefault(name, {})
            before = hours.get(str(hour), (0, 0))
            hours[str(hour)] = (before[0] + ok, before[1] + 1)
        kept = {name: hours for name, hours in sightings.items() if hours}
        content = json.dumps({"format": FORMAT, "nodes": kept}).encode()
        # A count of answers is no record worth stopping for: it fills again by itself.
        with suppress(OSError, PhoenixError):
            make_private(self._path.parent)
            replace_file(self._path, content)

    def _read(self) -> dict[str, dict[str, tuple[int, int]]]:
        try:
            content = json.loads(self._path.read_bytes())
            nodes = content["nodes"]
            return {
                str(name): {str(int(h)): (int(v[0]), int(v[1])) for h, v in hours.items()}
                for name, hours in nodes.items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
            return {}
