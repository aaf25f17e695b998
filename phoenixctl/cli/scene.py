"""What one run of a playbook works with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from phoenixctl.model.errors import Locked, UsageError
from phoenixctl.planning.playbook import batch_of, closing
from phoenixctl.planning.playbook_progress import former_specs

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.model.names import AgentId, NodeName
    from phoenixctl.model.playbook import Batch, Play, Playbook
    from phoenixctl.planning.playbook_moves import Moves
    from phoenixctl.ports.records import Entry, PastOperation
    from phoenixctl.workflows.look import Look

_SHOWN: Final = 4  # names of a batch


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a playbook is to be run. `approved` are steps that wait for a yes and have it."""

    yes: bool = False
    dry_run: bool = False
    restart: bool = False
    approved: frozenset[str] = frozenset()
    lock_wait_seconds: float = 0.0


@dataclass
class Scene:
    """What one run of a playbook works with, and looks at when it plans."""

    run: Run
    parts: Parts
    playbook: Playbook
    wishes: Wishes
    play: Play
    known: int = 0  # the latest operation that it knows of
    former: Mapping[AgentId, str] = field(default_factory=dict)

    async def alone(self) -> None:
        """Locked when somebody else has gone on with this run, or begun it anew, since it was
        looked for."""
        async for past in self.pasts(after=self.known):
            if past.plan.play is not None and past.plan.play.digest == self.play.digest:
                entry = past.entry
                raise Locked(
                    f"another `playbook run {self.playbook.name}` goes on with this:"
                    f" operation {entry.id} by {entry.by} at {entry.at}",
                    hint="when it has ended, type this again; who is at it: phoenixctl lock",
                )

    async def remember(self) -> None:
        """What the agents had before this run, for those that go back to it."""
        pasts = [past async for past in self.pasts()]
        self.former = former_specs(pasts, self.play.run)
        specs = {digest: spec for past in pasts for digest, spec in past.specs.items()}
        self.parts.past_specs = specs

    async def pasts(self, *, after: int = 0) -> AsyncIterator[PastOperation]:
        """The operations of this playbook, the latest first, as far as they are kept."""
        for entry in await self.parts.records.history():
            if serial_of(entry) <= after:
                return
            if entry.title.startswith(self.title("")):
                try:
                    yield await self.parts.records.past(entry.id)
                except UsageError:  # it is not kept any more, and nothing before it
                    return

    async def look(self) -> Look:
        from phoenixctl.cli.planned import looked
        from phoenixctl.workflows.observe import FULL

        return await looked(self.parts, depth=FULL)

    def moves(self, seen: Look) -> Moves:
        from phoenixctl.cli.compose import read_file
        from phoenixctl.planning.config_digest import config_digest
        from phoenixctl.planning.playbook_moves import Moves
        from phoenixctl.workflows.bootstrap import bootstrap_digests

        configured = self.parts.configured
        return Moves(
            configured,
            seen.fleet,
            seen.state,
            seen.inventory,
            config_digest(configured),
            bootstrap_digests(configured, read_file),
            self.former,
        )

    def batch(self, names: Iterable[str], without: Iterable[str]) -> Batch:
        gone = set(without)
        return batch_of([name for name in names if name not in gone], self.playbook)

    @property
    def closed(self) -> frozenset[NodeName]:
        """The nodes that later batches empty for good."""
        later = self.play.batches[self.play.batch + 1 :]
        return closing(self.playbook, [self.batch(names, self.play.failed) for names in later])

    @property
    def names(self) -> tuple[str, ...]:
        """Of the batch that is at it."""
        return self.play.batches[self.play.batch]

    @property
    def which(self) -> str:
        """`batch 2 of 5 (web-2)`."""
        of = f"batch {self.play.batch + 1} of {len(self.play.batches)}"
        names = self.names
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"{of} ({', '.join(names[:_SHOWN])}{more})" if names else of

    def title(self, what: str) -> str:
        return f"playbook {self.playbook.name}: {what}"


def serial_of(entry: Entry) -> int:
    """The place of an operation among all that there were; 0 where its line names none."""
    return int(entry.id) if entry.id.isdecimal() else 0


def silent(seen: Look) -> set[str]:
    """The nodes that do not answer."""
    return {str(node.name) for node in seen.snapshot.unobserved()}
