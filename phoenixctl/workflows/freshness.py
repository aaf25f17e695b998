"""Whether a plan still fits what it was computed from."""

from __future__ import annotations

from collections.abc import Sequence

from phoenixctl.model.errors import Stale
from phoenixctl.model.plan import Plan
from phoenixctl.planning.config_digest import config_digest
from phoenixctl.planning.fingerprint import stale
from phoenixctl.workflows.work import Work


def check_basis(plan: Plan, work: Work) -> None:
    """Stale when the record or the configuration is another than the plan's. A plan that was made
    for this very run has no basis."""
    basis, state = plan.basis, work.state
    if basis is None:
        return
    changed = []
    first = not basis.lineage and state.serial == 0  # the record got its name just now
    if not basis.lineage and not first:
        changed.append("it was made while the fleet had no record, and now there is one")
    elif basis.lineage != state.lineage and not first:
        changed.append(f"it is for the record {basis.lineage}, and this one is {state.lineage}")
    elif basis.serial != state.serial:
        changed.append(
            f"it was made after operation {basis.serial}, and the latest is {state.serial}"
        )
    if basis.config_digest != config_digest(work.means.fleet):
        changed.append("the configuration has changed")
    _refuse(changed, plan)


def check_touched(plan: Plan, work: Work) -> None:
    """Stale when something that a step relies on is not as the plan has found it."""
    _refuse(stale(plan.steps, work.snapshot, work.state), plan)


def _refuse(changed: Sequence[str], plan: Plan) -> None:
    if changed:
        again = "run phoenixctl plan again" if plan.basis else "run the command again"
        raise Stale(
            f"the plan is stale: {'; '.join(changed)}",
            hint=f"nothing was changed; {again}",
        )
