"""The step that sets the weights of a backend's members, and looks whether they are set."""

from __future__ import annotations

from phoenixctl.model.errors import CommandFailed
from phoenixctl.workflows.work import Trail, Work


class Weigh:
    """Does the steps about weights."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def __call__(self, trail: Trail) -> str:
        name, _, backend = trail.step.router.partition("/")
        router = self._work.traffic.router(name)
        wanted = {
            change.name: int(change.after)
            for change in trail.step.changes
            if change.after is not None
        }
        there = {one.member.name for one in await router.members(backend)}
        gone = sorted(wanted.keys() - there)
        left = {member: weight for member, weight in wanted.items() if member in there}
        await router.set_weights(backend, left)
        now = {one.member.name: one.member.weight for one in await router.members(backend)}
        other = [f"{m} has {now.get(m)}" for m, weight in left.items() if now.get(m) != weight]
        if other:
            raise CommandFailed(
                f"{trail.step.router} did not keep the weights: {', '.join(other)}",
                hint="phoenixctl balance status",
            )
        said = f"{len(left)} weight{' is' if len(left) == 1 else 's are'} set and read back"
        return f"{said}; gone meanwhile: {', '.join(gone)}" if gone else said
