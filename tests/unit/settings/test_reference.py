"""`config/` and the models say the same, both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # comes with moto
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from phoenixctl.model.errors import ConfigError
from phoenixctl.settings import shape
from phoenixctl.settings.document import plain, read_tree
from phoenixctl.settings.load import load
from phoenixctl.settings.metric_sections import CollectorSection, MetricStoreSection
from phoenixctl.settings.models import Root
from phoenixctl.settings.schema import json_schema
from phoenixctl.settings.show import effective, origins, to_yaml
from phoenixctl.settings.starter import starter_text
from tests.unit.settings.everything import EVERYTHING

_EC2 = (
    "{provider: aws, size: 1, aws: {region: eu-central-1, image: ami-0, types: m6i.large, "
    "zones: [eu-central-1a, {zone: eu-central-1b}], tags: {team: web}}}"
)
CONFIG = Path(__file__).parents[3] / "config"
REFERENCE = CONFIG / "phoenixctl.yaml"
FILES = [REFERENCE, *sorted((CONFIG / "examples").glob("*.yaml"))]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host db1 db2\n")
    return {"HOME": str(tmp_path)}


def written(path: Path) -> Any:
    tree = read_tree(path.read_bytes(), path.name, [])
    assert tree is not None
    return plain(tree)


def occurrences(
    value: Any, annotation: Any, found: dict[tuple[type[BaseModel], str], list[Any]]
) -> None:
    """Every value under the model and key it is written for."""
    bare = shape.core(annotation)
    if isinstance(bare, type) and issubclass(bare, BaseModel) and isinstance(value, dict):
        for key, inner in value.items():
            found.setdefault((bare, key), []).append(inner)
            below = shape.below(bare, key)
            assert below is not None, f"{bare.__name__} has no key {key}"
            occurrences(inner, below, found)
    elif isinstance(value, dict):
        for inner in value.values():
            occurrences(inner, shape.below(annotation, ""), found)
    elif isinstance(value, list):
        for inner in value:
            occurrences(inner, shape.below(annotation, 0), found)


def reference() -> dict[tuple[type[BaseModel], str], list[Any]]:
    found: dict[tuple[type[BaseModel], str], list[Any]] = {}
    occurrences(written(REFERENCE), Root, found)
    return found


def fields() -> dict[tuple[type[BaseModel], str], Any]:
    return {(m, key): field for m in shape.models(Root) for key, field in shape.keys(m).items()}


def test_the_reference_has_every_key_of_the_models_and_no_other():
    assert reference().keys() == fields().keys()


@pytest.mark.parametrize("key", fields(), ids=lambda key: f"{key[0].__name__}.{key[1]}")
def test_the_reference_shows_the_default_of_every_key_that_has_one(key):
    field = fields()[key]
    if field.default in (None, PydanticUndefined, [], {}):
        return  # needed, or left out: the comment says what that means
    assert field.default in [_validated(*key, value) for value in reference()[key]]


def _validated(model: type[BaseModel], name: str, value: Any) -> Any:
    required = {
        "path": "/x", "name": "x", "command": ["x"], "hosts": ["x"], "fleet": {"name": "x"},
        "source": "x", "target": "/x", "run": ["x"], "bucket": "xyz",
        "region": "eu-central-1", "zones": [], "types": [], "zone": "eu-central-1a",
        "kind": {MetricStoreSection: "sqlite", CollectorSection: "redis"}.get(model, "envoy"),
        "key": "x", "label": "x", "agents": "x", "across": "x", "at": "1%",
        "metric": "x", "factor": 1, "long": "1m", "short": "1s", "server": "x", "from": "a@b",
        "to": "a@b", "url_from": {"env": "X"},
    }  # fmt: skip
    others = {k: required[k] for k, f in shape.keys(model).items() if f.is_required()}
    made = model.model_validate({**others, name: value})
    attribute = next(n for n, f in model.model_fields.items() if (f.alias or n) == name)
    return getattr(made, attribute)


def test_every_key_has_a_description_that_is_a_sentence():
    for (model, key), field in fields().items():
        text = field.description
        assert text, (model, key)
        assert not text[0].islower(), (model, key)
        assert text.endswith((".", "…")), (model, key)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_example_loads_and_satisfies_the_schema(path, home):
    config = load(path, environ=home)
    assert config.fleet.name
    jsonschema.Draft202012Validator(json_schema()).validate(written(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_shown_as_in_effect_loads_as_the_same_fleet(path, home, tmp_path):
    config = load(path, environ=home)
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(effective(config)))
    jsonschema.Draft202012Validator(json_schema()).validate(written(again))
    reloaded = load(again, environ=home)
    assert reloaded.fleet == config.fleet
    assert effective(reloaded) == effective(config)


def test_the_schema_is_one_and_refuses_what_the_loader_refuses(tmp_path):
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(json.loads(json.dumps(schema)))
    for text, good in (
        ("fleet: {name: f}", True),
        ("fleet: {name: F}", False),
        ("fleet: {name: f}\nssh: {connect_timeout: 30}", False),
        ("fleet: {name: f}\nssh: {connect_timeout: 30s}", True),
        ("fleet: {name: f}\nssh: {output_limit: 4096}", True),
        ("fleet: {name: f}\nssh: {output_limit: 4 cats}", False),
        ("fleet: {name: f}\nssh: {paralel: 3}", False),
        ("fleet: {name: f}\nssh:", True),
        ("fleet: {name: f}\npools: {A: {}}", False),
        ("fleet: {name: f}\nagents: {a: {command: x}}", False),
        (
            (
                "fleet: {name: f}\nnodes: [{name: 'n[1-2]'}]\n"
                "agents: {a: {command: [x], nodes: 'n[1-2]'}}"
            ),
            True,
        ),
        ("fleet: {name: f}\nagents: {a: {command: [x], env: {A: 1}}}", True),
        ("fleet: {name: f}\nguards: {max_destroy: 25%, max_disruption: 0}", True),
        ("fleet: {name: f}\nguards: {max_destroy: 0.25}", False),
        ("fleet: {name: f}\npools: {p: {rollout: {order: surge}}}", True),
        ("fleet: {name: f}\npools: {p: {rollout: {order: first}}}", False),
        (f"fleet: {{name: f}}\npools: {{p: {_EC2}}}", True),
        (f"fleet: {{name: f}}\npools: {{p: {_EC2}}}".replace("eu-central-1b", "b c"), False),
        (f"fleet: {{name: f}}\npools: {{p: {_EC2}}}".replace("ami-0", "mine"), False),
        (f"fleet: {{name: f}}\npools: {{p: {_EC2}}}".replace("team", "aws:team"), False),
        ("fleet: {name: f}\nprices: {'spot:m6i.large': 0.03}", True),
        ("fleet: {name: f}\nprices: {large: 0.03}", False),
        ("fleet: {name: f}\nstore: {s3: {bucket: ops, endpoint: 'http://[::1]:9000'}}", True),
        ("fleet: {name: f}\nstore: {s3: {bucket: ops, endpoint: 'http://a@b'}}", False),
        ("fleet: {name: f}\nrouters: {lb: {kind: envoy, folder: /etc/envoy}}", True),
        ("fleet: {name: f}\nrouters: {lb: {kind: squid, folder: /etc/nginx}}", False),
        ("fleet: {name: f}\nmetrics: {store: {kind: sqlite}}", True),
        ("fleet: {name: f}\nmetrics: {store: {kind: influx}}", False),
        ("fleet: {name: f}\nmetrics: {collectors: [{name: c, kind: redis}]}", True),
        ("fleet: {name: f}\nmetrics: {collectors: [{name: c, kind: oracle}]}", False),
    ):
        path = tmp_path / "c.yaml"
        path.write_text(text)
        assert validator.is_valid(written(path)) is good, text
        try:
            load(path, environ={})
        except ConfigError:
            assert not good, text
        else:
            assert good, text


def test_defaults_in_the_schema_are_written_with_their_units():
    definitions = json_schema()["$defs"]
    assert definitions["SshSection"]["properties"]["connect_timeout"]["default"] == "5s"
    assert definitions["SshSection"]["properties"]["output_limit"]["default"] == "1MiB"
    assert definitions["GuardsSection"]["properties"]["max_destroy"]["default"] == "25%"
    assert definitions["RolloutSection"]["properties"]["max_unavailable"]["default"] == 1
    assert definitions["NodeRolloutSection"]["properties"]["order"]["default"] == "surge"
    assert definitions["TargetsSection"]["properties"]["cluster_availability"]["default"] == "99.9%"


def test_the_digest_follows_the_content_and_not_the_place_or_the_way_it_is_written(tmp_path):
    def digest(folder: str, text: str) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        path = tmp_path / folder / "phoenixctl.yaml"
        path.write_text(text)
        return load(path, environ={}).digest

    first = digest("a", "fleet: {name: f}\nssh: {identity_files: [id], keepalive: 60s}\n")
    assert (
        digest("b", "# same\nssh:\n  keepalive: 1m\n  identity_files: id\nfleet: {name: f}\n")
        == first
    )
    assert digest("b", "fleet: {name: f}\nssh: {identity_files: [id], keepalive: 61s}\n") != first
    assert len(first) == 64


def test_every_value_in_effect_has_an_origin(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(EVERYTHING)
    found = origins(load(path, environ={}))
    assert {origin.kind for key, origin in found.items() if key.startswith("ssh.")} == {"file"}
    path.write_text("fleet: {name: f}\n")
    kinds = {key: origin.kind for key, origin in origins(load(path, environ={})).items()}
    assert kinds.pop("fleet.name") == "file"
    assert set(kinds.values()) == {"default"}


@pytest.mark.parametrize("nodes", [(), ("web[01-03]", "db1.example.org", "007")])
def test_the_starter_loads_as_it_is(tmp_path, nodes):
    path = tmp_path / "phoenixctl.yaml"
    path.write_text(starter_text("on", nodes))
    fleet = load(path, environ={}).fleet
    assert fleet.name == "on"
    assert len(fleet.nodes) == (5 if nodes else 0)


def test_the_commented_agent_of_the_starter_loads_too(tmp_path):
    head, marked, tail = starter_text("f").partition("# agents:\n")
    agents = "".join(line.removeprefix("# ") + "\n" for line in (marked + tail).splitlines())
    path = tmp_path / "phoenixctl.yaml"
    path.write_text(head + agents)
    assert load(path, environ={}).fleet.agents["ingest"].port == 8080
