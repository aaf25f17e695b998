"""How far a run of a playbook has come, told from the operations that it has left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.playbook import EVERYWHERE, Batch, Play, Playbook, Stage
from phoenixctl.planning.playbook import batch_of, owners_of, stages_of
from phoenixctl.planning.rollback import Past

OK: Final = "ok"
_BAD: Final = ("failed", "unknown")


@dataclass(frozen=True, slots=True)
class Progress:
    """`play` is of the batch to go on with; `over` what is done of it, `undone` what of taking it
    back, when that is under way."""

    play: Play
    over: frozenset[tuple[str, str]] = frozenset()
    undone: frozenset[tuple[str, str]] = frozenset()


def progress(playbook: Playbook, digest: str, pasts: Iterable[Past]) -> Progress | None:
    """The run that is to be gone on with, None when there is none: it was never begun, or it has
    ended. `pasts` are operations of this playbook, the latest first.
    """
    mine: list[tuple[Play, Past]] = []
    for past in pasts:
        play = past.plan.play
        if play is None or play.digest != digest:
            continue
        if (mine and play.run != mine[0][0].run) or play.ended:
            break
        mine.append((play, past))
    if not mine:
        return None
    return _of(playbook, mine)


def _of(playbook: Playbook, mine: Sequence[tuple[Play, Past]]) -> Progress:
    latest = mine[0][0]
    batch, count = batch_of(latest.batches[latest.batch], playbook), len(latest.batches)
    stages = stages_of(playbook, latest.batch, count)
    done, back = Done(stages), Done(playbook.rollback)
    for play, past in reversed(mine):
        if play.batch != latest.batch:
            continue
        ends = {end.key: end.outcome for end in past.ends}
        (back if play.undoing else done).take(past.plan.steps, ends, batch)
        if play.given_up and all(ends.get(step.key) == OK for step in past.plan.steps):
            # The batch is as it was before, so it is begun anew.
            done, back = Done(stages), Done(playbook.rollback)
            latest = replace(latest, undoing=False, given_up=False)
    return Progress(latest, done.over(), back.over())


def former_specs(pasts: Iterable[Past], run: str) -> dict[AgentId, str]:
    """The digest of the specification that each agent had before the run changed it. `pasts` are
    operations, the latest first."""
    found: dict[AgentId, str] = {}
    for past in pasts:
        if past.plan.play is None or past.plan.play.run != run:
            continue
        for step in past.plan.steps:
            if step.agent and step.inverse and step.inverse.action is Action.UPDATE:
                found[step.agent] = step.inverse.spec_digest
    return found


class Done:
    """What is done of a few steps of a playbook, told from how steps of plans have ended."""

    def __init__(self, stages: Iterable[Stage], over: Iterable[tuple[str, str]] = ()) -> None:
        self._stages = tuple(stages)
        self._attempts: dict[tuple[str, str], bool] = dict.fromkeys(over, True)
        self._begun: set[tuple[str, str]] = set()

    def take(self, steps: Sequence[Step], ends: Mapping[str, str], batch: Batch) -> None:
        """These steps have ended so, by their keys; the latest attempt counts."""
        found: dict[tuple[str, str], list[bool]] = {}
        owners = owners_of(steps, self._stages, batch)
        for step in steps:
            owner = owners[step.key]
            if owner is not None:
                found.setdefault((step.stage, owner), []).append(ends.get(step.key) == OK)
        self._attempts.update({key: all(well) for key, well in found.items()})
        self._begun |= {key for key, well in found.items() if any(well)}

    def finish(self, stages: Iterable[Stage], later: Collection[str]) -> None:
        """These are over for all, but for the `later` ones: nothing of them is left to do."""
        for stage in stages:
            if stage.name not in later:
                self._attempts[stage.name, str(EVERYWHERE)] = True

    def over(self) -> frozenset[tuple[str, str]]:
        """A step is over when all of it ended well, or a later one has begun for the same."""
        found = {key for key, well in self._attempts.items() if well}
        order = [stage.name for stage in self._stages]
        for stage, subject in self._begun:
            found |= {(earlier, subject) for earlier in order[: order.index(stage)]}
        return frozenset(found)


def fallen(
    steps: Sequence[Step], ends: Mapping[str, str], stages: Iterable[Stage], batch: Batch
) -> frozenset[str]:
    """Who of a batch has failed in a plan: nodes or agents, or `*` for the batch as a whole.

    What was only skipped, because another one failed, has not failed; but what helps one and
    failed has made that one fail.
    """
    owners = owners_of(steps, stages, batch)
    because: dict[str, bool] = {}  # of each step that was not done: whether a helper failed for it
    failed: set[str] = set()
    for step in steps:
        outcome = ends.get(step.key, "")
        if outcome == OK:
            continue
        owner = owners[step.key]
        if outcome in _BAD:
            because[step.key] = owner is None
        else:
            because[step.key] = any(because.get(key, False) for key in step.after)
        if owner is not None and (outcome in _BAD or because[step.key]):
            failed.add(owner)
    unfinished = any(ends.get(step.key) != OK for step in steps)
    return frozenset(failed or ({str(EVERYWHERE)} if unfinished else ()))
