"""Records on the operator's machine, in a folder of each fleet that only the operator can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from phoenixctl.ports.clock import Clock
from phoenixctl.store.disk import make_private, replace_file
from phoenixctl.store.records import StoredRecords
from phoenixctl.store.sightings import Sightings
from phoenixctl.store.who import operator

if TYPE_CHECKING:
    from phoenixctl.store.folder import FolderBacking
    from phoenixctl.store.leases import LeaseBook

__all__ = ["LocalRecords", "make_private", "operator", "replace_file"]

RENEW_SECONDS: Final = 5.0  # between two signs of life of whoever holds the lock


class LocalRecords(StoredRecords):
    """Implements ports.records.Records in the folder `$XDG_STATE_HOME/phoenixctl/<fleet>`."""

    def __init__(
        self, folder: Path, clock: Clock, fleet: str, *, renew_seconds: float = RENEW_SECONDS
    ) -> None:
        super().__init__(fleet, clock, Sightings(folder / "sightings.json"))
        self._folder = folder
        self._renew_seconds = renew_seconds

    def _book(self) -> LeaseBook:
        from phoenixctl.store.leases import LeaseBook

        return LeaseBook(self._folder / "leases.json", self._clock)

    def _open(self) -> FolderBacking:
        from phoenixctl.store.folder import FolderBacking

        return FolderBacking(self._folder, self._clock, renew_seconds=self._renew_seconds)
