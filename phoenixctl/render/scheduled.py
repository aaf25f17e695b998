"""What makes a machine do things again and again by itself: units of systemd, lines for cron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.errors import UsageError
from phoenixctl.model.units import format_duration
from phoenixctl.remote.quoting import to_shell
from phoenixctl.remote.units import quote_exec, span


@dataclass(frozen=True, slots=True)
class Job:
    """A command that is run now and then (`once`), or one that goes on for ever (`always`, to which
    the pace is added). `more` goes into the section of the service that runs once."""

    name: str
    does: str
    once: tuple[str, ...]
    always: tuple[str, ...]
    always_name: str
    more: str


# Nodes that give no answer are what it is to tell of, and no failure of the unit.
COLLECTOR: Final = Job(
    "collector",
    "gathers the metrics",
    ("metrics", "collect", "--quiet"),
    ("metrics", "watch", "--interval"),
    "watch",
    "SuccessExitStatus=3 4 5\n",
)
# A change that is under way may come to its end before the unit has to.
AUTOSCALER: Final = Job(
    "autoscaler",
    "scales the pools",
    ("autoscale", "--apply", "--quiet"),
    ("autoscale", "run", "--interval"),
    "autoscaler",
    "TimeoutStopSec=15min\n",
)

_SERVICE: Final = """\
# Written by phoenixctl; `phoenixctl install {job}` writes it again.
[Unit]
Description=phoenixctl {does} of fleet {fleet}
After=network-online.target
Wants=network-online.target

[Service]
Type={type}
{environment}ExecStart={exec}
UMask=0077
Nice=5
{more}"""

_TIMER: Final = """\
# Written by phoenixctl; `phoenixctl install {job}` writes it again.
[Unit]
Description=phoenixctl {does} of fleet {fleet} every {every}

[Timer]
OnActiveSec=0
OnUnitActiveSec={span}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""

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
    job: Job,
    fleet: str,
    program: Sequence[str],
    environ: Mapping[str, str],
    *,
    every_seconds: float,
) -> Files:
    """A service that does it once, and a timer for it."""
    name = f"phoenixctl-{job.name}-{fleet}"
    service = _SERVICE.format(
        job=job.name,
        does=job.does,
        fleet=fleet,
        type="oneshot",
        environment=_environment(environ),
        exec=_exec((*program, *job.once)),
        more=job.more,
    )
    timer = _TIMER.format(
        job=job.name,
        does=job.does,
        fleet=fleet,
        every=format_duration(every_seconds),
        span=span(every_seconds),
    )
    return Files({f"{name}.service": service, f"{name}.timer": timer}, f"{name}.timer")


def service_files(
    job: Job,
    fleet: str,
    program: Sequence[str],
    environ: Mapping[str, str],
    *,
    every: str,
    system: bool,
) -> Files:
    """A service that does it for ever."""
    name = f"phoenixctl-{job.always_name}-{fleet}.service"
    text = _SERVICE.format(
        job=job.name,
        does=job.does,
        fleet=fleet,
        type="simple",
        environment=_environment(environ),
        exec=_exec((*program, *job.always, every)),
        more=_FOR_EVER.format(target="multi-user.target" if system else "default.target"),
    )
    return Files({name: text}, name)


def cron_line(
    job: Job, program: Sequence[str], environ: Mapping[str, str], *, every_seconds: float
) -> str:
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
    argv = (*(("env", *words) if words else ()), *program, *job.once)
    line = to_shell(argv)
    if "\n" in line:
        raise UsageError("a crontab cannot hold a path with a line end in it")
    return f"{when}  " + line.replace("%", r"\%")  # which cron reads as the end of the line


def _environment(environ: Mapping[str, str]) -> str:
    return "".join(f"Environment={quote_exec(f'{k}={v}')}\n" for k, v in environ.items())


def _exec(argv: Sequence[str]) -> str:
    return " ".join(map(quote_exec, argv))
