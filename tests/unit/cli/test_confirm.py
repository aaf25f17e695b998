"""Who takes the node of a singleton for dead types its name, or gives `--fenced`."""

from __future__ import annotations

import sys

import pytest
import typer

from phoenixctl.cli.confirm import confirmed_off
from phoenixctl.cli.scope import PlanOptions, dead_and_fenced
from phoenixctl.model.errors import UsageError
from tests.builders import fleet, node, spec

ONE = fleet(node("a"), node("b"), agents=[spec("one", singleton=True)])
PLAIN = fleet(node("a"), agents=[spec("web")])


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed at a terminal, one answer after the other."""
    answers: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: answers.pop(0))
    return answers


def test_only_the_very_name_confirms(typed: list[str]) -> None:
    typed += ["a", " b "]
    assert confirmed_off(ONE, ["a", "b"], None) == {"a", "b"}
    typed += ["", "yes"]
    assert confirmed_off(ONE, ["a", "b"], None) == set()


def test_nobody_is_asked_about_what_is_fenced_or_where_nothing_is_a_singleton(
    typed: list[str],
) -> None:
    assert confirmed_off(ONE, ["a"], ["a"]) == set()
    assert confirmed_off(PLAIN, ["a"], None) == set()
    assert confirmed_off(ONE, None, None) == set()


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert confirmed_off(ONE, ["a"], None) == set()


def test_what_is_fenced_is_dead_too() -> None:
    assert dead_and_fenced(ONE, ["a"], ["b"]) == ({"a", "b"}, {"b"})
    with pytest.raises(UsageError):
        dead_and_fenced(ONE, None, ["c"])
    scope = PlanOptions(assume_dead=["a"], fenced=["b"]).scope(ONE, frozenset({"a"}))
    assert scope.assume_dead == scope.fenced == {"a", "b"}
