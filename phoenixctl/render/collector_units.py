"""What makes a machine gather metrics by itself: systemd's units, or a line for cron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.errors import UsageError
from phoenixctl.model.units import format_duration
from phoenixctl.remote.quoting import to_shell
from phoenixctl.remote.units import quote_exec, span

_SERVICE: Final = """\
# Written by phoenixctl; `phoenixctl install collector` writes it again.
[Unit]
Description=phoenixctl gathers the metrics of fleet {fleet}
After=network-online.target
Wants=network-online.target

[Service]
Type={type}
{environment}ExecStart={exec}
UMask=0077
Nice=5
{more}"""

_TIMER: Final = """\
# Written by phoenixctl; `phoenixctl install collector` writes it again.
[Unit]
Description=phoenixctl gathers the metrics of fleet {fleet} every {every}

[Timer]
OnActiveSec=0
OnUnitActiveSec={span}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""

# Nodes that give no answer are what it is to tell of, and no failure of the unit.
_ONCE: Final = "SuccessExitStatus=3 4 5\n"
_FOR_EVER: Final = """\
Restart=always
RestartSec=5

[Install]
WantedBy={target}
"""


@dataclass(frozen=True, slots=True)
class Files:
    """Texts by file name; `enable` is the unit to enable."""

    texts: Mapping[str, str]
    enable: str


def timer_files(
    fleet: str, program: Sequence[str], environ: Mapping[str, str], *, every_seconds: float
) -> Files:
    """A service that gathers once, and a timer for it."""
    name = f"phoenixctl-collector-{fleet}"
    service = _SERVICE.format(
        fleet=fleet,
        type="oneshot",
        environment=_environment(environ),
        exec=_exec((*program, "metrics", "collect", "--quiet")),
        more=_ONCE,
    )
    every = format_duration(every_seconds)
    timer = _TIMER.format(fleet=fleet, every=every, span=span(every_seconds))
    return Files({f"{name}.service": service, f"{name}.timer": timer}, f"{name}.timer")


def watch_files(
    fleet: str,
    program: Sequence[str],
    environ: Mapping[str, str],
    *,
    every: str,
    system: bool,
) -> Files:
    """A service that keeps the pulse of all nodes for ever."""
    name = f"phoenixctl-watch-{fleet}.service"
    text = _SERVICE.format(
        fleet=fleet,
        type="simple",
        environment=_environment(environ),
        exec=_exec((*program, "metrics", "watch", "--interval", every)),
        more=_FOR_EVER.format(target="multi-user.target" if system else "default.target"),
    )
    return Files({name: text}, name)


def cron_line(program: Sequence[str], environ: Mapping[str, str], *, every_seconds: float) -> str:
    """A line of a crontab. UsageError for a pace that cron does not have."""
    minutes, rest = divmod(every_seconds, 60)
    if rest or not 1 <= minutes <= 1440 or (60 % minutes and minutes % 60) or 1440 % minutes:
        raise UsageError(
            f"cron cannot do it every {format_duration(every_seconds)}",
            hint="choose minutes that an hour can be divided by, or hours; or --as timer",
        )
    hours = int(minutes) // 60
    when = f"*/{int(minutes)} * * * *" if minutes < 60 else f"0 */{hours} * * *"
    when = {1: "* * * * *", 60: "0 * * * *", 1440: "0 0 * * *"}.get(int(minutes), when)
    words = [f"{key}={value}" for key, value in environ.items()]
    argv = (*(("env", *words) if words else ()), *program, "metrics", "collect", "--quiet")
    line = to_shell(argv)
    if "\n" in line:
        raise UsageError("a crontab cannot hold a path with a line end in it")
    return f"{when}  " + line.replace("%", r"\%")  # which cron reads as the end of the line


def _environment(environ: Mapping[str, str]) -> str:
    return "".join(f"Environment={quote_exec(f'{k}={v}')}\n" for k, v in environ.items())


def _exec(argv: Sequence[str]) -> str:
    return " ".join(map(quote_exec, argv))
