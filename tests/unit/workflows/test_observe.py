"""The fleet is seen: every node a row, whatever becomes of it."""

from __future__ import annotations

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, CommandTimeout, PhoenixError, Unreachable
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.hooks import ExecHook, HttpHook, MetricNames, Readiness
from phoenixctl.model.names import NodeName
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.ports.reach import HttpRequest, HttpResponse
from phoenixctl.workflows import observe as workflow
from phoenixctl.workflows.observe import Depth, observe
from tests.builders import fleet, node, spec
from tests.unit.remote.survey_text import ORDINARY, with_agent
from tests.unit.workflows.fakes import (
    FakeClock,
    FakeReach,
    FakeRecords,
    FakeSession,
    completed,
)

A, B, C = (NodeName(n) for n in "abc")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "SCRAPE_INTERVAL_SECONDS", 0.0)


def answering(name: str, text: str = ORDINARY) -> FakeSession:
    return FakeSession(NodeName(name), lambda _command: completed(text.encode()))


async def look(
    f: Fleet, records: FakeRecords | None = None, **nodes: FakeSession | PhoenixError
) -> Snapshot:
    return await observe(f, FakeReach(nodes), FakeClock(), records or FakeRecords())


THREE = fleet(node("a"), node("b"), node("c"))


async def test_a_node_that_fails_is_a_row_and_the_others_are_right() -> None:
    seen = await look(THREE, a=answering("a"), b=Unreachable("b is silent"), c=answering("c"))
    assert list(seen.nodes) == ["a", "b", "c"]
    assert isinstance(seen.nodes[A], NodeObservation)
    assert isinstance(seen.nodes[C], NodeObservation)
    assert isinstance(seen.nodes[B], NodeUnobserved)
    assert seen.nodes[B].error.what == "b is silent"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (completed(b"", 1, b"sh: not found\n"), "a could not be read: sh: not found"),
        (completed(b"", 1), "a could not be read: the probe printed nothing"),
        (completed(b"\x1b]52;;\x07 \xff rubbish"), "its first line is missing"),
        (CommandTimeout("took too long"), "took too long"),
    ],
)
async def test_a_node_that_answers_badly_is_a_row_too(answer, words: str) -> None:
    bad = FakeSession(A, lambda _command: answer)
    seen = (await look(THREE, a=bad, b=answering("b"), c=answering("c"))).nodes
    assert isinstance(seen[A], NodeUnobserved)
    assert words in str(seen[A].error)
    assert isinstance(seen[B], NodeObservation)


async def test_who_answered_is_kept_and_comes_back_as_availability() -> None:
    records = FakeRecords(available={A: 0.75})
    seen = await look(THREE, records, a=answering("a"), b=Unreachable("?"), c=answering("c"))
    assert records.sightings == [{"a": True, "b": False, "c": True}]
    values = {n.name: n.metrics[Metric.AVAILABILITY].value for n in seen.observed()}
    assert values == {"a": 0.75, "c": None}


async def test_each_node_is_told_of_when_it_has_answered() -> None:
    told: list[tuple[str, type]] = []
    await observe(
        THREE, FakeReach({"a": answering("a"), "b": Unreachable("?")}), FakeClock(), FakeRecords(),
        nodes=[A, B], on_node=lambda name, n: told.append((name, type(n))),
    )  # fmt: skip
    assert told == [("a", NodeObservation), ("b", NodeUnobserved)]


PAGE = """\
# TYPE phoenix_messages_total counter
phoenix_messages_total {count}
# TYPE phoenix_queue_length gauge
phoenix_queue_length 7
"""


def with_pages(f: Fleet, ready: bool, page: str | None) -> FakeSession:
    def answer(request: HttpRequest) -> HttpResponse | PhoenixError:
        assert request.port == 9000  # the one that it was started with, not the spec's of today
        if request.path == "/ready":
            return HttpResponse(200 if ready else 503, b"")
        if page is None:
            return CommandFailed("nothing listens")
        return HttpResponse(200, page.encode())

    return FakeSession(A, lambda _c: completed(with_agent().encode()), answer)


INGEST = spec(
    "ingest", replicas=1, port=8000, ready=Readiness(HttpHook("/ready", method="GET")),
    metrics=MetricNames(),
)  # fmt: skip
ONE = fleet(node("a"), agents=[INGEST])


@pytest.mark.parametrize("ready", [True, False])
async def test_an_agent_is_asked_whether_it_is_ready(ready: bool) -> None:
    [agent] = (await look(ONE, a=with_pages(ONE, ready, PAGE.format(count=5)))).agents()
    assert agent.ready is ready


async def test_what_agents_report_is_in_the_nodes_own_metrics() -> None:
    seen = await look(ONE, a=with_pages(ONE, True, PAGE.format(count=5)))
    [agent] = seen.agents()
    assert agent.metrics[AgentMetric.QUEUE].value == 7
    assert seen.observed()[0].metrics[Metric.QUEUE].value == 7


async def test_an_agent_whose_page_fails_is_unknown_and_not_nought() -> None:
    seen = await look(ONE, a=with_pages(ONE, True, None))
    [agent] = seen.agents()
    for metric in (AgentMetric.QUEUE, AgentMetric.THROUGHPUT, AgentMetric.RESPONSE_P95):
        assert agent.metrics[metric].value is None
        assert agent.metrics[metric].why
    assert seen.observed()[0].metrics[Metric.QUEUE].value is None
    assert agent.metrics[AgentMetric.RSS].value is not None  # the kernel knows it all the same


async def test_without_depth_agents_are_listed_and_not_asked() -> None:
    shy = FakeSession(A, lambda _c: completed(with_agent().encode()), lambda _r: pytest.fail("?"))
    seen = await observe(
        ONE, FakeReach({"a": shy}), FakeClock(), FakeRecords(), depth=Depth(agents=False)
    )
    assert [a.id for a in seen.agents()] == ["ingest-0"]


async def test_an_agent_that_left_the_configuration_is_listed_and_not_asked() -> None:
    shy = FakeSession(A, lambda _c: completed(with_agent().encode()), lambda _r: pytest.fail("?"))
    seen = await look(fleet(node("a")), a=shy)
    assert [a.id for a in seen.agents()] == ["ingest-0"]


async def test_one_agent_whose_check_hangs_does_not_hide_its_node() -> None:
    hanging = spec("ingest", ready=Readiness(ExecHook(("check",))))

    def answer(command: Command) -> Completed | PhoenixError:
        first = len(node_a.ran) == 1
        return survey if first else CommandTimeout("check took longer than 30s")

    survey = completed(with_agent().encode())
    node_a = FakeSession(A, answer)
    seen = await look(fleet(node("a"), agents=[hanging]), a=node_a)
    assert [(a.id, a.ready) for a in seen.agents()] == [("ingest-0", False)]
