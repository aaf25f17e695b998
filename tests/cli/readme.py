"""The console examples of README.md: found, played in order, compared, and written anew.

A comment before a ```console block says how it is played; a block without one is only read.

    <!-- run -->             every command has to end with 0
    <!-- run: exit 8 -->     the last command with 8
    <!-- run: background --> the command goes on while the others are played

A line `…` in the output stands for any lines. `python -m tests.cli.readme` puts what the commands
print now into README.md, but for blocks with such a line, and the picture into docs/.
"""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
ANY_LINES: Final = "…"
PICTURE: Final = ROOT / "docs" / "status.svg"
PICTURE_COLUMNS: Final = 124
COMMAND_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 4.0

_PLAYED: Final = re.compile(r"<!-- run(?:: (background|exit (\d+)))? -->")
_PROGRESS: Final = re.compile(r"[\w :,()-]+: \d+ of \d+(?:, \d+ failed)?")
_WHO: Final = re.compile(r"\b(?:by [\w.-]+|ada)@[\w.-]+")
_PATH: Final = re.compile(r"(?<![\w.])/[\w.-]+(?:/[\w.-]+)+")
_HEX: Final = re.compile(r"\b[0-9a-f]{12}\b")
# Together with their units: `42%`, `1.5GiB`, `3m20s`, `19/s`, `2x`; and `?`, where none is known.
_NUMBER: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]|[KMGT]?i?B|%|x)?)+(?:/s)?|\?")


@dataclass(frozen=True, slots=True)
class Example:
    """A command and what README.md says it prints; `first` and `last` number its output's lines,
    from 0, `last` not included."""

    command: str
    output: tuple[str, ...]
    first: int
    last: int
    exit_code: int = 0
    background: bool = False


def examples(text: str) -> Iterator[Example]:
    """Every command of a played block, in the order of the text."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        played = _PLAYED.fullmatch(line)
        if played is None:
            continue
        if lines[number + 1] != "```console":
            raise ValueError(f"line {number + 1}: no console block follows")
        end = lines.index("```", number + 2)
        starts = [i for i in range(number + 2, end) if lines[i].startswith("$ ")]
        for start, stop in zip(starts, [*starts[1:], end], strict=True):
            yield Example(
                lines[start][2:],
                tuple(lines[start + 1 : stop]),
                first=start + 1,
                last=stop,
                exit_code=int(played[2] or 0) if stop == end else 0,
                background=played[1] == "background",
            )


# Said of a target when this machine is idle enough.
_IDLE: Final = re.compile(r" +below the target: room to spare$")


def shape(line: str) -> str:
    """A line without what differs from run to run and from machine to machine."""
    line = _IDLE.sub("", line)
    for pattern, name in ((_WHO, "WHO"), (_PATH, "PATH"), (_HEX, "#"), (_NUMBER, "#")):
        line = pattern.sub(name, line)
    return " ".join(line.split())


def alike(documented: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether two outputs have the same shape, line by line."""
    if not documented:
        return not printed
    if documented[0] == ANY_LINES:
        return any(alike(documented[1:], printed[n:]) for n in range(len(printed) + 1))
    return (
        bool(printed)
        and shape(documented[0]) == shape(printed[0])
        and alike(documented[1:], printed[1:])
    )


@dataclass
class Stage:
    """A home folder of its own, in which the commands of README.md are played."""

    folder: Path
    environment: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def built(cls, folder: Path) -> Stage:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config").symlink_to(ROOT / "config")
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LOGNAME": "ada",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",  # both streams in the order in which they were written
        }
        return cls(folder, environment)

    def play(self, command: str) -> tuple[int, list[str]]:
        """Exit code and lines on both streams, without the counting of what is done so far."""
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.environment[name] = value.replace("~", str(self.folder), 1)
            return 0, []
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        lines = done.stdout.decode().splitlines()
        return done.returncode, [line.rstrip() for line in lines if not _PROGRESS.fullmatch(line)]

    def start(self, command: str) -> None:
        """Let a command go on in the background."""
        self.running.append(
            subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def clear(self) -> None:
        """End what goes on, and the demo's fleet."""
        for process in self.running:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=10)
        self.play("phoenixctl demo down")


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Built, and cleared in the end."""
    made = Stage.built(folder)
    try:
        yield made
    finally:
        made.clear()


def differences(text: str, on: Stage) -> Iterator[str]:
    """Play every example; what is no longer as written, with its line in the text."""
    for example in examples(text):
        if example.background:
            on.start(example.command)
            continue
        code, printed = on.play(example.command)
        # A busy machine makes a node slow for a moment: looking is tried again.
        for _ in range(2):
            if example.command.startswith("phoenixctl status") and not _fits(
                example, code, printed
            ):
                code, printed = on.play(example.command)
        if not _fits(example, code, printed):
            wanted = "\n".join(example.output)
            yield (
                f"README.md:{example.first}: $ {example.command}\n"
                f"exit code {code}, wanted {example.exit_code}\n"
                f"--- README.md\n{wanted}\n--- printed\n" + "\n".join(printed)
            )


def _fits(example: Example, code: int, printed: Sequence[str]) -> bool:
    return code == example.exit_code and alike(example.output, printed)


def written_anew(text: str, on: Stage) -> str:
    """The text with what the commands print now, as if Ada did it on her laptop."""
    lines, moved = text.splitlines(), 0
    for example in list(examples(text)):
        if example.background:
            on.start(example.command)
            continue
        _, printed = on.play(example.command)
        if ANY_LINES in example.output:
            continue
        own = [_hers(line, on) for line in printed]
        lines[example.first + moved : example.last + moved] = own
        moved += len(own) - len(example.output)
    return "\n".join(lines) + "\n"


def _hers(line: str, on: Stage) -> str:
    line = line.replace(str(on.folder), "/home/ada").replace(str(ROOT), "/home/ada/phoenixctl")
    return line.replace(f"@{socket.gethostname()}", "@laptop")


CHARACTER_WIDTH = 12.2  # as rich draws them
LEADING_BLANKS = re.compile(
    r'x="([\d.]+)"([^>]*)textLength="([\d.]+)"([^>]*>)((?:&#160;)+)(?=[^<&])'
)


def picture(on: Stage) -> str:
    """An SVG of `phoenixctl status` on a terminal, one node being slow."""
    on.play("phoenixctl demo up")
    on.play("export PHOENIXCTL_CONFIG=~/.local/state/phoenixctl/demo-config/phoenixctl.yaml")
    on.start("phoenixctl demo load --rate 120 --seconds 60")
    time.sleep(SETTLE_SECONDS)
    on.play("phoenixctl demo slow demo-2 --delay 150ms")
    time.sleep(SETTLE_SECONDS)
    terminal, its_end = pty.openpty()
    with os.fdopen(terminal, "rb") as screen:
        with os.fdopen(its_end, "wb") as output:
            shown = subprocess.Popen(
                ["phoenixctl", "status"],
                cwd=on.folder,
                env=on.environment | {"COLUMNS": str(PICTURE_COLUMNS), "TERM": "xterm-256color"},
                stdout=output,
                stderr=subprocess.DEVNULL,
            )
        ansi = b""
        with suppress(OSError):  # the terminal of a process that has ended
            while piece := os.read(screen.fileno(), 65536):
                ansi += piece
        shown.wait(timeout=COMMAND_SECONDS)
    console = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi("$ phoenixctl status\n" + ansi.decode().replace("\r", "")))
    # Without the fonts that it would fetch: code hosts forbid that in pictures.
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="", code_format=form, unique_id="status")
    return LEADING_BLANKS.sub(_begun_later, svg)


def _begun_later(match: re.Match[str]) -> str:
    """A text that starts where its first letter is: not every viewer draws blanks before it."""
    start, middle, length, rest, blanks = match.groups()
    shift = CHARACTER_WIDTH * (len(blanks) // len("&#160;"))
    return f'x="{float(start) + shift:g}"{middle}textLength="{float(length) - shift:g}"{rest}'


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with stage(Path(folder) / "ada") as on:
            README.write_text(written_anew(README.read_text(), on))
        with stage(Path(folder) / "picture") as on:
            PICTURE.write_text(picture(on))


if __name__ == "__main__":
    main()
