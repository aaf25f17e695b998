"""What every command has in common: its options, its run, its way out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer
from typer.core import TyperGroup

from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode
from phoenixctl.render.output import Output

if TYPE_CHECKING:
    from typer._click import Context

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="The configuration file."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one setting, e.g. ssh.parallel=20."),
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to write the result.", show_choices=True)
]
NoColor = Annotated[bool, typer.Option("--no-color", help="Write without colour.")]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Say more on stderr; repeat for more.")
]

_COMMON: Final = (
    ("config", Config, None),
    ("settings", Settings, None),
    ("output", OutputOption, Output.TABLE),
    ("no_color", NoColor, False),
    ("verbose", Verbose, 0),
)

Function = Callable[..., ExitCode | None]


def command(app: typer.Typer, name: str, **options: Any) -> Callable[[Function], Function]:
    """Register `function(run, ...)` under a name, with the options all commands share.

    A parameter whose type is a dataclass stands for the options that are its fields.
    """

    def register(function: Function) -> Function:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        kinds: dict[str, Any] = {p.name: p.annotation for p in own if is_dataclass(p.annotation)}
        spread = {group: _options_of(kind) for group, kind in kinds.items()}
        common = [_option(key, hint, default) for key, hint, default in _COMMON]

        @functools.wraps(function)
        def call(**values: Any) -> int:
            shared = {key: values.pop(key) for key, _, _ in _COMMON}
            for group, kind in kinds.items():
                values[group] = kind(**{p.name: values.pop(p.name) for p in spread[group]})
            return int(function(Run(**shared), **values) or ExitCode.OK)

        alone = [option for p in own for option in spread.get(p.name, (p,))]
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in alone] + common
        # Typer reads both; the wrapped function's own would lack the shared options.
        vars(call)["__signature__"] = inspect.Signature(parameters)
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        vars(call).pop("__wrapped__")
        app.command(name, **options)(call)
        return function

    return register


def _options_of(kind: Any) -> Sequence[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [_option(field.name, hints[field.name], field.default) for field in fields(kind)]


def _option(name: str, hint: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


class _WithDefault(TyperGroup):
    """A group in which the first command is meant when none is named."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        first = next((arg for arg in args if not arg.startswith("-")), None)
        asks_for_help = any(arg in ctx.help_option_names for arg in args)
        if first not in self.commands and not asks_for_help:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


def group(help_text: str, *, default: bool = False) -> typer.Typer:
    """A command that has commands below it; with `default`, its first one needs no naming."""
    app = typer.Typer(
        cls=_WithDefault if default else None,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        help=help_text,
    )

    @app.callback()
    def _group() -> None:
        pass

    _group.__doc__ = help_text
    return app


def single() -> typer.Typer:
    """A command without commands below it."""
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
