"""Routers: what may be written of them, and what is refused with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.routing import RouterKind, RouterSettings
from phoenixctl.planning.config_digest import config_digest
from tests.unit.settings.loading import loaded, problems

HEAD = """\
fleet: {name: f}
pools: {main: {}, more: {provider: local, size: 1}}
nodes: [{name: Proxy.example, pool: main}]
agents:
  work: {command: [x], port: 80}
  batch: {command: [x]}
"""


def routers(folder: Path, written: str) -> Fleet:
    return loaded(folder, f"{HEAD}routers: {written}\n").fleet


def test_a_socket_of_this_machine_is_found_from_every_working_folder(tmp_path: Path) -> None:
    fleet = routers(tmp_path, "{lb: {kind: haproxy, socket: h.sock, backends: {work: be.1}}}")
    assert fleet.routers == {
        "lb": RouterSettings("lb", RouterKind.HAPROXY, str(tmp_path / "h.sock"), {"work": "be.1"})
    }
    home = routers(tmp_path, "{lb: {kind: envoy, folder: ~/eds}}")
    assert home.routers["lb"].path == "~/eds"


@pytest.mark.parametrize("node", ["Proxy.example", "more-1"])
def test_a_router_may_be_on_any_node_of_the_fleet(tmp_path: Path, node: str) -> None:
    fleet = routers(tmp_path, f"{{lb: {{kind: envoy, folder: /eds, node: {node}}}}}")
    assert (fleet.routers["lb"].node, fleet.routers["lb"].path) == (node, "/eds")


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("{kind: haproxy}", "missing: socket"),
        ("{kind: envoy}", "missing: folder"),
        ("{kind: haproxy, socket: s, folder: /e}", "haproxy has none; write socket"),
        ("{kind: envoy, folder: /e, socket: s}", "envoy has none; write folder"),
        ("{kind: envoy, folder: e, node: more-1}", "has to be an absolute path"),
        ("{kind: envoy, folder: /e, node: more-2}", "no node `more-2`; did you mean"),
        ("{kind: envoy, folder: /e, backends: {wrok: be}}", "no agent `wrok`; did you mean"),
        ("{kind: envoy, folder: /e, backends: {batch: be}}", "batch has no port"),
        ("{kind: envoy, folder: /e, backends: {work: a b}}", "expected the name of a backend"),
        ("{kind: envoy, folder: /e, weight: 0}", "a whole number from 1 to 256"),
        ("{kind: squid}", "one of haproxy, envoy, nginx"),
        ("{kind: nginx, folder: /n, socket: s}", "nginx has none; write folder"),
        ("{socket: s}", "missing: What it is"),
        ("{kind: envoy, folder: /e, chekc: 1s}", "unknown key; did you mean `check`"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(tmp_path: Path, written: str, what: str) -> None:
    (line,) = problems(tmp_path, f"{HEAD}routers: {{lb: {written}}}\n")
    assert line.startswith("phoenixctl.yaml:7:")
    assert "routers.lb" in line
    assert what in line


def test_a_fleet_with_routers_has_a_json_form(tmp_path: Path) -> None:
    fleet = routers(tmp_path, "{lb: {kind: envoy, folder: /e, backends: {work: be}, check: 1s}}")
    assert decode(Fleet, encode(fleet)) == fleet
    assert "routers" not in encode(routers(tmp_path, "{}"))


def test_where_a_socket_lies_makes_no_other_configuration(tmp_path: Path) -> None:
    def digest(written: str) -> str:
        return config_digest(routers(tmp_path, f"{{lb: {{kind: haproxy, {written}}}}}"))

    assert digest("socket: /run/a/h.sock") == digest("socket: /home/ada/h.sock")
    assert digest("socket: /run/a/h.sock") != digest("socket: /run/a/h2.sock")
    on_node = "node: more-1"
    assert digest(f"socket: /a/h, {on_node}") != digest(f"socket: /b/h, {on_node}")
