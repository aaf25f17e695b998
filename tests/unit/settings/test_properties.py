"""Whatever is in the file: a fleet, or a ConfigError."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from phoenixctl.model import units
from phoenixctl.model.errors import ConfigError
from phoenixctl.model.fleet import Share
from phoenixctl.settings import plainly
from phoenixctl.settings import values as kinds
from phoenixctl.settings.bitrate import parse_bit_rate
from phoenixctl.settings.load import load
from phoenixctl.settings.show import effective, to_yaml
from tests.unit.settings.everything import EVERYTHING

in_a_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
KEYS = (
    *("fleet", "name", "pools", "nodes", "agents", "ssh", "targets", "command", "replicas"),
    *("address", "port", "from", "ansible", "path", "ssh_config", "hosts", "secrets", "env"),
    *("drain", "http", "exec", "until", "ready", "parallel", "labels", "size", "provider"),
    *("aws", "zones", "zone", "types", "region", "image", "bootstrap", "files", "source", "target"),
    *("rollout", "max_unavailable", "min_healthy", "order", "guards", "prices", "store", "s3"),
    *("placement", "selector", "label", "in", "affinity", "agents", "within", "spread", "across"),
    *("caps", "at", "weight", "weights", "tolerations", "taints", "key", "reserved", "specs"),
    *("bucket", "authorized_keys", "market", "endpoint", "mode", "tags", "commands", "run"),
)
words = st.one_of(
    st.sampled_from(
        [*KEYS, "012", "on", "1:2", "30s", "256MiB", "web[1-3]", "<<", "~", "local", "aws"]
    ),
    st.text(max_size=8),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(words, st.integers()), inner, max_size=5),
    ),
    max_leaves=25,
)


def attempt(folder: Path, data: bytes, **more: dict[str, str]) -> None:
    path = folder / "phoenixctl.yaml"
    path.write_bytes(data)
    what = ""
    try:
        load(path, **{"environ": {}, **more})
    except ConfigError as error:
        what = error.what
    assert all(line.isprintable() for line in what.split("\n"))


@in_a_folder
@given(st.binary(max_size=200))
@example(b"\x00")
@example(b"a: \xef\xbf\xbf")
@example(b"? \n")
@example(b"%YAML 1.1\n---\n")
@example(b"&a a: *a")
@example(b"!!binary a: !")
def test_no_bytes_raise_anything_but_a_configuration_error(tmp_path, data):
    attempt(tmp_path, data)


@in_a_folder
@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,?<= \n\t0.", max_size=60))
def test_no_yaml_like_text_raises_anything_else(tmp_path, text):
    attempt(tmp_path, b"fleet: {name: f}\n" + text.encode())


@in_a_folder
@given(values, values)
def test_no_structure_raises_anything_else(tmp_path, below, beside):
    head = {"fleet": {"name": "f"}}
    for data in (
        below,
        {**head, "agents": {"a": below}, "nodes": [beside]},
        {**head, "pools": {"p": below}, "store": beside, "prices": beside, "guards": beside},
        {**head, "pools": {"p": {"provider": "aws", "aws": below, "bootstrap": beside}}},
        {**head, "placement": below, "pools": {"p": {"taints": below, "reserved": beside}}},
        {**head, "agents": {"a": {"command": ["x"], "placement": below}}, "placement": beside},
    ):
        attempt(tmp_path, yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "replace"))


@in_a_folder
@given(st.integers(0, len(EVERYTHING) - 1), st.integers(0, 12), st.text(max_size=6))
def test_no_slip_of_the_hand_raises_anything_else(tmp_path, at, gone, typed):
    text = EVERYTHING[:at] + typed + EVERYTHING[at + gone :]
    attempt(tmp_path, text.encode("utf-8", "replace"))


@in_a_folder
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_override_raises_anything_else(tmp_path, path, variable, text):
    environ = {f"PHOENIXCTL_{variable}__X": text, f"PHOENIXCTL_SSH__{variable}": text}
    for key in (path, f"agents.{path}", "ssh.parallel", "nodes"):
        attempt(tmp_path, b"fleet: {name: f}\n", environ=environ, overrides={key: text})


@in_a_folder
@given(st.binary(max_size=120), st.sampled_from(["i", "i.yaml"]))
@example(b"[a\n[b]]", "i")
@example(b"[a]\n[0:1]\n", "i")
@example(b"[a]\n[::1]:22\n", "i")
@example(b"all: {children: {all: }}", "i.yaml")
def test_no_inventory_raises_anything_else(tmp_path, data, name):
    (tmp_path / name).write_bytes(data)
    text = f"fleet: {{name: f}}\nnodes: [{{from: {{ansible: {{path: {name}}}}}}}]\n"
    attempt(tmp_path, text.encode())


@in_a_folder
@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,5}", fullmatch=True), st.text(max_size=12)))
def test_any_text_of_an_environment_survives_being_shown_and_read_again(tmp_path, env):
    env = {k: v for k, v in env.items() if "\0" not in v and "\r" not in v and _encodable(v)}
    path = tmp_path / "phoenixctl.yaml"
    path.write_text(
        to_yaml({"fleet": {"name": "f"}, "agents": {"a": {"command": ["x"], "env": env}}})
    )
    config = load(path, environ={})
    assert config.fleet.agents["a"].env == env
    path.write_text(to_yaml(effective(config)))
    assert load(path, environ={}).fleet == config.fleet


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(st.floats(min_value=1e-6, max_value=1e7))
def test_durations_are_written_so_that_they_are_read_back_exactly(seconds):
    assert units.parse_duration(plainly.duration(seconds)) == seconds


@given(st.integers(min_value=1, max_value=2**50))
def test_sizes_are_written_so_that_they_are_read_back_exactly(count):
    assert units.parse_bytes(str(plainly.size(count))) == count


@given(st.floats(min_value=1e-9, max_value=1.0))
def test_ratios_are_written_so_that_they_are_read_back_exactly(ratio):
    written = plainly.ratio(ratio)
    assert (units.parse_ratio(written) if isinstance(written, str) else written) == ratio


@given(
    st.one_of(
        st.integers(0, 100_000).map(lambda count: Share(count=count)),
        st.floats(min_value=0.0, max_value=1.0).map(lambda ratio: Share(ratio=ratio)),
    )
)
def test_shares_are_written_so_that_they_are_read_back_exactly(share):
    kind = get_args(kinds.Share)[1]
    assert kind.read(plainly.share(share)) == share


@given(st.floats(min_value=1e-3, max_value=1e15))
def test_bit_rates_are_written_so_that_they_are_read_back_exactly(bits):
    assert parse_bit_rate(plainly.bit_rate(bits)) == bits


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "250ms"), (90, "90s"), (120, "2m"), (86400, "1d"), (0.0, "0s")]
)
def test_durations_are_written_in_the_largest_whole_unit(seconds, text):
    assert plainly.duration(seconds) == text


def test_importing_the_loader_imports_neither_pydantic_nor_yaml():
    code = (
        "import sys; import phoenixctl.settings.load, phoenixctl.settings.find,"
        " phoenixctl.settings.show, phoenixctl.settings.schema, phoenixctl.settings.starter;"
        "print(sorted(m for m in sys.modules if m in ('pydantic', 'yaml', 'ClusterShell')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
