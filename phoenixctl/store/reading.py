"""Reading what is kept: the state file with what the journal knows beyond it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from phoenixctl.model.errors import StateDamaged
from phoenixctl.model.state import State
from phoenixctl.store.backing import Backing
from phoenixctl.store.document import Unreadable, Written, read_document
from phoenixctl.store.events import Event, Line
from phoenixctl.store.folding import Kept, fold

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Backup:
    """A state file that is kept. `damage` says why it cannot be read, empty when it can."""

    serial: int
    at: str  # when it was written, RFC 3339
    nodes: int
    agents: int
    damage: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of a fleet's record though it cannot be read: its name for life, and the
    latest serial that was given out."""

    lineage: str
    serial: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The record, and the journal's lines that are not in it. `kept` is None for a new fleet;
    `latest` is the highest serial of a backup."""

    kept: Kept | None
    lines: tuple[Line, ...]
    latest: int

    def folded(self, fleet: str) -> Kept:
        """The record as it is now."""
        if self.kept is None:
            return Kept(State(fleet, "", 0))
        return self.numbered(fold(self.kept, self.events()))

    def numbered(self, kept: Kept) -> Kept:
        """The same with a serial that was never given out for anything else, also when the state
        file was put back to an older one by hand."""
        return replace(kept, state=replace(kept.state, serial=max(kept.state.serial, self.latest)))

    def newer(self) -> Mapping[str, list[Line]]:
        """Lines of the operations that the state file does not have yet, by operation in order."""
        newest = self.kept.state.serial if self.kept is not None else 0
        return by_operation(line for line in self.lines if line.serial > newest)

    def events(self) -> list[Event]:
        return [line.event() for lines in self.newer().values() for line in lines]


def by_operation(lines: Iterable[Line]) -> Mapping[str, list[Line]]:
    found: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        found[line.serial].append(line)
    return {str(serial): found[serial] for serial in sorted(found)}


def is_closed(lines: Iterable[Line]) -> bool:
    return any(line.kind == "close" for line in lines)


class Reader:
    """Reads the pieces of one fleet's records and judges them."""

    def __init__(self, backing: Backing, fleet: str) -> None:
        self._backing = backing
        self._fleet = fleet

    async def read(self) -> Reading:
        """Both pieces as they were at one moment, without the lock."""
        for _ in range(_TRIES):
            version = await self._backing.version()
            reading = await self.judge(await self._backing.state())
            if version == await self._backing.version():
                break
        return reading

    async def judge(self, raw: bytes | None) -> Reading:
        """What a state file and the journal say. StateDamaged says why, and what to type."""
        latest = max(await self._backing.backups(), default=0)
        if raw is None:
            if latest or await self.lines(0):
                raise await self.damaged("it is missing, though there is more of this record")
            return Reading(None, (), 0)
        try:
            kept = read_document(raw, self._fleet).kept
        except Unreadable as why:
            raise await self.damaged(str(why), newer=why.newer) from None
        return Reading(kept, tuple(await self.lines(kept.state.serial)), latest)

    async def damaged(self, why: str, *, newer: bool = False) -> StateDamaged:
        what = f"{self._backing.where} cannot be used: {why}"
        if newer:
            return StateDamaged(what, hint="install the version of phoenixctl that wrote it")
        for serial in await self._backing.backups():
            if not (await self.backup(serial)).damage:
                return StateDamaged(
                    what,
                    hint=f"phoenixctl state restore {serial} (the newest good backup), "
                    "or phoenixctl refresh --adopt (from what the nodes show)",
                )
        return StateDamaged(what, hint="phoenixctl refresh --adopt")

    async def backup(self, serial: int) -> Backup:
        written = await self.kept_backup(serial)
        if isinstance(written, str):
            return Backup(serial, "", 0, 0, written)
        state = written.kept.state
        return Backup(serial, written.at, len(state.nodes), len(state.agents), "")

    async def kept_backup(self, serial: int) -> Written | str:
        """What a backup holds, or why it cannot be read."""
        raw = await self._backing.backup(serial)
        if raw is None:
            return "it is not there"
        try:
            return read_document(raw, self._fleet)
        except Unreadable as why:
            return str(why)

    async def newest_good(self) -> Kept | None:
        for serial in await self._backing.backups():
            written = await self.kept_backup(serial)
            if isinstance(written, Written):
                return written.kept
        return None

    async def salvage(self, raw: bytes | None) -> tuple[Kept, bool]:
        """The best there is to build on when a record is put in the place of `raw`; whether that
        is `raw` itself."""
        if raw is not None:
            try:
                return read_document(raw, self._fleet).kept, True
            except Unreadable:
                pass
        return await self.newest_good() or Kept(State(self._fleet, "", 0)), False

    async def trace(self, raw: bytes | None) -> Trace | None:
        """Lineage and latest serial, from whatever is there; None when there was never a record."""
        kept, _ = await self.salvage(raw)
        lines = await self.lines(0)
        serials = [kept.state.serial, *await self._backing.backups(), *(n.serial for n in lines)]
        lineages = [str(line.content["lineage"]) for line in lines if "lineage" in line.content]
        lineage = kept.state.lineage or (lineages[-1] if lineages else "")
        return Trace(lineage, max(serials)) if lineage or max(serials) else None

    async def lines(self, after: int) -> Sequence[Line]:
        lines, _ = await self._backing.journal(after)
        return lines
