"""Nodes join alike on every kind of machine: given what they lack, proven, marked; left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.bootstrap import Bootstrap, BootstrapCommand, BootstrapFile
from phoenixctl.model.errors import ExitCode, HostKeyChanged
from phoenixctl.model.fleet import Fleet, Node, Pool, SshSettings
from phoenixctl.model.hooks import ExecHook
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Failed, Succeeded
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.providers.local import LocalProvider
from phoenixctl.ssh.reach import SshReach
from phoenixctl.store.local import LocalRecords
from phoenixctl.workflows import renew
from phoenixctl.workflows.apply import Means, Report, apply
from phoenixctl.workflows.bootstrap import bootstrap_digests
from phoenixctl.workflows.recover import recover
from tests.conformance.place import Place, shell_agent

GREETING = b"hello\0 'there'\n"


@dataclass
class Site:
    """A fleet of one node, that of `place`, with real records."""

    place: Place
    records: LocalRecords
    bootstrap: Bootstrap | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    provider: str = "static"

    @property
    def node(self) -> Node:
        return replace(self.place.node, pool="main")

    @property
    def fleet(self) -> Fleet:
        pool = Pool("main", self.provider, bootstrap=self.bootstrap)
        agent = shell_agent("sleeper", "while :; do sleep 0.2; done")
        nodes = {self.node.name: self.node}
        return Fleet(self.place.fleet, {"main": pool}, nodes, {"sleeper": agent.spec})

    @property
    def means(self) -> Means:
        return Means(
            self.fleet, self.place.reach, {}, self.records, SystemClock(),
            secret=lambda ref: "", read=self.files.__getitem__, by="test",
        )  # fmt: skip

    def step(self, action: Action, *after: str, agent: str | None = None) -> Step:
        return Step(action, self.node.name, agent, "test", after=after, pool="main")  # type: ignore[arg-type]

    async def do(self, *steps: Step) -> Report:
        return await apply(Plan("test", steps), self.means)

    async def join(self) -> Report:
        return await self.do(self.step(Action.JOIN))

    def digest(self) -> str:
        return bootstrap_digests(self.fleet, self.files.__getitem__)["main"]


@pytest.fixture
def site(place: Place, tmp_path: Path) -> Site:
    return Site(place, LocalRecords(tmp_path / "records", SystemClock(), place.fleet))


@pytest.fixture
async def folder(place: Place, tmp_path: Path) -> AsyncIterator[str]:
    """A folder of the node that is there for the test."""
    folder = str(tmp_path / "node") if place.host is None else f"/var/tmp/{place.fleet}"
    yield folder
    place.look("rm", "-rf", folder)


def details(report: Report) -> list[str]:
    return [result.detail for result in report.results]


def put(site: Site, folder: str, *commands: BootstrapCommand, **more: object) -> str:
    """Let the pool's nodes get a file and commands; the file's path on the node."""
    target = f"{folder}/deep/motd"
    site.files["motd"] = GREETING
    file = BootstrapFile("motd", target, "0640")
    site.bootstrap = Bootstrap(files=(file,), commands=commands, **more)  # type: ignore[arg-type]
    return target


async def test_a_node_gets_what_it_lacks_once_and_is_marked(site: Site, folder: str) -> None:
    count = ("sh", "-c", f"echo ran >> {folder}/count")
    target = put(
        site, folder, BootstrapCommand(count, unless=("test", "-e", f"{folder}/count")),
        ready=ExecHook(("test", "-s", f"{folder}/count"), timeout_seconds=5),
    )  # fmt: skip
    report = await site.join()
    assert report.exit_code is ExitCode.OK, details(report)
    assert details(report) == [f"joined, wrote {target}, ran 1 of 1 commands"]
    look = site.place.look
    assert look("cat", target) == GREETING
    assert look("stat", "-c", "%a", target) == b"640\n"
    assert (await site.place.survey()).joined == site.digest()
    before = look("stat", "-c", "%Y %i", target)

    assert details(await site.join()) == ["joined, had all it needs"]
    assert look("cat", f"{folder}/count") == b"ran\n"
    assert look("stat", "-c", "%Y %i", target) == before
    state = await site.records.read()
    assert state.nodes == {
        site.node.name: NodeRecord(site.node, "static", site.node.name, joined=site.digest())
    }


async def test_a_file_that_was_changed_on_the_node_is_put_right(site: Site, folder: str) -> None:
    target = put(site, folder)
    await site.join()
    site.place.look("sh", "-c", f"echo wrong > {target}; chmod 777 {target}")
    assert details(await site.join()) == [f"joined, wrote {target}"]
    assert site.place.look("cat", target) == GREETING
    assert site.place.look("stat", "-c", "%a", target) == b"640\n"


async def test_a_command_that_fails_is_told_and_the_node_has_not_joined(
    site: Site, folder: str
) -> None:
    put(site, folder, BootstrapCommand(("sh", "-c", "echo no such disk >&2; exit 3")))
    report = await site.join()
    assert report.exit_code is ExitCode.SOME_FAILED
    [detail] = details(report)
    assert "ended with 3: no such disk" in detail
    assert (await site.place.survey()).joined == ""
    assert (await site.records.read()).nodes == {}


async def test_a_node_without_a_bootstrap_is_proven_and_recorded(site: Site) -> None:
    assert details(await site.join()) == ["joined"]
    assert (await site.place.survey()).joined == "none"


async def test_a_node_joins_runs_agents_and_is_forgotten_with_nothing_left(site: Site) -> None:
    join, agent = site.step(Action.JOIN), "sleeper-0"
    start = site.step(Action.START, join.key, agent=agent)
    assert (await site.do(join, start)).exit_code is ExitCode.OK
    assert [a.id for a in (await site.place.survey()).agents] == [agent]
    assert list((await site.records.read()).agents) == [agent]

    early = await site.do(site.step(Action.FORGET))
    assert "is still needed: sleeper-0 on it" in details(early)[0]
    cordon, drain = site.step(Action.CORDON), site.step(Action.DRAIN, agent=agent)
    forget = site.step(Action.FORGET, cordon.key, drain.key)
    late = await site.do(cordon, drain, forget)
    assert late.exit_code is ExitCode.OK, details(late)
    seen = await site.place.survey()
    assert (seen.joined, seen.cordon) == ("", None)
    state = await site.records.read()
    assert (state.nodes, state.agents, dict(state.epochs)) == ({}, {}, {agent: 1})


# Machines of their own, as a cloud gives them out

own_machine = pytest.mark.parametrize(
    "kind", [pytest.param("systemd", marks=pytest.mark.hosts)], indirect=True
)


@own_machine
async def test_a_package_that_is_there_is_left_alone(site: Site) -> None:
    before = site.place.look("stat", "-c", "%Y", "/var/lib/dpkg/status")
    site.bootstrap = Bootstrap(packages=("openssh-server", "systemd"))
    assert details(await site.join()) == ["joined, had all it needs"]
    assert site.place.look("stat", "-c", "%Y", "/var/lib/dpkg/status") == before


@pytest.fixture
async def given_key(site: Site) -> AsyncIterator[Site]:
    """The host as a provider has made it: its key came with user-data and is recorded."""
    host = site.place.host
    assert host is not None
    shown = host.run("ssh-keygen", "-y", "-f", "/etc/ssh/ssh_host_ed25519_key").split()
    site.place.node = replace(
        site.place.node, host_keys=(" ".join(shown[:2]),), known_hosts_files=()
    )
    site.provider = "aws"
    record = NodeRecord(site.node, "aws", "i-1", operation="1 create node")
    await site.records.replace_state(
        State(site.place.fleet, "f00d", 1, nodes={site.node.name: record}), title="made"
    )
    yield site
    host.renew()  # the harness knows its first key


def recorded_keys(state: State, name: NodeName) -> tuple[str, ...]:
    return state.nodes[name].node.host_keys


async def reached(site: Site, *host_keys: str, home: Path) -> Succeeded[None] | Failed:
    """What comes of a new connection that trusts these keys only."""

    async def nothing(_session: object) -> None:
        pass

    node = replace(site.node, host_keys=host_keys)
    reach = SshReach({node.name: node}, site.place.settings, home=home, environ={})
    try:
        outcome = (await reach.each([node.name], nothing))[node.name]
        assert isinstance(outcome, Succeeded | Failed)
        return outcome
    finally:
        await reach.aclose()


async def is_known_by_one_new_key(site: Site, home: Path) -> bool:
    """Its record has one key, which it shows; its first one is neither trusted nor kept."""
    name = site.node.name
    [new] = recorded_keys(await site.records.read(), name)
    assert new not in site.node.host_keys
    assert isinstance(await reached(site, new, home=home), Succeeded)
    refused = await reached(site, *site.node.host_keys, home=home)
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, HostKeyChanged)
    files = site.place.look("sh", "-c", "ls /etc/ssh | grep ed25519").decode().split()
    return files == ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"]


@own_machine
async def test_a_node_makes_a_host_key_of_its_own_and_is_known_by_it_alone(
    given_key: Site, tmp_path: Path
) -> None:
    report = await given_key.join()
    assert details(report) == ["joined, has a host key of its own"]
    assert await is_known_by_one_new_key(given_key, tmp_path)


class Killed(BaseException):
    """The run ends here, as by SIGKILL: nothing more is written."""


@own_machine
@pytest.mark.parametrize("moment", ["prepared", "noted", "installed", "logged in"])
async def test_a_change_of_host_keys_that_is_cut_off_anywhere_is_finished_by_the_next_run(
    moment: str, given_key: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killing(name: str) -> None:
        def killed(*_args: object, **_more: object) -> None:
            raise Killed

        monkeypatch.setattr(renew, name, killed)

    site = given_key
    at = {
        "noted": "install_command", "installed": "_log_in", "logged in": "finish_command",
        "prepared": "parse_prepared",
    }  # fmt: skip
    killing(at[moment])
    with pytest.raises(Killed):
        await site.join()
    monkeypatch.undo()
    await site.place.reach.aclose()

    assert [u.step.action for u in await site.records.unfinished()] == [Action.JOIN]
    [result] = await recover(site.means)
    assert result.outcome == "ok", result.detail
    assert await is_known_by_one_new_key(site, tmp_path)


@own_machine
async def test_a_host_whose_sshd_uses_another_key_has_not_joined(given_key: Site) -> None:
    host = given_key.place.host
    assert host is not None
    host.run(
        "sh", "-c",
        "cd /etc/ssh && cp -p ssh_host_ed25519_key other"
        " && sed -i s/ssh_host_ed25519_key/other/ sshd_config && systemctl reload ssh",
    )  # fmt: skip
    report = await given_key.join()
    assert report.exit_code is ExitCode.SOME_FAILED
    assert (
        "no new host key: its sshd does not use /etc/ssh/ssh_host_ed25519_key"
        in (details(report)[0])
    )
    state = await given_key.records.read()
    assert recorded_keys(state, given_key.node.name) == given_key.node.host_keys


async def test_a_local_node_is_made_works_and_is_destroyed_as_one_plan_says(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path / "nodes", "whole-way")
    agent = shell_agent("sleeper", "while :; do sleep 0.2; done")
    fleet = Fleet("whole-way", {"pool": Pool("pool", "local", size=1)}, {}, {"sleeper": agent.spec})
    records = LocalRecords(tmp_path / "records", SystemClock(), fleet.name)
    settings = SshSettings(config_file=None, use_agent=False)
    name, steps = NodeName("pool-1"), []
    for action, who in (
        (Action.CREATE, None), (Action.JOIN, None), (Action.START, agent.id),
        (Action.CORDON, None), (Action.DRAIN, agent.id), (Action.DESTROY, None),
    ):  # fmt: skip
        after = (steps[-1].key,) if steps else ()
        steps.append(Step(action, name, who, "test", after=after, pool="pool"))

    async def do(*some: Step) -> Report:
        reach = SshReach({}, settings, home=tmp_path, environ={})
        means = Means(
            fleet, reach, {"pool": provider}, records, SystemClock(),
            secret=lambda ref: "", read={}.__getitem__, by="test",
        )  # fmt: skip
        try:
            return await apply(Plan("whole way", some, sizes={"pool": 1}), means)
        finally:
            await reach.aclose()

    try:
        up = await do(*steps[:3])
        assert up.exit_code is ExitCode.OK, details(up)
        state = await records.read()
        assert state.nodes[name].joined == "none"
        assert state.agents[agent.id].node == name
        assert state.pools["pool"].size == 1
        early = await do(steps[5])  # what it comes after is in no plan, so it counts as done
        assert "is still needed: sleeper-0 on it" in details(early)[0]
        down = await do(*steps[3:])
        assert down.exit_code is ExitCode.OK, details(down)
        assert await provider.list(fleet.pools["pool"]) == []
        state = await records.read()
        assert (state.nodes, state.agents) == ({}, {})
    finally:
        for left in await provider.list(fleet.pools["pool"]):
            await provider.destroy(fleet.pools["pool"], left)
