"""What a spec says about its agents' places."""

from __future__ import annotations

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.rules import NO_RULES, Rules


def rules_of(spec: AgentSpec) -> Rules:
    return spec.rules or NO_RULES
