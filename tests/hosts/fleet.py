"""Real hosts for tests: `with Hosts(4) as hosts:` boots them at once and removes them after."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from tests.hosts.claim import Claim, claim
from tests.hosts.host import Host
from tests.hosts.process import call

_CONFIG = """\
# Real hosts of this machine, made by `python -m tests.hosts`.
fleet: {{name: {fleet}}}
ssh:
  user: root
  config_file: null
  use_agent: false
  identity_files: [{identity}]
  known_hosts_files: [{known_hosts}]
pools: {{hosts: {{}}}}
nodes:
{nodes}"""


class Hosts:
    """A fleet of real hosts `host1`, `host2` …, all with one client key.

    `folder` receives keys and known_hosts (a temporary one by default, removed at the end).
    """

    python = sys.executable  # the same path inside every host: agents are started with it

    def __init__(self, count: int = 4, *, folder: Path | None = None) -> None:
        self._count = count
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="phoenixctl-hosts-"))
        self.identity = self.folder / "id_ed25519"
        self.known_hosts = self.folder / "known_hosts"
        self._hosts: dict[str, Host] = {}

    def __enter__(self) -> Hosts:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_key(self.identity, "operator")
        claims = claim(self._count)
        try:
            for number, each in enumerate(claims, 1):
                self._add(each, f"host{number}")
            self._on_all(Host.create)
            self._on_all(Host.boot)
        except BaseException:
            self._close(claims)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._on_all(Host.destroy)
        if self._temporary:
            shutil.rmtree(self.folder)

    def __iter__(self) -> Iterator[Host]:
        return iter(self._hosts.values())

    def __len__(self) -> int:
        return len(self._hosts)

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def heal(self) -> None:
        """End every fault on every host."""
        self._on_all(Host.heal)

    def renew_used(self) -> tuple[str, ...]:
        """Install anew the hosts on which phoenixctl left something; gives their names."""
        used = [host for host in self if host.leftovers()]
        self._on_all(Host.renew, used)
        return tuple(host.name for host in used)

    def write_config(self, path: Path, *, fleet: str = "hosts", agents: str = "") -> Path:
        """A phoenixctl.yaml with all hosts in the pool `hosts`; `agents` is YAML put behind."""
        nodes = "".join(
            f"  - {{name: {h.name}, address: {h.address}, pool: hosts}}\n" for h in self
        )
        text = _CONFIG.format(
            fleet=fleet, identity=self.identity, known_hosts=self.known_hosts, nodes=nodes
        )
        path.write_text(text + agents)
        return path

    def _add(self, claimed: Claim, name: str) -> None:
        # Made on the operator's side: the fleet's known_hosts is then true from the first second.
        key = self.folder / f"{name}_host_key"
        _make_key(key, name)
        public = key.with_suffix(".pub").read_text().split()
        with self.known_hosts.open("a") as file:
            file.write(f"{claimed.address} {public[0]} {public[1]}\n")
        self._hosts[name] = Host(claimed, name, host_key=key, client_key=self.identity)

    def _on_all(self, act: Callable[[Host], None], hosts: list[Host] | None = None) -> None:
        hosts = list(self) if hosts is None else hosts
        with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
            list(pool.map(act, hosts))

    def _close(self, claims: list[Claim]) -> None:
        for each in claims:
            each.release()
        if self._temporary:
            shutil.rmtree(self.folder)


def _make_key(path: Path, comment: str) -> None:
    path.unlink(missing_ok=True)
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
