"""Real hosts to play with: `python -m tests.hosts up --hosts 4 --dir D`, as root."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.hosts.control import FAULTS, Control, send
from tests.hosts.fleet import Hosts
from tests.hosts.requirements import missing

_AGENTS = """\
agents:
  echo:
    replicas: {count}
    command: [{python}, -m, phoenixctl.demo.agent]
    port: 9100
    ready: {{http: {{path: /ready}}}}
    metrics: {{}}
    drain:
      http: {{path: /drain}}
      until: {{http: {{path: /drained}}}}
"""


def main() -> int:
    arguments = _parse()
    folder = Path(arguments.dir).resolve()
    if arguments.order == "up":
        return _up(folder, arguments.hosts, detach=arguments.detach)
    answer = send(folder, arguments.order, *([arguments.host] if "host" in arguments else []))
    print(answer or f"no hosts are kept for {folder}")
    if arguments.order == "down" and answer:
        _await(lambda: not (folder / "phoenixctl.yaml").exists(), 30)
    return 0 if answer else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    orders = parser.add_subparsers(dest="order", required=True)
    up = orders.add_parser("up", help="boot hosts and write phoenixctl.yaml for them")
    up.add_argument("--hosts", type=int, default=4)
    up.add_argument("--detach", action="store_true", help="come back when they run; end: down")
    down = orders.add_parser("down", help="end detached hosts")
    faults = [orders.add_parser(name, help=f"{name} one host") for name in FAULTS]
    for order in faults:
        order.add_argument("host", help="host1, host2 …")
    for order in (up, down, *faults):
        order.add_argument("--dir", required=True, help="folder for keys and phoenixctl.yaml")
    return parser.parse_args()


def _up(folder: Path, count: int, *, detach: bool) -> int:
    if why := missing():
        print(why, file=sys.stderr)
        return 1
    if send(folder, "ping"):
        print(f"{folder} has hosts already; end them with: down --dir {folder}", file=sys.stderr)
        return 1
    return _detach(folder, count) if detach else _keep(folder, count)


def _keep(folder: Path, count: int) -> int:
    started = time.monotonic()
    with Hosts(count, folder=folder) as hosts:
        control = Control(hosts, next(iter(hosts)).folder / "control")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: control.done.set())
        agents = _AGENTS.format(count=2 * count, python=hosts.python)
        config = hosts.write_config(folder / "phoenixctl.yaml", agents=agents)
        print(_words(hosts, config, time.monotonic() - started), flush=True)
        control.serve()
        config.unlink()
    return 0


def _detach(folder: Path, count: int) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log, config = folder / "hosts.log", folder / "phoenixctl.yaml"
    config.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.hosts", "up", f"--hosts={count}", f"--dir={folder}"]
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=Path(__file__).parents[2],
            env=os.environ,
        )
    _await(lambda: keeper.poll() is not None or config.exists(), 90)
    _await(lambda: keeper.poll() is not None or log.stat().st_size > 0, 5)
    print(log.read_text(), end="")
    return 0 if keeper.poll() is None else 1


def _words(hosts: Hosts, config: Path, seconds: float) -> str:
    rows = "\n".join(f"  {host.name}  {host.address}" for host in hosts)
    return f"""{len(hosts)} hosts run (in {seconds:.1f} s):
{rows}
Look at them:      phoenixctl --config {config} status
Log in:            ssh -i {hosts.identity} -o UserKnownHostsFile={hosts.known_hosts} root@ADDRESS
Break one:         python -m tests.hosts partition host1 --dir {hosts.folder}
Mend it:           python -m tests.hosts heal host1 --dir {hosts.folder}
End them:          Ctrl-C here, or python -m tests.hosts down --dir {hosts.folder}"""


def _await(condition: object, within_seconds: float) -> None:
    assert callable(condition)
    end = time.monotonic() + within_seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
