"""The weights that members of a router should have: what is ours, whose they are, what is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phoenixctl.metrics.series import History
from phoenixctl.model.balancing import BalanceMemory, BalancingSettings, StrategyName
from phoenixctl.model.codec import decode, encode
from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Action
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.routing import (
    BackendStatus,
    Member,
    MemberState,
    RouterFacts,
    RouterKind,
    RouterSettings,
    RouterStatus,
    SeenMember,
)
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.planning.weighing import Weighed, Weighing, weighings
from phoenixctl.planning.weight_rounds import growth, remembered, round_batches
from phoenixctl.planning.weight_steps import TAKE_BACK, plan_weights, weighed_back
from tests.builders import agent, snapshot
from tests.builders import seen as node_seen

LB = RouterSettings("lb", RouterKind.HAPROXY, "/s", {"work": "web"})
SETTINGS = BalancingSettings()
USED = AgentMetric.UTILIZATION


def member(name: str, weight: int = 100, *, total: int = 0, **more: object) -> SeenMember:
    made = SeenMember(Member(name, "10.0.0.1", 80, weight), up=True, sessions_total=total,
                      errors_total=0)  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def status(*members: SeenMember, pid: int = 7) -> RouterStatus:
    backend = BackendStatus("web", ("work",), members)
    return RouterStatus(LB, RouterFacts("2.6", pid), (backend,))


def fleet_of(*used: float | None) -> Snapshot:
    """Nodes a, b, … with an agent each, of which so much is used."""
    nodes = [
        node_seen(
            name,
            agent(f"work-{n}", metrics={} if use is None else {USED: use}),
            metrics={Metric.CPU: 0.5},
        )
        for n, (name, use) in enumerate(zip("abcdef", used, strict=False))
    ]
    return snapshot(*nodes)


def one_round(
    state: RouterStatus,
    seen: Snapshot,
    memory: BalanceMemory | None = None,
    *,
    now: float = 0.0,
    take_back: bool = False,
    settings: BalancingSettings = SETTINGS,
) -> Weighing:
    (found,) = weighings(
        [state], seen, memory or BalanceMemory(), settings, now=now, take_back=take_back
    )
    return found


def after(
    found: Weighing, memory: BalanceMemory | None = None, *, now: float = 0.0
) -> BalanceMemory:
    return remembered([found], memory or BalanceMemory(), at_seconds=now)


def rows(found: Weighing) -> dict[str, Weighed]:
    return {row.name: row for row in found.members}


def two_rounds(totals: tuple[int, int], used: tuple[float, float]) -> Weighing:
    """A first round that only counts, and one half a minute later."""
    both = fleet_of(*used)
    first = one_round(status(member("work-0"), member("work-1")), both)
    counted = status(*(member(f"work-{n}", total=total) for n, total in enumerate(totals)))
    return one_round(counted, both, after(first), now=30.0)


def test_requests_are_what_the_router_has_counted_since_the_round_before() -> None:
    found = rows(two_rounds((3000, 1500), (0.5, 0.5)))
    assert found["work-0"].requests_per_second == pytest.approx(100)
    assert found["work-1"].requests_per_second == pytest.approx(50)
    assert found["work-0"].capacity == pytest.approx(200)
    assert found["work-0"].weight > 1 > found["work-1"].weight  # type: ignore[operator]


def test_the_first_round_knows_nothing_and_changes_nothing() -> None:
    found = one_round(status(member("work-0"), member("work-1")), fleet_of(0.1, 0.9))
    plan = plan_weights([found], strategy="least-connections")
    assert plan.steps == ()
    assert plan.unchanged == ("lb/web has the weights that it should have",)


def test_an_agent_that_says_nothing_is_as_busy_as_its_node() -> None:
    found = one_round(status(member("work-0")), fleet_of(None))
    assert rows(found)["work-0"].utilization == 0.5


def test_weights_are_shares_of_the_router_s_own_and_a_step_of_a_plan() -> None:
    (step,) = plan_weights([two_rounds((3000, 1500), (0.5, 0.5))], strategy="x").steps
    assert (step.action, step.router, step.key) == (Action.WEIGH, "lb/web", "set weights lb/web")
    changes = {change.name: (change.before, change.after) for change in step.changes}
    assert changes == {"work-0": ("100", "123"), "work-1": ("100", "77")}
    back = weighed_back(step, "takes it back")
    assert {c.name: c.after for c in back.changes} == {"work-0": "100", "work-1": "100"}


def test_a_weight_of_another_hand_is_drift_until_it_is_taken_back() -> None:
    both, memory = fleet_of(0.5, 0.5), BalanceMemory()
    first = one_round(status(member("work-0"), member("work-1")), both)
    memory = after(first)
    touched = status(member("work-0", 7), member("work-1"))
    found = one_round(touched, both, memory, now=30)
    assert rows(found)["work-0"].wanted is None
    (drift,) = plan_weights([found], strategy="x").drift
    assert drift.address == "router.lb/web"
    assert drift.what == "work-0 has weight 7, set by another hand: 100 was set last"
    assert drift.hint == TAKE_BACK
    # It stays so in later rounds, and is ours again as soon as it is what we set, or taken back.
    again = one_round(touched, both, after(found, memory, now=30), now=60)
    assert rows(again)["work-0"].foreign
    ours = one_round(status(member("work-0"), member("work-1")), both, after(found), now=60)
    assert not rows(ours)["work-0"].foreign
    taken = one_round(touched, both, memory, now=30, take_back=True)
    assert rows(taken)["work-0"].wanted == 100


def test_an_apply_that_was_cut_off_leaves_weights_that_are_ours_either_way() -> None:
    found = two_rounds((3000, 1500), (0.5, 0.5))
    memory = after(found)
    for half in ((100, 77), (123, 77), (100, 100)):
        state = status(*(member(f"work-{n}", weight) for n, weight in enumerate(half)))
        later = one_round(state, fleet_of(0.5, 0.5), memory, now=60)
        assert not any(row.foreign for row in later.members)


def test_a_router_that_was_started_anew_has_lost_its_weights_to_nobody() -> None:
    both = fleet_of(0.5, 0.5)
    memory = after(two_rounds((3000, 1500), (0.5, 0.5)))
    anew = status(member("work-0", 1), member("work-1", 1), pid=8)
    found = one_round(anew, both, memory, now=60)
    assert found.restarted
    (step,) = plan_weights([found], strategy="x").steps
    assert step.reason.startswith("the router was started anew and lost its weights")
    # A step further on the way to 133 and 67 than before, from what is remembered.
    assert {c.name: c.after for c in step.changes} == {"work-0": "126", "work-1": "70"}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"weighs_itself": True}, "its agent-check sets the weight"),
        ({"held": True}, "it is held"),
        ({"member": Member("work-0", "10.0.0.1", 80, 100, MemberState.DRAIN)}, "it is drain"),
    ],
)
def test_who_does_not_take_weights_just_now_is_left_alone(
    more: dict[str, object], why: str
) -> None:
    state = status(member("work-0", **more), member("work-1"))
    found = rows(one_round(state, fleet_of(0.5, 0.5)))["work-0"]
    assert (found.wanted, found.why) == (None, why)


def test_members_of_others_are_shown_and_left_alone() -> None:
    state = status(member("work-0"), member("legacy"), member("work-5"))
    found = rows(one_round(state, fleet_of(0.5)))
    assert found["legacy"].wanted is found["work-5"].wanted is None
    assert found["work-0"].wanted == 100


def test_who_was_taken_out_gets_nothing_unless_nobody_else_serves() -> None:
    out = BalanceMemory(out=(AgentId("work-0"),))
    both = one_round(status(member("work-0"), member("work-1")), fleet_of(0.5, 0.5), out)
    assert [row.wanted for row in both.members] == [0, 100]
    alone = one_round(status(member("work-0")), fleet_of(0.5), out)
    assert (alone.members[0].wanted, alone.members[0].why) == (None, "somebody has to serve")


def test_one_that_is_down_keeps_a_little_and_gets_its_share_back() -> None:
    good = [member(f"work-{n}") for n in range(4)]
    seen, memory = fleet_of(*[0.5] * 4), BalanceMemory()
    weights = []
    for number in range(6):
        down = number < 4
        last = replace(good[3], up=not down)
        have = weights[-1] if weights else [100] * 4
        current = [
            replace(one, member=replace(one.member, weight=weight))
            for one, weight in zip((*good[:3], last), have, strict=True)
        ]
        found = one_round(status(*current), seen, memory, now=30.0 * number)
        memory = after(found, memory, now=30.0 * number)
        weights.append([row.wanted for row in found.members])
    assert weights[3][3] == 10
    assert weights[5][3] > 10
    assert min(min(one) for one in weights) > 0


def test_a_router_that_restarts_its_counters_is_not_believed_for_that_round() -> None:
    memory = after(two_rounds((3000, 1500), (0.5, 0.5)), now=30)
    found = one_round(
        status(member("work-0", 123, total=10), member("work-1", 77, total=1600)),
        fleet_of(0.5, 0.5), memory, now=60,
    )  # fmt: skip
    assert rows(found)["work-0"].requests_per_second is None


def test_what_is_kept_can_be_written_and_the_next_round_goes_on_from_it() -> None:
    found = two_rounds((3000, 1500), (0.5, 0.5))
    memory = after(found, now=30)
    assert decode(BalanceMemory, encode(memory)) == memory
    later = one_round(
        status(member("work-0", 123, total=6690), member("work-1", 77, total=2655)),
        fleet_of(0.615, 0.385), memory, now=60,
    )  # fmt: skip
    # 123 requests at 61.5 % and 38.5 at 38.5 %: what they could take is as it was.
    assert later.round.capacity.tolist() == pytest.approx([200, 100], rel=0.01)


def test_a_router_that_has_lost_its_members_makes_nothing_be_forgotten() -> None:
    memory = after(two_rounds((3000, 1500), (0.5, 0.5)), now=30)
    empty = one_round(status(pid=8), fleet_of(0.5, 0.5), memory, now=60)
    assert after(empty, memory, now=60) == memory


def test_a_round_is_kept_over_time_by_agent() -> None:
    (batch,) = round_batches([two_rounds((3000, 1500), (0.5, 0.5))], at_seconds=30.0)
    assert batch.subjects == ("a/work-0", "b/work-1")
    of = '{backend="lb/web"}'
    assert batch.columns[f"balance_capacity{of}"].tolist() == pytest.approx([200, 100])
    assert batch.columns[f"balance_weight_set{of}"].tolist() == [100, 100]
    assert np.isnan(batch.columns[f"balance_weight_effective{of}"]).all()


def test_the_load_to_come_is_told_by_the_trend_of_earlier_rounds() -> None:
    times = np.arange(20) * 30.0
    noise = np.random.default_rng(1).normal(0, 1, 20)

    def told(total: np.ndarray) -> float:
        half = np.stack([total / 2, total / 2], axis=1).astype(np.float32)
        return growth(History(times, ("a/work-0", "b/work-1"), half), ahead_seconds=30.0)

    assert told(np.full(20, 100.0) + noise) == 1.0
    # From 100 on by 10 a round: 290 at the end, and 300 next.
    assert told(100.0 + 10 * np.arange(20) + noise) == pytest.approx(290 / 280, rel=0.01)
    assert told(np.full(20, np.nan)) == 1.0


def test_round_robin_wants_the_same_for_all() -> None:
    settings = replace(SETTINGS, strategy=StrategyName.ROUND_ROBIN)
    state = status(member("work-0", 150), member("work-1", 50))
    found = one_round(state, fleet_of(0.9, 0.1), settings=settings)
    assert [row.wanted for row in found.members] == [100, 100]
