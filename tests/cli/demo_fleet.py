"""The command line as people use it, against an embedded fleet of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NODES = ("demo-1", "demo-2", "demo-3")
PROGRESS = re.compile(r"^[\w :,()-]+: \d+ of \d+(, \d+ failed)?\n", re.M)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Done:
    """What a command line left; `err` without the progress that slow machines get to see."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def rows(self, first: str) -> dict[str, list[str]]:
        """The words of each row of the table whose first column is so named."""
        lines = iter(self.out.splitlines())
        found: dict[str, list[str]] = {}
        for line in lines:
            if line.split(" ")[0] == first:
                break
        for line in lines:
            if not line:
                break
            name, *words = line.split()
            found[name] = words
        return found


@dataclass(frozen=True)
class DemoFleet:
    """A fleet below `root`; every command line runs with its environment."""

    root: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.root / "state" / "phoenixctl" / "phoenix-demo"

    @property
    def config(self) -> Path:
        return self.root / "demo" / "phoenixctl.yaml"

    def home(self, node: str) -> Path:
        """The home folder of a node's user."""
        return self.state / "local" / node / "home"

    def processes_on(self, node: str) -> set[int]:
        """What runs there for its user: agents, and commands of ours."""
        return processes(f"HOME={self.home(node)}\0", where="environ")

    def node_pid(self, node: str) -> int:
        return int(json.loads((self.state / "local" / node / "node.json").read_bytes())["pid"])

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PHOENIX", "NO_COLOR"))}
        own = {
            "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "HOME": str(self.root / "operator"),
            "PHOENIXCTL_CONFIG": str(self.config),
        }
        return {**kept, **own, **more}

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """A command line that goes on; end it with `finish`."""
        options.setdefault("stdin", subprocess.DEVNULL)
        environ = options.pop("environ", {})
        process = subprocess.Popen(
            [sys.executable, "-m", "phoenixctl", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(**environ),
            **options,
        )
        self.started.append(process)
        return process

    def end_what_was_started(self) -> None:
        """Nothing of a test that failed runs on into the next one."""
        for process in self.started:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        self.started.clear()

    def run(self, *words: str, **options: Any) -> Done:
        """A command line, run to its end without a terminal."""
        content = options.pop("input", None)
        if content is not None:
            options["stdin"] = subprocess.PIPE
        return finish(self.start(*words, **options), content)

    def ok(self, *words: str, **options: Any) -> Done:
        done = self.run(*words, **options)
        assert done.code == 0, done
        return done

    def up(self) -> None:
        """Nodes and agents as at the beginning; what runs already is left alone."""
        folder = str(self.config.parent)
        self.ok("demo", "up", "--nodes", "3", "--agents", "3", "--dir", folder)

    def down(self) -> Done:
        return self.run("demo", "down", "--dir", str(self.config.parent))


def finish(process: subprocess.Popen[bytes], content: bytes | None = None) -> Done:
    """Wait for a command line; nothing of what it wrote may be a traceback."""
    out, err = process.communicate(content, timeout=100)
    words = PROGRESS.sub("", err.decode())
    done = Done(process.returncode, out.decode("utf-8", "surrogateescape"), words)
    assert "Traceback" not in done.err, done.err
    assert "Exception ignored" not in done.err, done.err
    return done


def interrupt(process: subprocess.Popen[bytes]) -> Done:
    """Ctrl-C."""
    process.send_signal(signal.SIGINT)
    return finish(process)


def until(condition: Callable[[], Any], *, seconds: float = 15.0) -> Any:
    """What the condition gave when it first held; fails when it never does."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def processes(part: str, *, where: str = "cmdline") -> set[int]:
    """Living processes with this text in their command line (or `environ`), this one left out."""
    found = set()
    for path in Path("/proc").glob(f"[0-9]*/{where}"):
        pid = int(path.parent.name)
        try:
            if pid != os.getpid() and part.encode() in path.read_bytes():
                found.add(pid)
        except OSError:
            continue
    return found


@contextmanager
def another_config(fleet: DemoFleet, name: str, agents: str) -> Iterator[Path]:
    """A second configuration for the same nodes, with these agents, purged at the end."""
    path = fleet.root / f"{name}.yaml"
    path.write_text(
        "fleet: {name: phoenix-demo}\n"
        "pools: {demo: {provider: local, size: 3}}\n"
        f"agents:\n  {name}:\n{agents}"
    )
    try:
        yield path
    finally:
        fleet.ok("--config", str(path), "agents", "stop", name, "--purge", "--yes")
