"""The command tree. A command's module is imported when it is used, so that `--help` is quick."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from phoenixctl import __version__
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter
    from typer._click.shell_completion import CompletionItem

OUT: Final = "--out"  # `-out`, as users of Terraform type it, would be read as `-o ut`
EPILOG: Final = (
    "Exit codes: 0 ok, 1 error, 2 usage, 3 some hosts failed, 4 unreachable, 5 authentication or "
    "host key, 6 locked, 7 outcome unknown, 8 refused, 10 changes pending, 130 interrupted."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A command's place: its panel in the help, its module, and the help's one line."""

    panel: str
    module: str
    summary: str
    group: bool = False  # has commands below it


COMMANDS: Final = {
    "status": Entry("See", "status", "Show the fleet: verdict first, worst nodes first."),
    "top": Entry(
        "See", "top", "Watch the fleet on the whole screen: sort, filter, look into a node."
    ),
    "explain": Entry(
        "See", "explain", "Say why an agent goes where it goes, and why to no other node."
    ),
    "place": Entry(
        "See", "place", "Show where agents would go; each place counts for the next one."
    ),
    "placement": Entry("See", "placement", "Show how well agents are placed.", group=True),
    "targets": Entry(
        "See", "targets", "Show how well targets were met over time, and where they are going."
    ),
    "report": Entry(
        "See", "report", "Write a page of HTML: verdict, targets, graphs, what was done."
    ),
    "metrics": Entry("See", "metrics", "Keep metrics over time, and show them.", group=True),
    "alerts": Entry(
        "See", "alerts", "Show what is wrong by the metrics, and tell who has to know.", group=True
    ),
    "doctor": Entry("See", "doctor", "Check configuration, keys and every hop; say what to do."),
    "plan": Entry("Change", "plan", "Show what would be done to make the fleet as configured."),
    "apply": Entry(
        "Change", "apply", "Carry out a plan: one from a file, or the one that is due now."
    ),
    "show": Entry("Change", "show", "Show a plan that was kept in a file."),
    "scale": Entry(
        "Change", "scale", "Give a pool another number of nodes; agents move before one goes."
    ),
    "rebalance": Entry(
        "Change", "rebalance", "Move a few agents, those that gain most, to even out the fleet."
    ),
    "migrate": Entry(
        "Change", "migrate", "Bring agents to another node with their state, also while they serve."
    ),
    "playbook": Entry(
        "Change",
        "playbook",
        "Run playbooks: steps in YAML, a few nodes or agents after the others.",
        group=True,
    ),
    "history": Entry(
        "Change", "history", "Show what was done to the fleet, and by whom.", group=True
    ),
    "rollback": Entry(
        "Change", "rollback", "Take back what an operation did, by a plan of the opposite."
    ),
    "state": Entry("Change", "state", "Show, check and mend the record of the fleet.", group=True),
    "refresh": Entry(
        "Change", "refresh", "Bring the record up to date with the nodes and providers."
    ),
    "lock": Entry(
        "Change",
        "lock",
        "Show who is changing the fleet; free a lock that was left behind.",
        group=True,
    ),
    "nodes": Entry("Run", "nodes", "List, cordon, drain and protect nodes.", group=True),
    "agents": Entry("Run", "agents", "Start, stop and follow agents.", group=True),
    "routers": Entry(
        "Run", "routers", "Show which agents get traffic; set it right.", group=True
    ),
    "balance": Entry(
        "Run", "balance", "Give each member the share of requests that it can take.", group=True
    ),
    "exec": Entry("Run", "exec", "Run a command on many nodes; equal output is shown once."),
    "cp": Entry("Run", "cp", "Copy files to and from nodes."),
    "config": Entry("Set up", "config", "Check and show the configuration.", group=True),
    "init": Entry("Set up", "init", "Write a first phoenixctl.yaml."),
    "install": Entry(
        "Set up",
        "install",
        "Let this machine do by itself what is to be done again and again.",
        group=True,
    ),
    "demo": Entry("Set up", "demo", "Play with a fleet on this machine.", group=True),
}  # fmt: skip


class LazyGroup(TyperGroup):
    """Knows its commands by name; imports one when it is asked for."""

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = import_module(f"phoenixctl.cli.commands.{entry.module}")
        command: Command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"there is no command {args[0]}{guess}", hint="phoenixctl --help")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """The commands' names and what they do, without importing any."""
        from typer._click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=entry.summary)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002
        for panel in dict.fromkeys(entry.panel for entry in COMMANDS.values()):
            with formatter.section(panel):
                formatter.write_dl(
                    [(name, e.summary) for name, e in COMMANDS.items() if e.panel == panel]
                )


app = typer.Typer(
    name="phoenixctl",
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"phoenixctl {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    _version_wanted: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Turn plain machines reached over SSH into a managed fleet."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code is returned, errors are written to stderr."""
    from phoenixctl.cli.exits import exit_code

    return exit_code(lambda: _invoke(arguments), arguments)


def _invoke(arguments: Sequence[str]) -> int:
    words = [OUT if word == "-out" else word for word in _config_last(arguments)] or ["--help"]
    result: Any = app(args=words, prog_name="phoenixctl", standalone_mode=False)
    return int(result) if isinstance(result, int) else int(ExitCode.OK)


def _config_last(arguments: Sequence[str]) -> list[str]:
    """`phoenixctl --config FILE status` means `phoenixctl status --config FILE`."""
    rest = list(arguments)
    config: list[str] = []
    while rest and rest[0].partition("=")[0] in ("--config", "-c"):
        count = 1 if "=" in rest[0] else 2
        config, rest = config + rest[:count], rest[count:]
    words = [word for word in rest[:2] if not word.startswith("-")]
    depth = 2 if len(words) > 1 and words[0] in COMMANDS and COMMANDS[words[0]].group else 1
    return [*rest[:depth], *config, *rest[depth:]]
