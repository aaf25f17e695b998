"""What the live view shows, without a terminal."""

from __future__ import annotations

import json
import math

import pytest
from rich.cells import cell_len

from phoenixctl.model.alerting import Alert, Status
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import AgentState
from phoenixctl.render.top.bars import bars
from phoenixctl.render.top.columns import (
    AGENT_COLUMNS,
    NODE_COLUMNS,
    OLD,
    Sorting,
    fitting,
    head,
    line,
    ordered,
)
from phoenixctl.render.top.document import top_document
from phoenixctl.render.top.header import header
from phoenixctl.render.top.pages import agent_page, log_lines, node_page
from phoenixctl.render.top.rows import agent_rows, matching, node_rows
from phoenixctl.render.top.view import Doing, Piece, TopView
from tests.builders import agent, fleet, histogram, node, seen, silent, spec
from tests.unit.render.top_views import EPOCH, before, plain, styles, view

A, B, C = (NodeName(name) for name in "abc")
WIDTHS = (60, 80, 100, 120, 200)


def names(rows: tuple[object, ...]) -> list[str]:
    return [row.name for row in rows]  # type: ignore[attr-defined]


def busy(name: str, cpu: float, **more: float) -> object:
    return seen(name, metrics={Metric.CPU: cpu, **{Metric(k): v for k, v in more.items()}})


THREE = view(
    seen("a", metrics={Metric.CPU: 0.5}),
    seen("b", metrics={Metric.CPU: 0.99, Metric.RESPONSE_P95: 0.06}),
    seen("c", metrics={Metric.CPU: 0.1, Metric.RESPONSE_P95: 0.15}),
)


# Order.


def test_the_node_that_misses_its_targets_most_comes_first() -> None:
    rows = node_rows(THREE)
    assert names(rows) == ["c", "b", "a"]
    assert [row.deviation for row in rows] == pytest.approx([2.0, 0.32, 0.0])


def test_what_is_critical_comes_before_what_is_slow() -> None:
    slow = seen("b", metrics={Metric.RESPONSE_P95: 0.9})
    failed = seen("a", agent("x-0", AgentState.FAILED, detail="exit 1"))
    rows = node_rows(view(failed, slow, silent("c")))
    assert names(rows) == ["a", "c", "b"]  # both critical, and one of them busier
    assert rows[0].why == "x-0 failed on a: exit 1; x-0 on a, but not in the configuration"


def test_rows_are_sorted_by_a_column_and_unknown_values_come_last() -> None:
    rows = node_rows(THREE)
    assert names(ordered(NODE_COLUMNS, rows, Sorting("P95"))) == ["c", "b", "a"]
    assert names(ordered(NODE_COLUMNS, rows, Sorting("P95", reverse=True))) == ["b", "c", "a"]
    assert names(ordered(NODE_COLUMNS, rows, Sorting("CPU"))) == ["b", "a", "c"]
    assert names(ordered(NODE_COLUMNS, rows, Sorting("NODE"))) == ["a", "b", "c"]
    assert names(ordered(NODE_COLUMNS, rows, Sorting(reverse=True))) == ["a", "b", "c"]


def test_agents_in_trouble_come_first_and_the_others_in_the_order_of_numbers() -> None:
    seen_agents = [agent(f"x-{number}") for number in (10, 9, 2)]
    rows = agent_rows(view(seen("a", *seen_agents, agent("y-1", AgentState.FAILED))))
    assert names(rows) == ["y-1", "x-2", "x-9", "x-10"]


def test_what_an_agent_left_where_it_was_is_not_shown() -> None:
    moved = view(seen("a", agent("x-0", AgentState.STOPPED)), seen("b", agent("x-0")))
    assert [(row.name, row.node) for row in agent_rows(moved)] == [("x-0", "b")]


@pytest.mark.parametrize(
    ("words", "found"),
    [("", ["a", "b"]), ("A", ["a"]), ("db", ["b"]), ("zone=2 ok", ["a"]), ("nobody", [])],
)
def test_a_filter_finds_names_pools_labels_and_states(words: str, found: list[str]) -> None:
    of = fleet(node("a", labels={"zone": "2"}), node("b", pool="db", labels={"zone": "1"}))
    rows = node_rows(view(seen("a"), seen("b"), of=of))
    assert names(matching(rows, words)) == found


# Values.


def test_percentiles_of_a_node_are_those_of_all_its_agents_together() -> None:
    quick, slow = histogram(99, 100, 100), histogram(0, 0, 100)
    working = {AgentMetric.THROUGHPUT: 10.0}
    both = seen(
        "a",
        agent("x-0", responses=quick, metrics=working),
        agent("x-1", responses=slow, metrics=working),
        metrics={Metric.RESPONSE_P95: 2.0},
    )
    [row] = node_rows(view(both))
    assert row.p95 == 2.0
    assert row.p99 == 2.0  # of 200, nearly half are beyond the last bound
    assert [agent.p99 for agent in agent_rows(view(both))] == [1.0, 2.0]


def test_a_silent_node_keeps_its_last_values_with_their_age_and_is_marked() -> None:
    was = before(seen("b", agent("x-0"), metrics={Metric.CPU: 0.4}), 90)
    gone = view(seen("a"), silent("b"), last={B: was})
    row = next(row for row in node_rows(gone) if row.name == "b")
    assert (row.state, row.old, row.cpu, row.age_seconds) == ("unreachable", True, 0.4, 90)
    assert row.why == "b does not answer within 5s"
    drawn = line(fitting(NODE_COLUMNS, [row], 120), row, old=True)
    assert styles(drawn)["40%"] == OLD
    assert styles(drawn)["1m30s"] == "yellow"
    [agent_row] = agent_rows(gone)
    assert agent_row.old


def test_what_is_not_known_is_never_nought() -> None:
    [row] = node_rows(view(silent("a")))
    assert (row.cpu, row.p99, row.agents, row.age_seconds) == (None, None, None, None)
    shown = plain(line(fitting(NODE_COLUMNS, [row], 200), row)).split()
    assert "?" in shown
    assert not {"0", "0%", "0/0"} & set(shown)


def test_a_node_that_was_not_asked_yet_is_there() -> None:
    rows = node_rows(view(seen("a"), of=fleet(node("a"), node("b"))))
    assert {row.name: row.state for row in rows} == {"a": "ok", "b": "asking"}


@pytest.mark.parametrize(
    ("cpu", "style"), [(0.79, ""), (0.8, "yellow"), (0.94, "yellow"), (0.95, "red")]
)
def test_values_are_coloured_where_alerts_begin(cpu: float, style: str) -> None:
    [row] = node_rows(view(seen("a", metrics={Metric.CPU: cpu})))
    assert styles(line(fitting(NODE_COLUMNS, [row], 80), row))[f"{cpu:.0%}"] == style


def test_weights_are_there_when_a_router_has_some() -> None:
    both = seen("a", agent("x-0"), agent("x-1"))
    weighed = view(both, weights={AgentId("x-0"): 100, AgentId("x-1"): 50})
    rows = node_rows(weighed)
    assert rows[0].weight == 150
    assert "WEIGHT" in [column.name for column in fitting(NODE_COLUMNS, rows, 200)]
    assert "WEIGHT" not in [c.name for c in fitting(NODE_COLUMNS, node_rows(view(both)), 200)]


# Columns.


@pytest.mark.parametrize("width", WIDTHS)
def test_every_line_is_as_wide_as_the_screen(width: int) -> None:
    long = view(
        seen("a" * 60, agent("ingest-0"), metrics={Metric.CPU: 1.0}),
        seen("東京", agent("x-1", AgentState.FAILED, detail="d" * 300)),
        courses={NodeName("東京"): {Metric.CPU: [0.1, math.nan, 0.9]}},
    )
    for columns, rows in ((NODE_COLUMNS, node_rows(long)), (AGENT_COLUMNS, agent_rows(long))):
        kept = fitting(columns, rows, width)  # type: ignore[type-var]
        lines = [head(kept, Sorting("CPU")), *(line(kept, row) for row in rows)]
        assert {cell_len(plain(one)) for one in lines} == {width}


def test_a_narrow_screen_keeps_what_matters_most() -> None:
    kept = [column.name for column in fitting(NODE_COLUMNS, node_rows(THREE), 80)]
    for name in ("NODE", "STATE", "CPU", "MEM", "AGENTS", "P95", "AGE", "WHY"):
        assert name in kept
    wide = [column.name for column in fitting(NODE_COLUMNS, node_rows(THREE), 160)]
    for name in ("DEV", "PSI-CPU", "PSI-MEM", "PSI-IO", "RUNQ", "P99", "ERR", "MSG"):
        assert name in wide


def test_the_sorted_column_has_an_arrow_and_the_others_stay_where_they_are() -> None:
    kept = fitting(NODE_COLUMNS, node_rows(THREE), 80)
    plain_head = plain(head(kept, Sorting()))
    for name, arrow in (("CPU", "CPU▼"), ("NODE", "NODE▲"), ("AGENTS", "AGENTS▼")):
        marked = plain(head(kept, Sorting(name)))
        assert arrow in marked
        assert len(marked) == len(plain_head)
    assert "CPU▲" in plain(head(kept, Sorting("CPU", reverse=True)))


def test_bars_show_the_last_values() -> None:
    assert bars([0.0, 0.5, 1.0, math.nan], 3, full=1.0) == "▅█ "
    assert bars([2.0, 4.0], 9) == "▅█"
    assert bars([], 5) == ""
    assert bars([0.0, 0.0], 5) == "▁▁"


# The header.


def first_lines(of: TopView) -> list[str]:
    return [plain(one) for one in header(of, 200, tall=True)]


def test_the_header_has_the_verdict_and_the_numbers_of_the_fleet() -> None:
    ingest = spec("x", replicas=3)
    metrics = {AgentMetric.THROUGHPUT: 30.0, AgentMetric.ERROR_RATE: 0.02}
    idle = {AgentMetric.THROUGHPUT: 10.0, AgentMetric.ERROR_RATE: 0.1}
    of = fleet(node("a"), node("b"), agents=[ingest])
    shown = view(
        seen("a", agent("x-0", ready=True, metrics=metrics, responses=histogram(9, 10, 10))),
        seen("b", agent("x-1", ready=False, metrics=idle)),
        of=of,
    )
    numbers, trouble, doing, targets = first_lines(shown)
    assert numbers.split() == [
        "test", "DEGRADED", "nodes", "2/2", "agents", "1/3", "p95", "1.5s", "p99", "1.9s",
        "err", "4%", "msg", "40/s",
    ]  # fmt: skip
    assert trouble.startswith("● x-1 not ready on b")
    assert doing == "no change is under way"
    assert "p95 1.5s of 50ms 3%" in targets


def test_a_change_that_is_under_way_is_named_with_who_and_since_when() -> None:
    doing = Doing("apply", "op on desk", EPOCH - 200, ("start agent x-0 on a", "stop y-0"))
    words = first_lines(view(seen("a"), doing=(doing,)))[2]
    assert words == "▶ apply by op on desk, since 3m20s: start agent x-0 on a +1"
    left = Doing("scale", "", None, (), cut_off=True)
    assert first_lines(view(seen("a"), doing=(left,)))[2].startswith("✗ cut off: scale")


def test_alerts_are_counted_and_the_gravest_one_is_named() -> None:
    warning = Alert("memory", "b", Status.WARNING, EPOCH - 5, "memory of b is 90%")
    critical = Alert("cpu", "a", Status.CRITICAL, EPOCH - 60, "cpu of a is 97%")
    words = first_lines(view(seen("a"), alerts=(warning, critical)))[2]
    assert words.endswith("2 alerts: cpu of a is 97%, since 1m00s")
    assert first_lines(view(seen("a"), alerts=()))[2].endswith("no alert fires")
    assert "alert" not in first_lines(view(seen("a")))[2]


def test_before_the_first_answer_nothing_is_said_to_be_wrong() -> None:
    numbers, trouble, *_ = first_lines(view(of=fleet(node("a"))))
    assert "ASKING" in numbers
    assert trouble == "asking the nodes"


# Pages.


def page(lines: tuple[tuple[Piece, ...], ...]) -> str:
    return "\n".join(plain(one) for one in lines)


def test_the_page_of_a_node_has_its_facts_its_trouble_and_the_course_of_its_values() -> None:
    hot = seen("a", agent("x-0"), metrics={Metric.CPU: 0.97, Metric.RUN_QUEUE: 9})
    shown = view(hot, courses={A: {Metric.CPU: [0.1, 0.5, 1.0]}})
    text = page(node_page(shown, A, 100, {Metric.MEMORY: [0.0, 1.0]}))
    assert text.startswith("a  degraded  pool main, a")
    assert "● CPU at 97%" in text
    assert "▁▅█" in text
    assert "last hour" in text
    assert "run queue" in text
    assert "not known: network utilization" in text


def test_the_page_of_a_silent_node_says_of_when_its_values_are_and_what_to_try() -> None:
    was = before(seen("a", metrics={Metric.CPU: 0.4}), 30)
    text = page(node_page(view(silent("a"), last={A: was}), A, 80, {}))
    assert "values are of its last answer, 30s ago" in text
    assert "40%" in text
    assert "it has not answered yet" in page(node_page(view(silent("b")), B, 80, {}))


def test_the_page_of_an_agent_has_what_identifies_its_process() -> None:
    shown = view(seen("a", agent("x-0", port=8080, metrics={AgentMetric.RSS: 1024.0**2})))
    text = page(agent_page(shown, AgentId("x-0"), A, 80))
    assert text.startswith("x-0  running  on a")
    assert "pid 100, port 8080, epoch 1, active" in text
    assert "1MiB" in text
    gone = page(agent_page(shown, AgentId("x-9"), A, 80))
    assert gone == "x-9  is not on a any more"


def test_nothing_that_a_node_says_controls_the_terminal() -> None:
    evil = "\x1b[2Jgone\x07\u202e"
    shown = view(
        seen(
            "a",
            agent("x-0", AgentState.FAILED, detail=evil),
            hostname=evil,
            kernel=evil,
            warnings=(evil,),
        ),
        doing=(Doing(evil, evil, None, (evil,)),),
    )
    rows, agents = node_rows(shown), agent_rows(shown)
    lines = [
        *header(shown, 200, tall=True),
        *(line(fitting(NODE_COLUMNS, rows, 200), row) for row in rows),
        *(line(fitting(AGENT_COLUMNS, agents, 200), row) for row in agents),
        *node_page(shown, A, 200, {}),
        *agent_page(shown, AgentId("x-0"), A, 200),
        *log_lines(evil.encode() + b"\xff\ta\r\nb"),
    ]
    text = "".join(plain(one) for one in lines)
    assert "\\x1b[2Jgone" in text
    assert not {"\x1b", "\x07", "\u202e", "\r", "\n", "\t"} & set(text)


def test_the_document_has_the_numbers_in_their_units() -> None:
    shown = view(seen("a", agent("x-0", ready=True), metrics={Metric.CPU: 0.5}), silent("b"))
    document = json.loads(json.dumps(top_document(shown, node_rows(shown), agent_rows(shown))))
    assert (document["verdict"], document["nodes_answering"]) == ("degraded", 1)
    assert [row["name"] for row in document["nodes"]] == ["b", "a"]
    assert document["nodes"][0]["current"] is False
    assert document["nodes"][1]["cpu"] == 0.5
    assert document["alerts"] is None
    assert document["agents"][0]["name"] == "x-0"
