"""The command tree keeps its promises: one help, the same options, a dry run for every change."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest
import typer

from phoenixctl.cli.app import COMMANDS

MUTATING = {
    "nodes cordon", "nodes uncordon", "nodes drain", "agents start", "agents stop",
    "agents restart", "agents checkpoint", "agents renew", "exec", "cp", "apply", "scale",
    "rollback", "refresh",
    "state restore", "nodes protect", "nodes unprotect", "nodes reboot", "rebalance",
    "routers reconcile", "playbook run", "migrate", "alerts evaluate", "alerts silence",
    "install collector",
    "alerts test", "balance apply", "balance auto", "balance pick", "balance set-strategy",
    "balance add", "balance remove",
}  # fmt: skip


def commands() -> Iterator[tuple[str, typer._click.Command]]:
    """Every command that does something, by the words to type."""
    for name, entry in COMMANDS.items():
        command = typer.main.get_command(import_module(f"phoenixctl.cli.commands.{name}").app)
        below = getattr(command, "commands", None) if entry.group else None
        if below is None:
            yield name, command
        else:
            yield from ((f"{name} {sub}", found) for sub, found in below.items())


TREE = dict(commands())


def options(command: typer._click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_the_tree_is_the_one_that_operators_know() -> None:
    assert set(TREE) == MUTATING | {
        "status", "top", "targets", "report", "doctor", "init", "nodes ls", "nodes describe",
        "agents ls", "agents describe",
        "agents logs", "config check", "config show", "config schema", "demo up", "demo down",
        "demo load", "demo slow", "demo run", "plan", "show", "history ls", "history show",
        "lock ls", "lock break", "state show", "state pull", "state doctor", "explain", "place",
        "routers ls", "routers status", "agents migrations",
        "placement stats", "playbook ls", "playbook show", "playbook schema", "playbook plan",
        "alerts ls", "alerts history",
        "metrics collect", "metrics record", "metrics ls", "metrics get", "metrics stats",
        "metrics export", "metrics serve", "metrics health",
        "metrics watch", "balance status", "balance plan", "balance history", "balance simulate",
    }  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    module = import_module(f"phoenixctl.cli.commands.{COMMANDS[name].module}")
    own = typer.main.get_command(module.app).help or ""
    assert COMMANDS[name].summary == own.splitlines()[0]


@pytest.mark.parametrize("name", TREE)
def test_every_command_takes_the_options_that_all_share(name: str) -> None:
    assert {"--config", "--set", "--output", "-o", "--no-color", "--verbose"} <= options(TREE[name])


@pytest.mark.parametrize("name", sorted(MUTATING))
def test_every_change_can_be_read_before_it_is_made(name: str) -> None:
    assert "--dry-run" in options(TREE[name])


@pytest.mark.parametrize("name", TREE)
def test_every_option_and_command_is_explained(name: str) -> None:
    assert TREE[name].help
    silent = [p.name for p in TREE[name].params if not getattr(p, "help", None)]
    assert silent == []


@pytest.mark.parametrize("name", TREE)
def test_no_option_means_two_things(name: str) -> None:
    given = [option for parameter in TREE[name].params for option in parameter.opts]
    assert len(given) == len(set(given))
