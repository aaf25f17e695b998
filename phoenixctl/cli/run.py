"""One run of one command: what was asked for in common, and what is built from it once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from phoenixctl.model.errors import UsageError
from phoenixctl.render.neutral import neutralise
from phoenixctl.render.output import Output, emit

if TYPE_CHECKING:
    from rich.console import Console

    from phoenixctl.cli.compose import Parts

T = TypeVar("T")


@dataclass
class Run:
    """The options that every command has, and the parts composed from them."""

    config: Path | None = None
    settings: list[str] | None = None
    output: Output = Output.TABLE
    no_color: bool = False
    verbose: int = 0

    @cached_property
    def parts(self) -> Parts:
        from phoenixctl.cli.compose import compose
        from phoenixctl.cli.verbosity import speak

        speak(self.verbose)
        with _first_sign("reading the configuration"):
            return compose(self.config, self.overrides)

    @property
    def overrides(self) -> dict[str, str]:
        pairs = [text.partition("=") for text in self.settings or ()]
        bad = next((key for key, sign, _ in pairs if not sign or not key), None)
        if bad is not None:
            raise UsageError(
                f"--set {bad} has no value", hint="write it like --set ssh.parallel=20"
            )
        return {key.strip(): value for key, _, value in pairs}

    @property
    def color(self) -> bool | None:
        return False if self.no_color else None

    def emit(
        self,
        kind: str,
        document: Callable[[], Mapping[str, Any]],
        human: Callable[[Console], None],
    ) -> None:
        """Write the command's result to stdout in the format asked for."""
        emit(self.output, kind, document, human, color=self.color)

    def note(self, text: str) -> None:
        """Say something to a person, on stderr."""
        sys.stderr.write(f"{neutralise(text)}\n")

    def within(self, work: Callable[[Parts], Coroutine[Any, Any, T]]) -> T:
        """Run asynchronous work and close every connection after it, also on Ctrl-C."""
        import asyncio

        parts = self.parts

        results: list[T] = []  # not of the task: at its end asyncio writes that out, and drops it

        async def main() -> None:
            async with _closing(parts):
                results.append(await work(parts))

        asyncio.run(main())
        return results[0]


@contextlib.contextmanager
def _first_sign(text: str) -> Iterator[None]:
    """Something on the terminal at once, gone when there is more to say."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    if shown:
        sys.stderr.write(text)
        sys.stderr.flush()
    try:
        yield
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextlib.asynccontextmanager
async def _closing(parts: Parts) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await parts.aclose()
