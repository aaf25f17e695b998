"""Which agents run where, for collectors that follow them."""

from __future__ import annotations

from phoenixctl.model.snapshot import AgentState
from phoenixctl.workflows.collectors import running_on
from tests.builders import agent, seen, silent, snapshot


def test_specs_count_where_an_agent_of_theirs_runs() -> None:
    found = running_on(
        snapshot(
            seen("a", agent("kv-0"), agent("web-1"), agent("web-2")),
            seen("b", agent("kv-1", AgentState.STOPPED)),
            silent("c"),
        )
    )
    assert found == {"a": {"kv", "web"}, "b": set()}
