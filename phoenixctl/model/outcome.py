"""One host failing is a result, not an exception."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from phoenixctl.model.errors import ExitCode, OutcomeUnknown, PhoenixError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Succeeded(Generic[T_co]):
    value: T_co
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing, or nothing more, was done on the node; `error` says why."""

    error: PhoenixError
    seconds: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """The work was sent and its end was not seen."""

    error: OutcomeUnknown
    seconds: float


Outcome: TypeAlias = Succeeded[T] | Failed | Unknown


def exit_code_of(outcomes: Iterable[Outcome[object]]) -> ExitCode:
    """The exit code of a run over many nodes: the gravest of its outcomes."""
    return gravest(o.error.exit_code for o in outcomes if not isinstance(o, Succeeded))


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """The one code that stands for all of them; OK when there is none.

    Unreachable (4) and authentication (5) outrank a failed command (3); an unknown outcome (7)
    outranks all, for it is the one that needs a look before anything is run again.
    """
    return max(codes, key=_gravity, default=ExitCode.OK)


def _gravity(code: ExitCode) -> int:
    order = (
        ExitCode.OK, ExitCode.ERROR, ExitCode.SOME_FAILED, ExitCode.UNREACHABLE,
        ExitCode.AUTHENTICATION, ExitCode.UNKNOWN,
    )  # fmt: skip
    return order.index(code) if code in order else len(order)
