"""Host keys: what is trusted, and which of the four refusals says why not."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from phoenixctl.model.errors import (
    ExitCode,
    HostCertificateMismatch,
    HostKeyChanged,
    HostKeyError,
    HostKeyRevoked,
    HostKeyUnknown,
)
from phoenixctl.model.outcome import Failed
from tests.faults.conftest import StartServer
from tests.sshd import Sshd, done, fingerprint, keygen, node_at, public_key, reaching, run_on

pytestmark = pytest.mark.sshd


@dataclass
class Keys:
    """Key pairs made once: a host's, a stranger's, and two certificate authorities'."""

    folder: Path
    host: Path
    host_rsa: Path
    stranger: Path
    authority: Path
    other_authority: Path

    def certificate(self, name: str, *options: str) -> Path:
        """A certificate of the authority for a copy of the host key."""
        key = self.folder / name
        for end in ("", ".pub"):
            (self.folder / f"{name}{end}").write_bytes(
                (self.folder / f"{self.host.name}{end}").read_bytes()
            )
        key.chmod(0o600)
        sign = ["ssh-keygen", "-q", "-s", self.authority, "-h", "-I", name, *options, f"{key}.pub"]
        subprocess.run(sign, check=True, capture_output=True)
        return key


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    return Keys(
        folder,
        keygen(folder / "host"),
        keygen(folder / "host_rsa", "rsa"),
        keygen(folder / "stranger"),
        keygen(folder / "authority"),
        keygen(folder / "other_authority"),
    )


@pytest.fixture(scope="module")
def servers(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Sshd]]:
    """The same host with its plain key, and with four certificates for it."""
    signed = {
        "plain": None,
        "certified": keys.certificate("good", "-n", "127.0.0.1"),
        "other name": keys.certificate("other", "-n", "elsewhere.example"),
        "expired": keys.certificate("old", "-n", "127.0.0.1", "-V", "-2d:-1d"),
        "too early": keys.certificate("early", "-n", "127.0.0.1", "-V", "+1d:+2d"),
    }
    started = {}
    for name, key in signed.items():
        folder = tmp_path_factory.mktemp("server")
        options = (f"HostCertificate {key}-cert.pub",) if key else ()
        started[name] = Sshd.start(folder, host_key=key or keys.host, options=options)
    yield started
    for server in started.values():
        server.stop()


Lines = Callable[[Keys, str, int], str]


@dataclass
class Case:
    what: str
    server: str
    lines: Lines
    error: type[HostKeyError] | None = None
    shows: tuple[str, ...] = ()


def _entry(key: str, marker: str = "") -> Lines:
    def lines(keys: Keys, host: str, port: int) -> str:
        return f"{marker} [{host}]:{port} {public_key(getattr(keys, key))}\n".lstrip()

    return lines


def _both(first: Lines, second: Lines) -> Lines:
    return lambda keys, host, port: first(keys, host, port) + second(keys, host, port)


CASES = [
    Case("its key is known", "plain", _entry("host")),
    Case("no key is known", "plain", lambda *_: "", HostKeyUnknown, ("host",)),
    Case("another key of its type is known", "plain", _entry("stranger"), HostKeyChanged,
         ("host", "stranger")),
    Case("only a key of another type is known", "plain", _entry("host_rsa"), HostKeyUnknown,
         ("host", "host_rsa")),
    Case("its key is known among others", "plain", _both(_entry("stranger"), _entry("host"))),
    Case("a wildcard covers it", "plain",
         lambda k, h, p: f"[127.0.0.*]:{p},other {public_key(k.host)}\n"),
    Case("a negated pattern leaves it out", "plain",
         lambda k, h, p: f"*,!*127.0.0.?* {public_key(k.host)}\n", HostKeyUnknown, ("host",)),
    Case("its name without the port is known", "plain",
         lambda k, h, p: f"{h} {public_key(k.host)}\n"),
    Case("another port's key differs", "plain",
         lambda k, h, p: f"{h} {public_key(k.stranger)}\n", HostKeyUnknown, ("host",)),
    Case("its key is revoked", "plain", _both(_entry("host"), _entry("host", "@revoked")),
         HostKeyRevoked, ("host",)),
    Case("its authority is trusted", "certified", _entry("authority", "@cert-authority")),
    Case("its authority is revoked", "certified",
         _both(_entry("authority", "@cert-authority"), _entry("authority", "@revoked")),
         HostKeyRevoked, ("authority",)),
    Case("the key in its certificate is revoked", "certified",
         _both(_entry("authority", "@cert-authority"), _entry("host", "@revoked")),
         HostKeyRevoked, ("host",)),
    Case("another authority is trusted", "certified", _entry("other_authority", "@cert-authority"),
         HostCertificateMismatch, ("authority", "other_authority")),
    Case("its certificate is for another name", "other name",
         _entry("authority", "@cert-authority"), HostCertificateMismatch, ("authority",)),
    Case("its certificate has expired", "expired", _entry("authority", "@cert-authority"),
         HostCertificateMismatch, ("authority",)),
    Case("its certificate is not valid yet", "too early", _entry("authority", "@cert-authority"),
         HostCertificateMismatch, ("authority",)),
    Case("it shows a plain key and only an authority is known", "plain",
         _entry("authority", "@cert-authority"), HostCertificateMismatch, ("host", "authority")),
    Case("its certificate is of nobody, but its key is known", "certified", _entry("host")),
    Case("its certificate is of nobody and no key is known", "certified", lambda *_: "",
         HostKeyUnknown, ("host",)),
]  # fmt: skip


@pytest.mark.parametrize("hashed", [False, True], ids=["plain file", "hashed file"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
async def test_a_host_is_trusted_when_and_only_when_known_hosts_says_so(
    case: Case, hashed: bool, keys: Keys, servers: dict[str, Sshd], tmp_path: Path
) -> None:
    server = servers[case.server]
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(case.lines(keys, server.address, server.port))
    if hashed:
        # ssh-keygen leaves patterns as they are, as they cannot be hashed.
        subprocess.run(["ssh-keygen", "-H", "-f", known_hosts], check=True, capture_output=True)
    node = node_at(server, known_hosts_files=(str(known_hosts),))
    logged = len(server.log.read_text().splitlines())

    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "echo", "hello")

    if case.error is None:
        assert done(outcome).stdout == b"hello\n"
        return
    assert isinstance(outcome, Failed)
    assert type(outcome.error) is case.error
    assert outcome.error.exit_code == ExitCode.AUTHENTICATION
    for name in case.shows:
        assert fingerprint(getattr(keys, name)) in outcome.error.what
    assert outcome.error.hint
    connections = "\n".join(server.log.read_text().splitlines()[logged:]).count("Connection from")
    assert connections == 1, "a host key that is not trusted is not tried again"


async def test_a_changed_key_names_the_line_and_the_command_that_removes_it(
    keys: Keys, servers: dict[str, Sshd], tmp_path: Path
) -> None:
    server = servers["plain"]
    known_hosts = tmp_path / "known_hosts"
    name = f"[{server.address}]:{server.port}"
    known_hosts.write_text(f"# ours\n\n{name} {public_key(keys.stranger)}\n")
    node = node_at(server, known_hosts_files=(str(known_hosts),))

    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "true")

    assert isinstance(outcome, Failed)
    assert f"{known_hosts}:3" in outcome.error.what
    assert f"ssh-keygen -R '{name}' -f {known_hosts}" in outcome.error.hint


async def test_a_host_shows_the_key_that_is_known_even_when_it_would_prefer_another(
    keys: Keys, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(host_key=keys.host, options=(f"HostKey {keys.host_rsa}",))
    known_hosts = tmp_path / "rsa_only"
    known_hosts.write_text(f"[{server.address}]:{server.port} {public_key(keys.host_rsa)}\n")
    node = node_at(server, known_hosts_files=(str(known_hosts),))

    async with reaching(node) as reach:
        assert done(await run_on(reach, node, "true")).ok


async def test_lines_that_cannot_be_read_are_reported_and_the_others_count(
    servers: dict[str, Sshd], keys: Keys, tmp_path: Path
) -> None:
    server = servers["plain"]
    known_hosts = tmp_path / "known_hosts"
    good = f"[{server.address}]:{server.port} {public_key(keys.host)}"
    bad = ("one", "a ssh-ed25519 @@@", "@strange a ssh-rsa AAAA", "a ssh-rsa AAAAC3NzaC1lZDI1NTE5")
    known_hosts.write_text("\n".join((*bad, "|1|x|y ssh-rsa AAAAB3NzaC1yc2E=", good, "")))
    node = node_at(server, known_hosts_files=(str(known_hosts),))

    async with reaching(node) as reach:
        assert done(await run_on(reach, node, "true")).ok
        warnings = reach.warnings()

    assert [line.split(": ")[0] for line in warnings] == [f"{known_hosts}:{n}" for n in range(1, 6)]


@dataclass
class Recorded:
    """A host whose keys are recorded: which, and why it is refused, if it is."""

    what: str
    recorded: tuple[str, ...]
    error: type[HostKeyError] | None = None
    server: str = "plain"


RECORDED = [
    Recorded("its key is recorded", ("host",)),
    Recorded("its new key is recorded beside the old one", ("stranger", "host")),
    Recorded("another key of its type is recorded", ("stranger",), HostKeyChanged),
    Recorded("only a key of another type is recorded", ("host_rsa",), HostKeyUnknown),
    Recorded("the key in its certificate is recorded", ("host",), server="certified"),
    Recorded("an authority's key is no host's", ("authority",), HostKeyChanged, "certified"),
]


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.what)
async def test_a_host_with_recorded_keys_is_trusted_by_them_and_by_no_file(
    case: Recorded, keys: Keys, servers: dict[str, Sshd]
) -> None:
    server = servers[case.server]
    # The server's own known_hosts file holds its key: it must not count.
    recorded = tuple(public_key(getattr(keys, name)) for name in case.recorded)
    node = node_at(server, host_keys=recorded)

    async with reaching(node) as reach:
        outcome = await run_on(reach, node, "echo", "hello")

    if case.error is None:
        assert done(outcome).stdout == b"hello\n"
        return
    assert isinstance(outcome, Failed)
    assert type(outcome.error) is case.error
    assert fingerprint(keys.host) in outcome.error.what
    assert fingerprint(getattr(keys, case.recorded[0])) in outcome.error.what
    assert "--replace" in outcome.error.hint
    assert "known_hosts" not in outcome.error.what + outcome.error.hint


async def test_a_node_that_is_reached_another_way_gets_a_new_connection(
    keys: Keys, servers: dict[str, Sshd]
) -> None:
    server = servers["plain"]
    both = (public_key(keys.stranger), public_key(keys.host))
    node = node_at(server, host_keys=both)
    async with reaching() as reach:
        assert isinstance(await run_on(reach, node, "true"), Failed)  # it is not known yet
        reach.add(node)
        before = done(await run_on(reach, node, "sh", "-c", "echo $SSH_CONNECTION")).stdout
        reach.add(node)
        same = done(await run_on(reach, node, "sh", "-c", "echo $SSH_CONNECTION")).stdout
        running = asyncio.create_task(run_on(reach, node, "sleep", "0.5"))
        await asyncio.sleep(0.1)
        reach.add(replace(node, host_keys=both[1:]))
        after = done(await run_on(reach, node, "sh", "-c", "echo $SSH_CONNECTION")).stdout
        assert before == same != after
        assert done(await running).ok
        reach.add(replace(node, host_keys=both[:1]))
        outcome = await run_on(reach, node, "true")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, HostKeyChanged)
