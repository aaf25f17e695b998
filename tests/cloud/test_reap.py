"""`plan --reap` and `apply --reap` against a cloud: exactly the orphans go, also after a kill -9.

The recorded nodes are instances on which nothing listens: what is tested is what is asked of EC2.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from tests.cloud.front import Answer, Call
from tests.cloud.server import CREDENTIALS, REGION, Cloud

OURS, THEIRS = "f00df00d", "beefbeef"
SOME_SILENT = 3  # done, with a warning of nodes that nobody can log in to
REFUSED = 8
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr operator"
LIFTED = ("--yes", "--max-destroy", "2")
CONFIG = """\
fleet: {{name: shop}}
ssh: {{config_file: null, use_agent: false, known_hosts_files: [], connect_timeout: 1s}}
pools:
  web:
    provider: aws
    size: 2
    min: 0
    aws:
      region: {region}
      zones: [{{zone: {region}a, subnet: {subnet}}}]
      types: [m7i.large]
      image: {image}
      authorized_keys: [operator.pub]
      endpoint: {endpoint}
"""


@dataclass
class Operator:
    """Somebody at a terminal; what is asked of EC2 past phoenixctl is asked here as well."""

    cloud: Cloud
    home: Path
    subnet: str

    def start(self, *words: str) -> subprocess.Popen[str]:
        mine = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")}
        return subprocess.Popen(
            [sys.executable, "-m", "phoenixctl", *words],
            cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **mine,
                 **CREDENTIALS},
        )  # fmt: skip

    def type(self, *words: str, expect: Iterable[int] = (0,)) -> tuple[str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        assert process.returncode in expect, f"{process.returncode}: {out}{err}"
        return out, err

    def plan(self, *words: str, expect: Iterable[int] = (0,)) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.type("plan", *words, "-o", "json",
                                                        expect=expect)[0])  # fmt: skip
        return document

    def recorded(self) -> set[str]:
        """Ids, as the state file has them."""
        document = json.loads((self.home / "state/phoenixctl/shop/state.json").read_text())
        return {record["id"] for record in document["state"]["nodes"].values()}

    def run_instance(
        self, node: str, *, lineage: str = OURS, fleet: str = "shop", client: Any = None
    ) -> str:
        """An instance with the tags of a node, as a run of phoenixctl makes it."""
        wanted = {"fleet": fleet, "pool": "web", "node": node, "lineage": lineage,
                  "op": f"1 create node {node}"}  # fmt: skip
        listed = [{"Key": f"phoenix:{key}", "Value": value} for key, value in wanted.items()]
        made = (client or self.cloud.truth).run_instances(
            ImageId=self.cloud.image, InstanceType="m7i.large", MinCount=1, MaxCount=1,
            SubnetId=self.subnet, TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
        )  # fmt: skip
        return str(made["Instances"][0]["InstanceId"])

    def run_instance_twice(self, node: str) -> None:
        """As a client without tokens does: the first answer is lost, so it asks again."""
        careless = boto3.client(
            "ec2", region_name=REGION, endpoint_url=self.cloud.endpoint,
            aws_access_key_id="testing", aws_secret_access_key="testing",
            config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip
        self.cloud.front.lose("RunInstances")
        with pytest.raises(ConnectionClosedError):
            self.run_instance(node, client=careless)
        self.run_instance(node, client=careless)
        careless.close()

    def there(self) -> set[str]:
        return {raw["InstanceId"] for raw in self.cloud.instances()}


@dataclass
class Fleet:
    """What is there in the end has to be `kept`; `double` and `lost` are the orphans."""

    operator: Operator
    kept: set[str]
    double: str
    lost: str
    foreign: str

    def orphans(self) -> list[str]:
        return [f"destroy node web-2 ({self.double})", f"destroy node web-3 ({self.lost})"]

    def nothing_else_is_gone(self) -> bool:
        return self.operator.there() == self.kept


@pytest.fixture
def operator(cloud: Cloud, tmp_path: Path) -> Operator:
    vpc = cloud.truth.create_vpc(CidrBlock="127.77.0.0/16")["Vpc"]["VpcId"]
    made = cloud.truth.create_subnet(
        VpcId=vpc, CidrBlock="127.77.0.0/24", AvailabilityZone=f"{REGION}a"
    )
    subnet = made["Subnet"]["SubnetId"]
    (tmp_path / "operator.pub").write_text(f"{KEY}\n")
    (tmp_path / "phoenixctl.yaml").write_text(
        CONFIG.format(region=REGION, subnet=subnet, image=cloud.image, endpoint=cloud.endpoint)
    )
    return Operator(cloud, tmp_path, subnet)


@pytest.fixture
def fleet(operator: Operator) -> Fleet:
    """web-1 and web-2 are recorded; a second web-2 and web-3 are ours and not recorded; others have
    instances, too."""
    operator.run_instance("web-1")
    operator.run_instance_twice("web-2")
    operator.type("refresh", "--adopt", "--yes")
    recorded = operator.recorded()
    assert len(recorded) == 2
    [double] = operator.there() - recorded
    foreign = operator.run_instance("web-9", lineage=THEIRS)
    elsewhere = operator.run_instance("web-1", fleet="store")
    lost = operator.run_instance("web-3")
    return Fleet(operator, {*recorded, foreign, elsewhere}, double, lost, foreign)


def test_orphans_are_shown_then_planned_then_removed_and_nothing_else(fleet: Fleet) -> None:
    operator = fleet.operator
    told, _ = operator.type("plan")
    assert f"instance.{fleet.double}: a second web-2 of pool web" in told
    assert f"instance.{fleet.lost}: web-3 of pool web, which is not in the record" in told
    assert f"node.web-9: {fleet.foreign} is not in this record, but in {THEIRS}" in told
    assert "\n  try: phoenixctl plan --reap\n" in told
    assert operator.plan()["steps"] == []

    plan = operator.plan("--reap", *LIFTED[1:])
    assert [step["key"] for step in plan["steps"]] == fleet.orphans()
    assert [step["instance"] for step in plan["steps"]] == [fleet.double, fleet.lost]
    assert {step["risk"] for step in plan["steps"]} == {"destructive"}
    assert any(f"{fleet.foreign} (web-9) is not reaped" in note for note in plan["notes"])

    forbidden = operator.plan("--reap", expect=[REFUSED])
    assert [breach["guard"] for breach in forbidden["breaches"]] == ["max_destroy"]
    operator.type("apply", "--reap", "--yes", expect=[REFUSED])
    assert operator.there() == {*fleet.kept, fleet.double, fleet.lost}

    operator.type("apply", "--reap", *LIFTED, expect=[SOME_SILENT])
    assert fleet.nothing_else_is_gone()
    after = operator.plan("--reap")
    assert (after["steps"], [d["address"] for d in after["drift"]]) == ([], ["node.web-9"])
    told, _ = operator.type("history", "show", "2")
    assert all(f"- {key}: an orphan" in told for key in fleet.orphans())
    told, _ = operator.type("rollback", "2", "--dry-run")
    assert f"! {fleet.orphans()[0]} is not taken back: nothing takes that back" in told


@pytest.mark.parametrize(("moment", "number"), [("after", 1), ("before", 2)])
def test_a_run_that_is_killed_at_a_termination_is_made_good_by_the_next_one(
    fleet: Fleet, moment: str, number: int
) -> None:
    operator = fleet.operator
    front = operator.cloud.front
    front.stale = 2
    victim = operator.start("apply", "--reap", *LIFTED)
    seen: list[str] = []

    def see(when: str, call: Call) -> None:
        if (when, call.action) == (moment, "TerminateInstances"):
            seen.append(call.action)
            if len(seen) == number:
                victim.kill()

    def see_after(call: Call, _: Answer) -> None:
        see("after", call)

    front.before.append(lambda call: see("before", call))
    front.after.append(see_after)
    victim.communicate(timeout=60)
    assert victim.returncode == -signal.SIGKILL

    operator.type("apply", "--reap", *LIFTED, expect=[SOME_SILENT, 0])
    assert fleet.nothing_else_is_gone()
    assert operator.recorded() <= fleet.kept
    assert operator.plan("--reap")["steps"] == []


def test_a_kept_plan_is_stale_once_its_orphan_was_taken_in(fleet: Fleet) -> None:
    operator = fleet.operator
    operator.type("plan", "--reap", *LIFTED[1:], "--out", "due.plan")
    operator.type("refresh", "--adopt", "--yes")
    assert fleet.lost in operator.recorded()
    _, err = operator.type("apply", "due.plan", expect=[REFUSED])
    assert "the plan is stale" in err
    assert operator.there() == {*fleet.kept, fleet.double, fleet.lost}


def test_without_a_record_everything_would_be_an_orphan_and_that_is_refused(fleet: Fleet) -> None:
    operator = fleet.operator
    shutil.rmtree(operator.home / "state")
    _, err = operator.type("apply", "--reap", *LIFTED, expect=[REFUSED])
    assert "the record is what is missing" in err
    assert "try: phoenixctl refresh --adopt" in err
    assert operator.there() == {*fleet.kept, fleet.double, fleet.lost}


def test_orphans_that_ec2_protects_stay_whether_a_tag_says_so_or_not(fleet: Fleet) -> None:
    operator, ec2 = fleet.operator, fleet.operator.cloud.truth
    for orphan in (fleet.double, fleet.lost):
        ec2.modify_instance_attribute(InstanceId=orphan, DisableApiTermination={"Value": True})
    ec2.create_tags(Resources=[fleet.double], Tags=[{"Key": "phoenix:protected", "Value": "yes"}])
    [breach] = operator.plan("--reap", expect=[REFUSED])["breaches"]
    assert breach["what"] == (
        f"{fleet.double} (web-2) is an orphan that its provider protects, and would go"
    )
    excluded = ("--exclude", f"instance.{fleet.double}")
    _, err = operator.type("apply", "--reap", *LIFTED, *excluded, expect=[REFUSED])
    assert f"EC2 protects web-3 ({fleet.lost}) from being terminated" in err
    assert f"take the protection of {fleet.lost} off at its provider" in err
    assert operator.there() == {*fleet.kept, fleet.double, fleet.lost}
