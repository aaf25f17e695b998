"""A cloud whose instances are real hosts: `with HostCloud() as cloud:`.

EC2 is moto behind the front of `tests.cloud`. For every instance that it makes, a hypervisor boots
a systemd host at the instance's address, with the host key and the logins of its user-data, as
cloud-init would; with the instance, the host goes.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from tests.cloud.front import Answer, Call
from tests.cloud.server import CREDENTIALS, REGION, Cloud, tags
from tests.hosts.claim import Claim, claim
from tests.hosts.fleet import Hosts
from tests.hosts.host import Host
from tests.hosts.process import call as run_program

_CONFIG = """\
fleet: {{name: {fleet}}}
ssh:
  config_file: null
  use_agent: false
  identity_files: [{identity}]
  known_hosts_files: []
pools:
  {pool}:
    provider: aws
    size: {size}
    min: 0
{more}
    aws:
      region: {region}
      zones:
{zones}
      types: [m7i.large]
      image: {image}
      user: root
      authorized_keys: [{identity}.pub]
      endpoint: {endpoint}
"""


class Hypervisor:
    """Hosts by the id of their instance, booted and removed in the background."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(max_workers=4)
        self._booting: dict[str, Future[Host]] = {}
        self._ending: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def launch(self, instance: str, address: str, user_data: str) -> None:
        """Nothing when there is a host for this instance: an answer may come twice."""
        with self._lock:
            if instance not in self._booting:
                job = self._pool.submit(self._boot, instance, address, user_data)
                self._booting[instance] = job

    def terminate(self, instance: str) -> None:
        with self._lock:
            if instance in self._booting and instance not in self._ending:
                self._ending[instance] = self._pool.submit(self._end, instance)

    def hosts(self) -> Mapping[str, Host]:
        """Those that are not told to end, once they have booted."""
        with self._lock:
            there = {i: job for i, job in self._booting.items() if i not in self._ending}
        return {instance: job.result(60) for instance, job in there.items()}

    def settle(self) -> None:
        """Until everything that was asked for is done; an error of it is raised."""
        for job in (*self._booting.values(), *self._ending.values()):
            job.result(60)

    def close(self) -> None:
        for instance in list(self._booting):
            self.terminate(instance)
        self.settle()
        self._pool.shutdown()

    def _boot(self, instance: str, address: str, user_data: str) -> Host:
        """What cloud-init makes of the user-data, on a host of our own."""
        document = yaml.safe_load(user_data)
        assert user_data.startswith("#cloud-config\n")
        assert document["disable_root"] is False, "these hosts have no other user"
        host_key, logins = self._folder / f"{instance}-host-key", self._folder / instance
        host_key.touch(mode=0o600)
        host_key.write_text(document["ssh_keys"]["ed25519_private"])
        logins.with_suffix(".pub").write_text("\n".join(document["ssh_authorized_keys"]) + "\n")
        [number] = claim(1)
        host = Host(number, instance, host_key=host_key, client_key=logins, address=address)
        try:
            host.create()
            host.boot()
        except BaseException:
            host.destroy()
            raise
        return host

    def _end(self, instance: str) -> None:
        host = self._booting[instance].result(60)
        host.power_off()
        host.destroy()


class HostCloud:
    """An EC2 whose instances are hosts. `environ` has what its clients need.

    `zones` are its zones with a subnet in each; `image` is its only image.
    """

    python = Hosts.python  # the same path on every host

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.folder = Path(tempfile.mkdtemp(prefix="phoenixctl-cloud-"))
        self.identity = self.folder / "id_ed25519"
        self.environ = dict(CREDENTIALS)
        self.zones: dict[str, str] = {}
        self._hypervisor = Hypervisor(self.folder)
        self._network: Claim

    def __enter__(self) -> HostCloud:
        run_program("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.identity)
        [self._network] = claim(1)
        self.cloud.reset()
        self._make_subnets()
        self.cloud.front.after.append(self._see)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cloud.front.reset()
        self._hypervisor.close()
        self._network.release()
        shutil.rmtree(self.folder)

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts().values())

    @property
    def image(self) -> str:
        return self.cloud.image

    @property
    def authorized_key(self) -> str:
        return self.identity.with_suffix(".pub").read_text().strip()

    def hosts(self) -> Mapping[str, Host]:
        """The hosts that are there, by the node of their instance; each has booted."""
        nodes = {raw["InstanceId"]: tags(raw)["phoenix:node"] for raw in self.cloud.instances()}
        running = self._hypervisor.hosts()
        return {node: running[i] for i, node in sorted(nodes.items(), key=lambda pair: pair[1])}

    def user_data(self, node: str) -> str:
        """What the instance of a node was made with, as everybody may read it who may ask."""
        [instance] = [
            raw["InstanceId"] for raw in self.cloud.instances() if tags(raw)["phoenix:node"] == node
        ]
        answer = self.cloud.truth.describe_instance_attribute(
            InstanceId=instance, Attribute="userData"
        )
        return base64.b64decode(answer["UserData"]["Value"]).decode()

    def settle(self) -> None:
        """Until hosts of terminated instances are gone."""
        self._hypervisor.settle()

    def write_config(
        self,
        path: Path,
        *,
        size: int,
        fleet: str = "shop",
        pool: str = "web",
        more: str = "",
        agents: str = "",
    ) -> Path:
        """A phoenixctl.yaml with one pool of `size` nodes. `more` is YAML of the pool, indented by
        four; `agents` is put behind."""
        zones = "\n".join(f"        - {{zone: {z}, subnet: {s}}}" for z, s in self.zones.items())
        text = _CONFIG.format(
            fleet=fleet, pool=pool, size=size, more=more, zones=zones, region=REGION,
            identity=self.identity, image=self.image, endpoint=self.cloud.endpoint,
        )  # fmt: skip
        path.write_text(text + agents)
        return path

    def _make_subnets(self) -> None:
        """Two zones with half of the claimed network each."""
        first = self._network.address.rpartition(".")[0]
        ec2 = self.cloud.truth
        vpc = ec2.create_vpc(CidrBlock=f"{first}.0/24")["Vpc"]["VpcId"]
        for letter, begin in (("a", 0), ("b", 128)):
            zone = f"{REGION}{letter}"
            made = ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"{first}.{begin}/25", AvailabilityZone=zone
            )
            self.zones[zone] = made["Subnet"]["SubnetId"]

    def _see(self, call: Call, answer: Answer) -> None:
        if not answer.ok:
            return
        if call.action == "RunInstances":
            data = base64.b64decode(call.parameters["UserData"]).decode()
            for instance in answer.instances:
                self._hypervisor.launch(instance, self._address(instance), data)
        elif call.action == "TerminateInstances":
            for instance in answer.instances:
                self._hypervisor.terminate(instance)

    def _address(self, instance: str) -> str:
        answer: dict[str, Any] = self.cloud.truth.describe_instances(InstanceIds=[instance])
        return str(answer["Reservations"][0]["Instances"][0]["PrivateIpAddress"])
