"""A cold fan-out over 200 addresses of one sshd: client CPU against peers in the same run.

    python -m tests.benchmarks.fanout [--rounds N]

Every contender reads four files of /proc on 127.0.1.1 to 127.0.1.200, 64 at a time, with keys of
its own kind and, where it can, a known_hosts of 200 lines. Gates are ratios of CPU time, start-up
included; wall time is shown and not judged, as the server works on the same cores.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.gates import Gate, report
from tests.sshd import Sshd, public_key, user

HOSTS = 200
PARALLEL = 64
FILES = ("/proc/stat", "/proc/meminfo", "/proc/loadavg", "/proc/net/dev")
CLUSH_LIMIT = 0.35  # of clush's client CPU, with curve25519 as its key exchange
BARE_LIMIT = 1.3  # of a bare, tuned asyncssh loop
MEMORY_LIMIT_MIB = 80

BARE = """
import asyncio, sys
import asyncssh

folder, port, user, count, parallel, *files = sys.argv[1:]
known = {}
for line in open(f"{folder}/known_hosts_200"):
    name, text = line.split(" ", 1)
    known[name] = [asyncssh.import_public_key(text)]

options = asyncssh.SSHClientConnectionOptions(
    config=None, username=user, client_keys=[asyncssh.read_private_key(f"{folder}/client_key")],
    known_hosts=lambda host, address, port: (known.get(f"[{host}]:{port}", []), [], []),
    agent_path=None, gss_host=None, gss_kex=False, gss_auth=False, x509_trusted_certs=None,
    compression_algs=["none"], preferred_auth="publickey", login_timeout=0,
    kex_algs=["mlkem768x25519-sha256", "curve25519-sha256"],
    encryption_algs=["aes128-gcm@openssh.com"], encoding=None)

async def one(host, places):
    async with places:
        connection = await asyncssh.connect(host, int(port), options=options, config=None)
        done = await connection.run("cat " + " ".join(files), encoding=None)
        connection.close()
        await connection.wait_closed()
    assert done.exit_status == 0 and done.stdout
    return done.stdout

async def main():
    places = asyncio.Semaphore(int(parallel))
    hosts = [f"127.0.1.{n}" for n in range(1, int(count) + 1)]
    for text in await asyncio.gather(*(one(host, places) for host in hosts)):
        sys.stdout.buffer.write(text)

asyncio.run(main())
"""

PARALLEL_SSH = """
import sys
from pssh.clients import ParallelSSHClient

folder, port, user, count, parallel, *files = sys.argv[1:]
hosts = [f"127.0.1.{n}" for n in range(1, int(count) + 1)]
client = ParallelSSHClient(hosts, user=user, port=int(port), pkey=f"{folder}/client_key",
                           pool_size=int(parallel), num_retries=1)
for output in client.run_command("cat " + " ".join(files)):
    for line in output.stdout:
        print(line)
    assert output.exit_code == 0
"""


@dataclass
class Contender:
    """A command to measure; `note` says what it leaves out."""

    name: str
    command: Sequence[str | Path]
    note: str = ""
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)

    def measure(self, folder: Path) -> None:
        """Run once; CPU of the process and all it waited for, its own peak RSS, wall time."""
        with (folder / "output").open("wb") as out, (folder / "errors").open("wb") as errors:
            start = time.monotonic()
            process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=_env(folder)
            )
            peak = 0.0
            while True:
                finished, status, usage = os.wait4(process.pid, os.WNOHANG)
                if finished:
                    break
                # ru_maxrss would begin with our own memory, which a new process shares at first.
                peak = max(peak, _peak_mib(process.pid))
                time.sleep(0.01)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0 or (folder / "output").stat().st_size < HOSTS * 1000:
            said = (folder / "errors").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} failed ({process.returncode}): {said}")
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.wall.append(time.monotonic() - start)
        self.rss.append(peak)


def contenders(server: Sshd) -> list[Contender]:
    """Who takes part on this machine; the first is ours."""
    folder = server.folder
    scripted = [str(folder), str(server.port), user(), str(HOSTS), str(PARALLEL), *FILES]
    found = [
        Contender(
            "phoenixctl exec",
            [_program("phoenixctl"), "exec", "--config", folder / "phoenixctl.yaml", "--all", "--",
             "cat", *FILES],
        ),
        Contender("bare asyncssh loop", [sys.executable, "-c", BARE, *scripted], "tuned"),
    ]  # fmt: skip
    if clush := _program("clush", required=False):
        options = (
            f"-F none -o KexAlgorithms=curve25519-sha256 -i {folder}/client_key -p {server.port} "
            f"-o UserKnownHostsFile={folder}/known_hosts_200 -o GlobalKnownHostsFile=none "
            f"-o BatchMode=yes"
        )
        command = [clush, "-q", "-l", user(), "-f", str(PARALLEL), "-o", options]
        command += ["-w", f"127.0.1.[1-{HOSTS}]", "cat", *FILES]
        found.append(Contender("clush", command, "curve25519"))
    if importlib.util.find_spec("pssh"):
        note = "does not check host keys"
        found.append(
            Contender("parallel-ssh", [sys.executable, "-c", PARALLEL_SSH, *scripted], note)
        )
    return found


def run(rounds: int, say: Callable[[str], None]) -> list[Gate]:
    """Measure every contender `rounds` times, in turns, and show the medians."""
    with tempfile.TemporaryDirectory(prefix="fanout-") as name:
        folder = Path(name)
        server = Sshd.start(folder, listen="0.0.0.0", options=("LogLevel INFO",))
        try:
            _write_inputs(server)
            taking_part = contenders(server)
            for _ in range(rounds):
                for contender in taking_part:
                    contender.measure(folder)
        finally:
            server.stop()
    return _judge(taking_part, say)


def _write_inputs(server: Sshd) -> None:
    key = public_key(server.host_key)
    names = [f"[127.0.1.{number}]:{server.port}" for number in range(1, HOSTS + 1)]
    known_hosts = server.folder / "known_hosts_200"
    known_hosts.write_text("".join(f"{name} {key}\n" for name in names))
    (server.folder / "phoenixctl.yaml").write_text(
        f"fleet:\n  name: fanout\n"
        f"ssh:\n  user: {user()}\n  port: {server.port}\n  parallel: {PARALLEL}\n"
        f"  config_file: null\n  use_agent: false\n"
        f"  identity_files: [{server.client_key}]\n  known_hosts_files: [{known_hosts}]\n"
        f"nodes:\n  - name: n[1-{HOSTS}]\n    address: 127.0.1.[1-{HOSTS}]\n"
    )


def _judge(taking_part: list[Contender], say: Callable[[str], None]) -> list[Gate]:
    by_name = {contender.name: contender for contender in taking_part}
    ours = by_name["phoenixctl exec"]
    mine = statistics.median(ours.cpu)
    say(f"cold fan-out, {HOSTS} hosts, {PARALLEL} at a time, medians of {len(ours.cpu)}")
    say(f"{'':20} {'CPU s':>7} {'wall s':>7} {'RSS MiB':>8} {'ours/it':>8}")
    for contender in taking_part:
        cpu = statistics.median(contender.cpu)
        say(
            f"{contender.name:20} {cpu:7.2f} {statistics.median(contender.wall):7.2f} "
            f"{max(contender.rss):8.0f} {mine / cpu:8.2f}  {contender.note}"
        )
    gates = [Gate("peak RSS in MiB", max(ours.rss), MEMORY_LIMIT_MIB)]
    for name, limit in (("bare asyncssh loop", BARE_LIMIT), ("clush", CLUSH_LIMIT)):
        if name in by_name:
            # Pairs of one round: what else the machine does falls on both.
            pairs = zip(ours.cpu, by_name[name].cpu, strict=True)
            ratio = statistics.median(one / other for one, other in pairs)
            gates.append(Gate(f"CPU / {name}", ratio, limit))
    report(gates, say)
    return gates


def _peak_mib(pid: int) -> float:
    """The largest RSS that a process has had since it began its program."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) / 1024 if found else 0.0


def _program(name: str, *, required: bool = True) -> str | None:
    """A program beside this interpreter, or on the path."""
    beside = Path(sys.executable).parent / name
    places = [beside, *(Path(folder) / name for folder in os.get_exec_path())]
    found = next((str(place) for place in places if os.access(place, os.X_OK)), None)
    if found is None and required:
        raise RuntimeError(f"{name} is not installed")
    return found


def _env(folder: Path) -> dict[str, str]:
    """No settings of the account that runs the benchmark; bytecode is cached as when installed."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return kept | {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "USER": user()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    gates = run(parser.parse_args().rounds, print)
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
