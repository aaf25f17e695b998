"""The opposite of an earlier operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from phoenixctl.model.fleet import AgentSpec, Guards, Order, Pool, Rollout, Share
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Risk, Stopping
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.cordons import plan_cordon
from phoenixctl.planning.difference import Scope
from phoenixctl.planning.drain import plan_drain
from phoenixctl.planning.lifecycle import plan_restart, plan_stop
from phoenixctl.planning.protect import plan_protect
from phoenixctl.planning.rollback import plan_rollback
from phoenixctl.remote.agents import spec_digest
from tests.builders import fleet, instances, node, spec
from tests.scenarios.world import UNGUARDED, World

WEB = spec("web", replicas=2, env={"LEVEL": "info"})
DEBUG = replace(WEB, env={"LEVEL": "debug"})
A, B = NodeName("a"), NodeName("b")


@dataclass(frozen=True)
class Entry:
    id: str = "7"


@dataclass(frozen=True)
class End:
    key: str
    outcome: str = "ok"


@dataclass(frozen=True)
class Past:
    plan: Plan
    ends: tuple[End, ...]
    specs: Mapping[str, AgentSpec] = field(default_factory=dict)
    entry: Entry = Entry()


def done(w: World, plan: Plan, *, failed: tuple[int, ...] = ()) -> Past:
    """The plan carried out, but for some steps and what waits for them."""
    known = {spec_digest(s): s for s in (*w.fleet.agents.values(), *w.specs.values())}
    w.carry_out(plan, lost=failed)
    assert plan.steps
    ends = tuple(End(s.key, "failed" if n in failed else "ok") for n, s in enumerate(plan.steps))
    return Past(plan, ends, known)


def rollback(w: World, past: Past, guards: Guards = UNGUARDED) -> Plan:
    everything = replace(w.fleet, nodes=w.nodes())
    return plan_rollback(past, everything, w.state, w.look(), guards=guards)


def keys(plan: Plan) -> list[str]:
    return [step.key for step in plan.steps]


def running(size: int = 2, *, agents: tuple[AgentSpec, ...] = (WEB,), **pool: object) -> World:
    """A pool of made nodes with its agents, as applied."""
    more = {"minimum": 0, "size": size, **pool}
    made = Pool("main", "local", **more)  # type: ignore[arg-type]
    w = World(replace(fleet(agents=agents), pools={"main": made}))
    w.carry_out(w.plan())
    return w


def test_an_update_goes_back_to_the_earlier_specification_in_the_reverse_order() -> None:
    w = running()
    w.fleet = replace(w.fleet, agents={"web": DEBUG})
    plan = rollback(w, done(w, w.plan()))
    first, second = plan.steps
    assert keys(plan) == ["update agent web-1@main-2", "update agent web-0@main-1"]
    assert second.after == (first.key,)
    assert {s.spec_digest for s in plan.steps} == {spec_digest(WEB)}
    assert [(c.name, c.before, c.after) for c in first.changes] == [("env.LEVEL", "debug", "info")]
    assert plan.title == "roll back 7"
    w.carry_out(plan)
    assert all(started.env == WEB.env for started in w.specs.values())


def test_the_first_operation_of_all_is_taken_back_to_nothing() -> None:
    made = Pool("main", "local", minimum=0, size=2)
    w = World(replace(fleet(agents=[WEB]), pools={"main": made}))
    plan = rollback(w, done(w, w.plan()))
    assert keys(plan) == [
        "cordon node main-1", "cordon node main-2",
        "stop agent web-0@main-1", "stop agent web-1@main-2",
        "destroy node main-1", "destroy node main-2",
    ] or {s.action for s in plan.steps} == {Action.CORDON, Action.STOP, Action.DESTROY}  # fmt: skip
    w.carry_out(plan)
    assert (w.made, w.state.agents) == ({}, {})


def test_a_stopped_agent_is_started_where_it_was() -> None:
    w = running()
    plan = rollback(w, done(w, plan_stop([AgentId("web-0")], w.look())))
    assert keys(plan) == ["start agent web-0@main-1"]
    w.carry_out(plan)
    assert w.running()["web-0"] == ["main-1"]


def test_a_pool_that_was_scaled_out_goes_back_to_its_size() -> None:
    w = running(1)
    past = done(w, w.plan(Scope(targets=("pool.main",), sizes={"main": 2})))
    plan = rollback(w, past)
    assert keys(plan) == ["cordon node main-2", "destroy node main-2"]
    assert plan.sizes == {"main": 1}
    assert plan.steps[-1].risk is Risk.DESTRUCTIVE
    w.carry_out(plan)
    assert set(w.made) == {"main-1"}


def test_what_was_started_on_a_node_since_is_drained_before_it_goes() -> None:
    w = running(1)
    past = done(w, w.plan(Scope(targets=("pool.main",), sizes={"main": 2})))
    w.fleet = replace(w.fleet, agents={"web": replace(WEB, replicas=3)})
    w.carry_out(w.plan(Scope(sizes={"main": 2})))
    plan = rollback(w, past)
    assert keys(plan) == [
        "cordon node main-2", "drain agent web-2@main-2", "destroy node main-2",
    ]  # fmt: skip
    assert plan.steps[-1].after == ("cordon node main-2", "drain agent web-2@main-2")


def test_a_node_that_was_destroyed_is_made_again_and_its_agents_go_back() -> None:
    w = running(2)
    plan = rollback(w, past := done(w, w.plan(Scope(sizes={"main": 1}))))
    assert keys(plan) == [
        "create node main-2", "join node main-2",
        "stop agent web-1@main-1", "start agent web-1@main-2",
    ]  # fmt: skip
    assert set(plan.steps[-1].after) >= {"stop agent web-1@main-1", "join node main-2"}
    assert plan.warnings == ()
    assert plan.sizes == {"main": 2}
    assert "cordon node main-2" in keys(past.plan)
    w.carry_out(plan)
    assert w.running() == {"web-0": ["main-1"], "web-1": ["main-2"]}


def test_only_steps_that_ended_well_are_taken_back() -> None:
    w = running()
    w.fleet = replace(w.fleet, agents={"web": DEBUG})
    past = done(w, w.plan(), failed=(1,))
    assert keys(rollback(w, past)) == ["update agent web-0@main-1"]


def test_what_is_not_as_the_operation_left_it_stays_and_is_named() -> None:
    w = running()
    w.fleet = replace(w.fleet, agents={"web": DEBUG})
    past = done(w, w.plan())
    w.agents[AgentId("web-0"), NodeName("main-1")] = AgentState.FAILED
    w.fleet = replace(w.fleet, agents={"web": replace(WEB, env={"LEVEL": "trace"})})
    w.carry_out(w.plan())
    plan = rollback(w, past)
    assert plan.steps == ()
    why = "is not taken back: it does not run there as that operation left it"
    assert plan.warnings == (
        f"update agent web-1@main-2 {why}", f"update agent web-0@main-1 {why}",
    )  # fmt: skip


def test_an_agent_that_runs_elsewhere_meanwhile_is_not_started_again() -> None:
    w = running()
    past = done(w, plan_stop([AgentId("web-0")], w.look()))
    w.cordoned.add(NodeName("main-1"))
    w.carry_out(w.plan())
    plan = rollback(w, past)
    assert plan.steps == ()
    assert plan.warnings == ("stop agent web-0@main-1 is not taken back: it runs on main-2",)


def test_an_agent_whose_specification_is_lost_is_not_started() -> None:
    w = running()
    past = done(w, plan_stop([AgentId("web-0")], w.look()))
    w.fleet = replace(w.fleet, agents={"web": DEBUG})
    w.state = replace(w.state, specs={})
    plan = rollback(w, replace(past, specs={}))
    assert plan.steps == ()
    assert "is not known any more" in plan.warnings[0]


def test_marks_are_taken_off_and_put_on_again() -> None:
    w = running(1)
    main = NodeName("main-1")
    drained = plan_drain([main], w.fleet, w.state, w.look(), w.inventory(), stop=Stopping.ALL)
    past = done(w, drained)
    plan = rollback(w, past)
    assert keys(plan) == [
        "start agent web-0@main-1", "start agent web-1@main-1", "uncordon node main-1",
    ] or keys(plan)[-1].startswith("start")  # fmt: skip
    protected = done(w, plan_protect([main], w.state))
    assert keys(rollback(w, protected)) == ["unprotect node main-1"]


def test_a_mark_that_is_gone_already_is_named() -> None:
    w = running(1)
    past = done(w, plan_cordon([NodeName("main-1")], w.look()))
    w.cordoned.clear()
    plan = rollback(w, past)
    assert plan.steps == ()
    assert plan.warnings == ("cordon node main-1 is not taken back: it is not cordoned now",)


def test_a_node_made_anew_in_place_cannot_be_had_back() -> None:
    w = running(1, agents=(spec("web"),), rollout=Rollout(Order.IN_PLACE))
    past = done(w, w.plan(Scope(replace=(NodeName("main-1"),))))
    plan = rollback(w, past)
    assert (
        "destroy node main-1 is not taken back: it was made anew, and the earlier machine is"
        in (" ".join(plan.warnings))
    )
    assert not {Action.CREATE, Action.DESTROY} & {s.action for s in plan.steps}


def test_a_restart_and_a_join_need_no_taking_back() -> None:
    w = running()
    past = done(w, plan_restart(instances(w.fleet), w.look(), at_once=1))
    assert (rollback(w, past).steps, rollback(w, past).warnings) == ((), ())


def test_a_host_that_was_forgotten_joins_again_if_it_is_configured_again() -> None:
    w = World(fleet(node("a"), node("b"), agents=[WEB]))
    w.carry_out(w.plan())
    both = w.fleet
    w.fleet = replace(both, nodes={A: both.nodes[A]})
    past = done(w, w.plan())
    assert "forget node b is not taken back: it is not in the configuration" in (
        rollback(w, past).warnings
    )
    w.fleet = both
    plan = rollback(w, past)
    assert "join node b" in keys(plan)


def test_rolling_back_is_guarded_like_every_plan() -> None:
    w = running(1)
    past = done(w, w.plan(Scope(targets=("pool.main",), sizes={"main": 4})))
    record = w.state.nodes[NodeName("main-4")]
    w.state = replace(
        w.state, nodes={**w.state.nodes, record.node.name: replace(record, protected=True)}
    )
    plan = rollback(w, past, Guards(max_destroy=Share(count=1)))
    assert [b.guard for b in plan.breaches] == ["protected", "max_destroy"]


def test_a_node_that_another_operation_made_since_is_left_alone() -> None:
    w = running(1)
    past = done(w, w.plan(Scope(targets=("pool.main",), sizes={"main": 2})))
    name = NodeName("main-2")
    later = replace(w.state.nodes[name], operation="9 create node main-2")
    w.state = replace(w.state, nodes={**w.state.nodes, name: later})
    plan = rollback(w, past)
    assert plan.steps == ()
    assert plan.warnings == (
        "create node main-2 is not taken back: it was made by another operation since",
    )
