"""Writing systemd's units for the operator's own account, or for the machine when that is root."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phoenixctl.cli.durations import seconds_of
from phoenixctl.model.errors import ExitCode, PhoenixError, UsageError
from phoenixctl.render.collector_units import Files, cron_line, timer_files, watch_files
from phoenixctl.render.neutral import neutralise

if TYPE_CHECKING:
    from phoenixctl.cli.run import Run

_KEPT: Final = ("XDG_STATE_HOME",)  # it decides where the metrics are
_SHORTEST_SECONDS: Final = 1.0


def install_collector(run: Run, form: str, every: str | None, *, dry_run: bool) -> ExitCode:
    """Write the units, or print them, or the line for cron: that is added by hand."""
    parts = run.parts
    every = every or ("1s" if form == "watch" else "1m")
    seconds = seconds_of("--every", every) or 0.0
    if seconds < _SHORTEST_SECONDS:
        raise UsageError(f"--every {every}: at least 1s")
    program = (*_program(), "--config", str(parts.path.absolute()))
    environ = {key: os.environ[key] for key in _KEPT if os.environ.get(key)}
    if form == "cron":
        line = cron_line(program, environ, every_seconds=seconds)
        run.emit(
            "install-collector",
            lambda: {"form": form, "line": line, "files": [], "written": False},
            lambda _console: _say(line + "\n"),
        )
        run.note("add this line by: crontab -e")
        return ExitCode.OK
    system = os.geteuid() == 0
    files = (
        timer_files(parts.fleet.name, program, environ, every_seconds=seconds)
        if form == "timer"
        else watch_files(parts.fleet.name, program, environ, every=every, system=system)
    )
    folder = _folder(system=system)
    if not dry_run:
        for name, text in files.texts.items():
            _write(folder / name, text)
    _tell(run, form, files, folder, system=system, dry_run=dry_run)
    return ExitCode.OK


def _tell(run: Run, form: str, files: Files, folder: Path, *, system: bool, dry_run: bool) -> None:
    listed = [{"path": str(folder / name), "text": text} for name, text in files.texts.items()]
    shown = "".join(f"# {one['path']}\n{one['text']}\n" for one in listed)
    wrote = "".join(f"wrote {one['path']}\n" for one in listed)
    run.emit(
        "install-collector",
        lambda: {"form": form, "line": None, "files": listed, "written": not dry_run},
        lambda _console: _say(shown if dry_run else wrote),
    )
    if not dry_run:
        manager = "systemctl" if system else "systemctl --user"
        run.note(f"next: {manager} daemon-reload && {manager} enable --now {files.enable}")
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
