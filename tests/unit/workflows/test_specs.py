"""Which specification an agent is started with."""

from __future__ import annotations

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.state import State
from phoenixctl.remote.agents import spec_digest
from phoenixctl.workflows.specs import Specs
from tests.builders import fleet, node, spec

OLD = spec("other", command=("serve", "old"))
STATE = State("test", "l", 1, specs={spec_digest(OLD): OLD})
SPECS = Specs(fleet(node("a"), agents=[spec("web", command=("serve", "new"))]), {}, lambda: STATE)


def start(digest: str) -> Step:
    return Step(Action.START, NodeName("a"), AgentId("web-3"), "why not", spec_digest=digest)


def test_a_recorded_specification_serves_every_kind_of_agent_that_runs_the_same() -> None:
    agent = SPECS.to_start(start(spec_digest(OLD)))
    assert (agent.id, agent.spec.command) == ("web-3", ("serve", "old"))


def test_a_specification_that_is_nowhere_is_an_error() -> None:
    with pytest.raises(CommandFailed, match="digest 000000000000 is neither"):
        SPECS.to_start(start("000000000000"))
