"""Writing systemd's units for the operator's own account, or for the machine when that is root."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phoenixctl.cli.durations import seconds_of
from phoenixctl.model.errors import ExitCode, PhoenixError, UsageError
from phoenixctl.render.neutral import neutralise
from phoenixctl.render.scheduled import (
    COLLECTOR,
    Files,
    Job,
    cron_line,
    service_files,
    timer_files,
)

if TYPE_CHECKING:
    from phoenixctl.cli.run import Run

_KEPT: Final = ("XDG_STATE_HOME",)  # it decides where the metrics are
_SHORTEST_SECONDS: Final = 1.0


def install(
    run: Run, jobs: Sequence[Job], form: str, every: str | None, *, dry_run: bool
) -> ExitCode:
    """Write the units of all of these, or print them, or the lines for cron: those are added by
    hand. `form`: timer, cron, or another word for what goes on for ever."""
    kind = "install-" + "-".join(job.name for job in jobs)
    if form == "cron":
        lines = [_line(run, job, every or "1m") for job in jobs]
        run.emit(
            kind,
            lambda: {"form": form, "line": "\n".join(lines), "files": [], "written": False},
            lambda _console: _say("".join(f"{line}\n" for line in lines)),
        )
        run.note(f"add {'this line' if len(lines) == 1 else 'these lines'} by: crontab -e")
        return ExitCode.OK
    system = os.geteuid() == 0
    files = [_files(run, job, form, every or _default(job, form), system=system) for job in jobs]
    folder = _folder(system=system)
    if not dry_run:
        for name, text in _texts(files):
            _write(folder / name, text)
    _tell(run, kind, form, files, folder, system=system, dry_run=dry_run)
    return ExitCode.OK


def _default(job: Job, form: str) -> str:
    """A pulse is taken each second, all else is done each minute."""
    return "1s" if job is COLLECTOR and form != "timer" else "1m"


def _line(run: Run, job: Job, every: str) -> str:
    return cron_line(job, _command(run), _environ(), every_seconds=_seconds(every))


def _files(run: Run, job: Job, form: str, every: str, *, system: bool) -> Files:
    fleet, program, environ = run.parts.fleet.name, _command(run), _environ()
    seconds = _seconds(every)
    if form == "timer":
        return timer_files(job, fleet, program, environ, every_seconds=seconds)
    return service_files(job, fleet, program, environ, every=every, system=system)


def _seconds(every: str) -> float:
    seconds = seconds_of("--every", every) or 0.0
    if seconds < _SHORTEST_SECONDS:
        raise UsageError(f"--every {every}: at least 1s")
    return seconds


def _command(run: Run) -> tuple[str, ...]:
    return (*_program(), "--config", str(run.parts.path.absolute()))


def _environ() -> dict[str, str]:
    return {key: os.environ[key] for key in _KEPT if os.environ.get(key)}


def _texts(files: Sequence[Files]) -> list[tuple[str, str]]:
    return [pair for one in files for pair in one.texts.items()]


def _tell(
    run: Run,
    kind: str,
    form: str,
    files: Sequence[Files],
    folder: Path,
    *,
    system: bool,
    dry_run: bool,
) -> None:
    listed = [{"path": str(folder / name), "text": text} for name, text in _texts(files)]
    shown = "".join(f"# {one['path']}\n{one['text']}\n" for one in listed)
    wrote = "".join(f"wrote {one['path']}\n" for one in listed)
    run.emit(
        kind,
        lambda: {"form": form, "line": None, "files": listed, "written": not dry_run},
        lambda _console: _say(shown if dry_run else wrote),
    )
    if not dry_run:
        manager = "systemctl" if system else "systemctl --user"
        units = " ".join(one.enable for one in files)
        run.note(f"next: {manager} daemon-reload && {manager} enable --now {units}")
        if not system:
            run.note("so that it also runs while you are logged out: loginctl enable-linger")


def _program() -> tuple[str, ...]:
    """This phoenixctl, by its absolute path."""
    beside = Path(sys.executable).parent / "phoenixctl"
    found = str(beside) if beside.exists() else shutil.which("phoenixctl")
    return (found,) if found else (sys.executable, "-m", "phoenixctl")


def _folder(*, system: bool) -> Path:
    if system:
        return Path("/etc/systemd/system")
    base = os.environ.get("XDG_CONFIG_HOME")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".config"
    return root / "systemd" / "user"


def _write(path: Path, text: str) -> None:
    """Whole or not at all. Everybody may read it, as systemd's own tools expect of units: it has
    paths in it and no secrets.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise PhoenixError(f"{path} cannot be written: {error.strerror}") from None


def _say(text: str) -> None:
    sys.stdout.write(neutralise(text))
