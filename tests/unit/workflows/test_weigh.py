"""The step that sets weights: all of them, read back, and once is enough."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from phoenixctl.model.errors import CommandFailed, Unreachable
from phoenixctl.model.plan import Action, Change, Step
from phoenixctl.model.playbook import EVERYWHERE
from phoenixctl.model.routing import Member
from phoenixctl.workflows.weigh import Weigh
from tests.builders import fleet, spec
from tests.unit.workflows.fake_router import BACKEND, SPEC, FakeRouter
from tests.unit.workflows.running import Site, trail


class Stubborn(FakeRouter):
    """Says yes and keeps its weights."""

    async def set_weights(self, backend: str, weights: Mapping[str, int]) -> tuple[str, ...]:
        del backend, weights
        return ("set",)


async def weighed(router: FakeRouter, weights: Mapping[str, tuple[int, int]]) -> str:
    site = Site(fleet(agents=[spec(SPEC, port=80)]), {}, routers={"lb": router})
    changes = tuple(Change(name, str(old), str(new)) for name, (old, new) in weights.items())
    step = Step(Action.WEIGH, EVERYWHERE, None, "why", changes=changes, router=f"lb/{BACKEND}")
    return await Weigh(site.work())(trail(step))


def two(router: FakeRouter) -> FakeRouter:
    return router.has(Member("work-0", "10.0.0.1", 80), Member("work-1", "10.0.0.2", 80))


def now(router: FakeRouter) -> dict[str, int]:
    return {name: one.member.weight for name, one in router.seen.items()}


async def test_weights_are_set_and_read_back() -> None:
    router = two(FakeRouter())
    said = await weighed(router, {"work-0": (100, 120), "work-1": (100, 60)})
    assert said == "2 weights are set and read back"
    assert now(router) == {"work-0": 120, "work-1": 60}


async def test_a_step_that_was_cut_off_is_done_again_without_harm() -> None:
    router = two(FakeRouter())
    changes = {"work-0": (100, 120), "work-1": (100, 60)}
    await weighed(router, changes)
    await weighed(router, changes)
    assert now(router) == {"work-0": 120, "work-1": 60}


async def test_a_member_that_is_gone_meanwhile_is_named() -> None:
    router = two(FakeRouter())
    said = await weighed(router, {"work-0": (100, 120), "work-7": (100, 60)})
    assert said == "1 weight is set and read back; gone meanwhile: work-7"
    assert now(router) == {"work-0": 120, "work-1": 100}


async def test_a_router_that_does_not_keep_them_is_an_error() -> None:
    with pytest.raises(CommandFailed, match=r"did not keep the weights: work-0 has 100"):
        await weighed(two(Stubborn()), {"work-0": (100, 120)})


async def test_a_silent_router_was_not_changed() -> None:
    router = two(FakeRouter())
    router.error = Unreachable("lb: nothing answers there")
    with pytest.raises(Unreachable):
        await weighed(router, {"work-0": (100, 120)})
