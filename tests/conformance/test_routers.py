"""A router's socket is the same on this machine and on a node behind either kind of SSH server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from phoenixctl.model.errors import CommandFailed, Refused, Unreachable
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import NodeName
from phoenixctl.model.routing import Member, MemberState, RouterKind, RouterSettings
from phoenixctl.routers.doors import Door, LocalDoor, NodeDoor
from phoenixctl.routers.envoy import Envoy
from phoenixctl.routers.places import LocalPlace, NodePlace
from phoenixctl.ssh.reach import SshReach
from tests.haproxy import BACKEND, RunningHAProxy, Server, failed, gets, load, serving
from tests.nginx import RunningNginx
from tests.sshd import Sshd, node_at, reaching


@pytest.fixture(scope="module")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    server = Sshd.start(tmp_path_factory.mktemp("sshd"))
    yield node_at(server)
    server.stop()


@pytest.fixture(params=["here", pytest.param("openssh", marks=pytest.mark.sshd), "embedded"])
def where(request: pytest.FixtureRequest) -> Node | None:
    """A node of each kind, or None for this machine."""
    if request.param == "here":
        return None
    fixture = "embedded_node" if request.param == "embedded" else request.param
    node: Node = request.getfixturevalue(fixture)
    return node


@pytest.fixture
async def reach(where: Node | None) -> AsyncIterator[tuple[SshReach, Node] | None]:
    if where is None:
        yield None
        return
    node = where
    async with reaching(node) as found:
        yield found, node


def door_to(path: Path, reach: tuple[SshReach, Node] | None) -> Door:
    return LocalDoor(str(path)) if reach is None else NodeDoor(reach[0], reach[1].name, str(path))


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHAProxy]:
    made = RunningHAProxy(tmp_path_factory.mktemp("ha"))
    made.start()
    yield made
    made.stop()


async def test_members_are_exchanged_under_load_and_after_a_restart_put_back(
    proxy: RunningHAProxy, reach: tuple[SshReach, Node] | None
) -> None:
    a, b = Server("a", takes_seconds=0.02), Server("b", takes_seconds=0.02)
    router = proxy.router(door_to(proxy.socket, reach), check_seconds=0.1)
    async with serving(a, b):
        await router.reconcile(BACKEND, [a.member()])
        async with load(proxy.port) as answers:
            await router.reconcile(BACKEND, [a.member(), b.member(weight=50)])
            assert await router.wait_up(BACKEND, "b", within_seconds=5) is True
            await router.set_state(BACKEND, "a", MemberState.DRAIN)
            assert await router.wait_idle(BACKEND, "a", within_seconds=5) is True
            assert (await router.reconcile(BACKEND, [b.member()])).busy == ()
        assert failed(answers) == {}
        with pytest.raises(Refused):
            await router.set_state(BACKEND, "b", MemberState.DRAIN)
        proxy.restart()
        assert await router.members(BACKEND) == ()
        await router.reconcile(BACKEND, [b.member()])
        assert await gets(proxy.port, 5) == {"b": 5}


async def test_a_socket_with_nobody_behind_it_was_not_asked(
    tmp_path: Path, reach: tuple[SshReach, Node] | None
) -> None:
    with pytest.raises(Unreachable, match="nothing answers there"):
        await door_to(tmp_path / "none", reach).ask(b"show info\n", timeout_seconds=5)


async def test_haproxys_no_is_an_error_whichever_way_it_came(
    proxy: RunningHAProxy, reach: tuple[SshReach, Node] | None
) -> None:
    with pytest.raises(CommandFailed, match="No such proxy"):
        await proxy.router(door_to(proxy.socket, reach)).members("elsewhere")


async def test_envoys_files_are_written_and_read_back(
    tmp_path_factory: pytest.TempPathFactory, reach: tuple[SshReach, Node] | None
) -> None:
    folder = tmp_path_factory.mktemp("envoy")
    place = LocalPlace(str(folder)) if reach is None else NodePlace(*_by_name(reach), str(folder))
    envoy = Envoy(RouterSettings("edge", RouterKind.ENVOY, str(folder)), place)
    a, b = Member("a", "10.0.0.1", 80), Member("b", "10.0.0.2", 80)
    assert await envoy.members(BACKEND) == ()
    await envoy.reconcile(BACKEND, [a])
    assert (await envoy.reconcile(BACKEND, [b])).busy == ("a",)
    assert (await envoy.reconcile(BACKEND, [b])).busy == ()
    assert [one.member for one in await envoy.members(BACKEND)] == [b]
    assert [path.name for path in folder.iterdir()] == [f"{BACKEND}.json"]
    with pytest.raises(Refused):
        await envoy.set_state(BACKEND, "b", MemberState.DRAIN)


@pytest.fixture
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNginx]:
    made = RunningNginx(tmp_path_factory.mktemp("nginx"))
    made.start()
    yield made
    made.stop()


async def test_nginx_is_told_by_files_and_loses_no_request_by_its_reloads(
    nginx: RunningNginx, reach: tuple[SshReach, Node] | None
) -> None:
    folder = str(nginx.upstreams)
    router = nginx.router(
        LocalPlace(folder) if reach is None else NodePlace(*_by_name(reach), folder)
    )
    a, b = Server("a"), Server("b")
    async with serving(a, b):
        await router.reconcile(BACKEND, [a.member()])
        await answered_by(nginx, {"a"})
        async with load(nginx.port) as answers:
            await router.reconcile(BACKEND, [a.member(), b.member(weight=100)])
            await answered_by(nginx, {"a", "b"})
            await router.set_weights(BACKEND, {"a": 90, "b": 10})
            seen = {one.member.name: one.member.weight for one in await router.members(BACKEND)}
            assert seen == {"a": 90, "b": 10}
            await router.set_state(BACKEND, "a", MemberState.DRAIN)
            await answered_by(nginx, {"b"})
        assert failed(answers) == {}
        with pytest.raises(Refused):
            await router.set_state(BACKEND, "b", MemberState.DRAIN)


async def test_a_file_that_nginx_does_not_take_is_put_back(
    nginx: RunningNginx, reach: tuple[SshReach, Node] | None
) -> None:
    folder = str(nginx.upstreams)
    router = nginx.router(
        LocalPlace(folder) if reach is None else NodePlace(*_by_name(reach), folder)
    )
    a = Server("a")
    async with serving(a):
        await router.reconcile(BACKEND, [a.member()])
        await answered_by(nginx, {"a"})
        before = (nginx.upstreams / f"{BACKEND}.conf").read_bytes()
        (nginx.upstreams / "broken.conf").write_text("this is no word of nginx;\n")
        with pytest.raises(CommandFailed, match="does not take the new work"):
            await router.set_weights(BACKEND, {"a": 7})
        assert (nginx.upstreams / f"{BACKEND}.conf").read_bytes() == before
        assert await gets(nginx.port, 3) == {"a": 3}


async def answered_by(nginx: RunningNginx, names: set[str]) -> None:
    """Until these and no others answer: new workers come a moment after a reload."""
    async with asyncio.timeout(30):
        while set(await gets(nginx.port, 12, at_once=1)) != names:
            await asyncio.sleep(0.05)


def _by_name(reach: tuple[SshReach, Node]) -> tuple[SshReach, NodeName]:
    return reach[0], reach[1].name
