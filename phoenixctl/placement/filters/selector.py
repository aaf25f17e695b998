"""An agent goes to nodes whose labels are as its spec wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection
from phoenixctl.model.rules import Operator, Requirement
from phoenixctl.placement.filters.constraint import Constraint
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board


def met(wanted: Requirement, value: str | None) -> bool:
    """Whether a node with this value of the label will do; None: it does not have the label."""
    match wanted.operator:
        case Operator.IN:
            return value is not None and value in wanted.values
        case Operator.NOT_IN:
            return value is None or value not in wanted.values
        case Operator.EXISTS:
            return value is not None
        case Operator.ABSENT:
            return value is None
    number, limit = _number(value), wanted.number
    if number is None or limit is None:
        return False
    return number > limit if wanted.operator is Operator.GREATER else number < limit


def meets(wanted: Requirement, board: Board) -> Bools:
    """The nodes (N,) that meet it; every value of the label is looked at once."""
    domains = board.domains(wanted.label)
    values = [met(wanted, value) for value in (*domains.values, None)]
    found: Bools = np.array(values)[domains.codes]
    return found


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    found = None
    for wanted in rules_of(agent.spec).selector:
        if wanted.weight is None:
            nodes = meets(wanted, board)[at]
            found = nodes if found is None else found & nodes
    return found


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    found = []
    for wanted in rules_of(agent.spec).selector:
        value = board.domains(wanted.label).value(node)
        if wanted.weight is None and not met(wanted, value):
            have = f"{wanted.label}={value}" if value is not None else f"no {wanted.label}"
            remedy = f"change the label {wanted.label}, or agents.{agent.spec.name}.placement"
            found.append(Rejection(board.names[node], "selector", _text(wanted), have, remedy))
    return tuple(found)


_SIGNS: Final = {Operator.GREATER: ">", Operator.LESS: "<"}


def _text(wanted: Requirement) -> str:
    match wanted.operator:
        case Operator.EXISTS:
            return f"a label {wanted.label}"
        case Operator.ABSENT:
            return f"no label {wanted.label}"
        case Operator.GREATER | Operator.LESS:
            return f"{wanted.label} {_SIGNS[wanted.operator]} {wanted.number:g}"
    sign = "=" if wanted.operator is Operator.IN else "!="
    return f"{wanted.label}{sign}{' or '.join(wanted.values)}"


SELECTOR = Constraint("selector", _mask, _why)
