"""Who does which step."""

from __future__ import annotations

from phoenixctl.model.plan import OF_PLAYBOOKS, Action
from phoenixctl.ports.reach import Session
from phoenixctl.workflows.agents import Lifecycle
from phoenixctl.workflows.carry import Act
from phoenixctl.workflows.health import Health
from phoenixctl.workflows.migrate import Migrate
from phoenixctl.workflows.provision import Provision
from phoenixctl.workflows.reap import Reap
from phoenixctl.workflows.reboot import Reboot
from phoenixctl.workflows.retire import Retire
from phoenixctl.workflows.route import Route
from phoenixctl.workflows.tasks import Tasks
from phoenixctl.workflows.weigh import Weigh
from phoenixctl.workflows.work import Trail, Work


def acts(work: Work, health: Health | None = None) -> Act:
    """The act for every action; with `health`, no agent is taken down while too few are ready."""
    lifecycle, provision, retire = Lifecycle(work), Provision(work), Retire(work)
    reap, tasks = Reap(work), Tasks(work, recovering=health is None)

    async def on_its_node(trail: Trail) -> str:
        async def job(session: Session) -> str:
            return await lifecycle(session, trail)

        return await work.on(trail.step.node, job)

    async def destroy(trail: Trail) -> str:
        return await (reap if trail.step.instance else retire).destroy(trail)

    own: dict[Action, Act] = {
        Action.CREATE: provision.create,
        Action.JOIN: provision.join,
        Action.PROTECT: retire.protect,
        Action.UNPROTECT: retire.protect,
        Action.DESTROY: destroy,
        Action.FORGET: retire.forget,
        Action.REBOOT: Reboot(work),
        Action.MIGRATE: Migrate(work),
        Action.ROUTE: Route(work),
        Action.WEIGH: Weigh(work),
        **dict.fromkeys(OF_PLAYBOOKS, tasks),
    }

    async def act(trail: Trail) -> str:
        return await own.get(trail.step.action, on_its_node)(trail)

    if health is None:
        return act

    async def guarded(trail: Trail) -> str:
        async with health.taking_down(trail.step):
            return await act(trail)

    return guarded
