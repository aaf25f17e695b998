"""The kept copy of a configuration: the same fleet, never a stale or a foreign one."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from phoenixctl.model.errors import ConfigError
from phoenixctl.settings.compiled import load_fleet
from phoenixctl.settings.load import load
from tests.unit.settings.everything import EVERYTHING

TEXT = """\
fleet: {name: shop}
nodes:
  - {name: "web[1-3]", address: "10.0.0.[1-3]", labels: {zone: a}}
agents:
  ingest: {command: [run, it], replicas: 2, secrets: {TOKEN: {env: TOKEN}}, env: {A: "1"}}
"""
KEY_BODY = "AAAAC3NzaC1lZDI1NTE5AAAAIBseOsRzZ3q80MlV3++JrAj1iQpVOAvnuBvy7gQ87t8"
EC2 = """\
fleet: {name: shop}
pools:
  web:
    provider: aws
    size: 1
    aws:
      region: eu-central-1
      zones: eu-central-1a
      types: m6i.large
      image: ami-0abc
      authorized_keys: operator.pub
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "phoenixctl.yaml"
    path.write_text(TEXT)
    return path


def test_the_copy_is_the_same_fleet(config: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    plain = load(config, environ={}).fleet
    assert load_fleet(config, environ={}, cache=cache) == plain
    assert len(list(cache.glob("*.fleet"))) == 1
    assert load_fleet(config, environ={}, cache=cache) == plain


def test_the_copy_has_everything_that_can_be_set(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(EVERYTHING)
    cache = tmp_path / "cache"
    plain = load_fleet(config, environ={}, cache=cache)
    monkeypatch.delattr("phoenixctl.settings.compiled.load")
    assert load_fleet(config, environ={}, cache=cache) == plain


def test_a_second_reading_needs_neither_pydantic_nor_yaml(config: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_fleet(config, environ={}, cache=cache)
    code = (
        "import sys; from pathlib import Path\n"
        "from phoenixctl.settings.compiled import load_fleet\n"
        f"fleet = load_fleet(Path({str(config)!r}), environ={{}}, cache=Path({str(cache)!r}))\n"
        "print(len(fleet.nodes), 'pydantic' in sys.modules, 'yaml' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["3", "False", "False"]


def test_a_changed_file_variable_or_override_is_read_anew(config: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_fleet(config, environ={}, cache=cache)
    by_env = load_fleet(config, environ={"PHOENIXCTL_SSH__PARALLEL": "7"}, cache=cache)
    by_flag = load_fleet(config, environ={}, overrides={"ssh.parallel": "8"}, cache=cache)
    config.write_text(TEXT.replace("replicas: 2", "replicas: 5"))
    by_file = load_fleet(config, environ={}, cache=cache)
    assert by_env.ssh.parallel == 7
    assert by_flag.ssh.parallel == 8
    assert by_file.agents["ingest"].replicas == 5


def test_nodes_of_other_files_are_never_kept(config: Path, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("[web]\nweb1\n")
    config.write_text("fleet: {name: shop}\nnodes:\n  - from: {ansible: {path: hosts.ini}}\n")
    cache = tmp_path / "cache"
    assert list(load_fleet(config, environ={}, cache=cache).nodes) == ["web1"]
    inventory.write_text("[web]\nweb2\n")
    assert list(load_fleet(config, environ={}, cache=cache).nodes) == ["web2"]


def test_nodes_of_other_files_are_not_kept_when_an_override_names_them(
    config: Path, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.ini"
    overrides = {"nodes": "[{from: {ansible: {path: hosts.ini}}}]"}
    for name in ("web1", "web2"):
        inventory.write_text(f"[web]\n{name}\n")
        fleet = load_fleet(config, environ={}, overrides=overrides, cache=tmp_path / "cache")
        assert list(fleet.nodes) == [name]


def test_a_copy_counts_only_while_the_files_of_public_keys_are_the_same(
    config: Path, tmp_path: Path
) -> None:
    first, second = (f"ssh-ed25519 {KEY_BODY}{last}" for last in "AB")
    keys = tmp_path / "operator.pub"
    config.write_text(EC2)
    cache = tmp_path / "cache"

    def known() -> tuple[str, ...]:
        aws = load_fleet(config, environ={}, cache=cache).pools["web"].aws
        assert aws
        return aws.authorized_keys

    keys.write_text(first)
    assert known() == known() == (first,)
    [copy] = cache.glob("*.fleet")
    made = copy.stat().st_ino
    assert known() == (first,)
    assert copy.stat().st_ino == made  # it was read, not written again
    keys.write_text(second)
    assert known() == (second,)
    keys.unlink()
    with pytest.raises(ConfigError, match="there is no file"):
        known()


@pytest.mark.parametrize("damage", ["garbage", "another object", "writable by others"])
def test_a_copy_that_cannot_be_trusted_is_passed_over(
    config: Path, tmp_path: Path, damage: str
) -> None:
    cache = tmp_path / "cache"
    fleet = load_fleet(config, environ={}, cache=cache)
    [copy] = cache.glob("*.fleet")
    if damage == "garbage":
        copy.write_bytes(b"\x80\x04garbage")
    elif damage == "another object":
        copy.write_bytes(pickle.dumps(["not a fleet"]))
    else:
        copy.write_bytes(pickle.dumps(load(config, environ={}, overrides={"fleet.name": "evil"})
                                      .fleet.name))  # fmt: skip
        copy.chmod(0o666)
    assert load_fleet(config, environ={}, cache=cache) == fleet


def test_an_unwritable_cache_costs_only_time(config: Path, tmp_path: Path) -> None:
    cache = tmp_path / "file" / "cache"
    cache.parent.write_text("")
    assert load_fleet(config, environ={}, cache=cache).name == "shop"


def test_an_error_is_told_each_time_and_not_kept(config: Path, tmp_path: Path) -> None:
    config.write_text("fleet: {nam: shop}\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="did you mean `name`"):
            load_fleet(config, environ={}, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
