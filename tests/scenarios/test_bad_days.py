"""Whatever happens to a fleet, its plans never start an agent twice and lead back to order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.errors import Refused
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Plan, Stopping
from phoenixctl.model.snapshot import AgentState
from phoenixctl.performance.verdict import Level, judge
from phoenixctl.planning.cordons import plan_cordon, plan_uncordon
from phoenixctl.planning.drain import plan_drain
from phoenixctl.planning.lifecycle import plan_restart, plan_start, plan_stop
from tests.builders import fleet, node, spec
from tests.scenarios.world import ALIVE, World

A, B, C = (NodeName(n) for n in "abc")
WEB = spec("web", replicas=3)
DB = spec("db", nodes=["c"], port=9000)


def world() -> World:
    return World(fleet(node("a"), node("b"), node("c"), agents=[WEB, DB]))


def start(w: World, *, lost: tuple[int, ...] = ()) -> None:
    w.carry_out(plan_start(w.fleet.instances(), w.fleet, w.look()), lost=lost)


def drain(w: World, there: NodeName, stop: Stopping | None = Stopping.UNPLACED) -> Plan:
    return plan_drain([there], w.fleet, w.state, w.look(), w.inventory(), stop=stop)


def test_a_node_is_taken_out_for_repair_and_comes_back() -> None:
    w = world()
    start(w)
    assert w.running() == {"web-0": ["a"], "web-1": ["b"], "web-2": ["a"], "db-0": ["c"]}
    assert judge(w.fleet, w.look()).level is Level.HEALTHY
    w.carry_out(drain(w, A))
    assert judge(w.fleet, w.look()).level is Level.HEALTHY
    assert w.running() == {"web-0": ["b"], "web-1": ["b"], "web-2": ["c"], "db-0": ["c"]}
    w.carry_out(plan_uncordon([A], w.look()))
    assert plan_start(w.fleet.instances(), w.fleet, w.look()).steps == ()
    assert judge(w.fleet, w.look()).level is Level.HEALTHY


def test_a_drain_that_was_cut_off_is_finished_by_typing_it_again() -> None:
    w = world()
    start(w)
    w.carry_out(drain(w, A), lost=(2,))
    assert w.running()["web-0"] == []
    assert w.running()["web-2"] == ["a"]
    w.carry_out(drain(w, A))
    assert w.running() == {"web-0": ["b"], "web-1": ["b"], "web-2": ["c"], "db-0": ["c"]}
    assert drain(w, A).steps == ()


def test_a_drain_whose_cordon_failed_touches_no_agent() -> None:
    w = world()
    start(w)
    before = w.running()
    w.carry_out(drain(w, A), lost=(0,))
    assert w.running() == before


def test_what_runs_on_a_node_that_is_cut_off_is_not_started_beside_it() -> None:
    w = world()
    start(w)
    w.cut_off.add(B)
    start(w)
    assert w.running()["web-1"] == ["b"]
    w.cut_off.clear()
    assert judge(w.fleet, w.look()).level is Level.HEALTHY


def test_an_agent_that_failed_and_was_started_elsewhere_does_not_come_back_at_home() -> None:
    w = world()
    start(w)
    w.agents[AgentId("web-0"), A] = AgentState.FAILED
    w.carry_out(plan_cordon([A], w.look()))
    start(w)
    assert w.running()["web-0"] == ["b"]
    w.carry_out(plan_restart(w.fleet.instances(), w.look(), at_once=1))
    assert w.running()["web-0"] == ["b"]


EVENTS = st.one_of(
    st.tuples(st.sampled_from(["cut off", "back", "cordon", "uncordon", "drain"]),
              st.sampled_from([A, B, C]), st.sets(st.integers(0, 3))),
    st.tuples(st.sampled_from(["start", "stop", "restart"]),
              st.sampled_from(["web-0", "web-1", "db-0", "all"]), st.sets(st.integers(0, 3))),
    st.tuples(st.just("fails"), st.sampled_from(["web-0", "web-2"]), st.just(set())),
)  # fmt: skip


def happen(w: World, what: str, name: str, lost: set[int]) -> None:
    """One event; commands are typed on what can be seen, and may be cut off anywhere."""
    looked, of = w.look(), w.fleet.instances()
    chosen = tuple(a for a in of if name in (a.id, "all"))
    there = NodeName(name)
    match what:
        case "cut off":
            w.cut_off.add(there)
        case "back":
            w.cut_off.discard(there)
        case "fails":
            for where, state in w.agents.items():
                if where[0] == name and state in ALIVE:
                    w.agents[where] = AgentState.FAILED
        case "cordon":
            w.carry_out(plan_cordon([there], looked), lost=lost)
        case "uncordon":
            w.carry_out(plan_uncordon([there], looked), lost=lost)
        case "drain" if there in w.cut_off:
            try:
                drain(w, there)
            except Refused:
                return
            raise AssertionError("a node that does not answer was to be drained")
        case "drain":
            w.carry_out(drain(w, there), lost=lost)
        case "start":
            w.carry_out(plan_start(chosen, w.fleet, looked), lost=lost)
        case "stop":
            w.carry_out(plan_stop([AgentId(a.id) for a in chosen], looked), lost=lost)
        case "restart":
            w.carry_out(plan_restart(chosen, looked, at_once=2), lost=lost)


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=12))
def test_no_agent_ever_runs_twice_and_order_can_be_restored(
    events: list[tuple[str, str, set[int]]],
) -> None:
    w = world()
    start(w)
    for event in events:
        happen(w, *event)
        twice = {a: nodes for a, nodes in w.running().items() if len(nodes) > 1}
        assert twice == {}
    w.cut_off.clear()
    w.carry_out(plan_uncordon([A, B, C], w.look()))
    start(w)
    assert all(len(nodes) == 1 for nodes in w.running().values())
    assert w.running()["db-0"] == ["c"]
    assert plan_start(w.fleet.instances(), w.fleet, w.look()).steps == ()
