"""Records in an S3 bucket, for several operators of one fleet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phoenixctl.model.s3 import S3Store
from phoenixctl.ports.clock import Clock
from phoenixctl.store.disk import make_private
from phoenixctl.store.records import StoredRecords
from phoenixctl.store.sightings import Sightings

if TYPE_CHECKING:
    from phoenixctl.store.s3_backing import S3Backing


class S3Records(StoredRecords):
    """Implements ports.records.Records. `folder` is on this machine, for its own sightings."""

    def __init__(self, settings: S3Store, folder: Path, clock: Clock, fleet: str) -> None:
        super().__init__(fleet, clock, Sightings(folder / "sightings.json"))
        self._settings = settings
        self._folder = folder

    def _open(self) -> S3Backing:
        from phoenixctl.store.s3_backing import S3Backing

        return S3Backing(self._settings, self._fleet, self._clock)

    def prepare(self) -> None:
        make_private(self._folder)
        super().prepare()
