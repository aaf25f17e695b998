"""What may be written in `phoenixctl.yaml`; `config/phoenixctl.yaml` is the same for people.

As in `sections`, the annotations are not strings.
"""

from typing import Annotated, Any

from phoenixctl.model import fleet, hooks, s3
from phoenixctl.settings.aws_values import BucketName, ObjectPrefix, PricedKind, Region
from phoenixctl.settings.later import (
    Alerts,
    Balancing,
    Checkpoints,
    Metrics,
    Migration,
    Placement,
    Router,
    Rules,
    Taints,
)
from phoenixctl.settings.pool_sections import PoolSection
from phoenixctl.settings.sections import (
    ExecHook,
    ResourcesSection,
    RolloutSection,
    Section,
    items,
    key,
    mapping,
    required,
    section,
)
from phoenixctl.settings.values import (
    EMPTY_LIST,
    EMPTY_MAPPING,
    ONE_OR_MORE,
    Address,
    Amount,
    Arguments,
    AsWritten,
    AtLeastOne,
    BitRate,
    Count,
    Duration,
    DurationOrNought,
    FileCount,
    Flag,
    GroupName,
    Jump,
    Labels,
    Method,
    Name,
    NodeFolder,
    NodeNames,
    Path,
    Paths,
    Pattern,
    Port,
    Rate,
    Ratio,
    Share,
    Signal,
    Size,
    SupervisorName,
    Text,
    Url,
    UrlPath,
    User,
    VariableName,
)


class FleetSection(Section):
    name: Name = required("The fleet's name; its state is kept under it.")


class SshConfigSource(Section):
    path: Path | None = key("The file; by default that of ssh.config_file.")
    hosts: Annotated[list[Pattern], ONE_OR_MORE] = required(
        "Host names of the file to take, as patterns (web*); names with wildcards are not hosts."
    )


class AnsibleSource(Section):
    path: Path = required("The inventory, INI or YAML (.yaml, .yml, .json).")
    hosts: Annotated[list[Pattern], ONE_OR_MORE] = items("Only hosts of these patterns.")
    groups: Annotated[list[GroupName], ONE_OR_MORE] = items("Only hosts of these groups.")
    pool_of_group: Annotated[dict[GroupName, Name], EMPTY_MAPPING] = mapping(
        "The pool of a group's hosts; the first group that fits decides."
    )


class NodeSource(Section):
    ssh_config: SshConfigSource | None = key("Hosts of an OpenSSH client configuration.")
    ansible: AnsibleSource | None = key("Hosts of an Ansible inventory.")


class NodeSection(Section):
    name: NodeNames | None = key("Its name; web[01-20] stands for twenty nodes.")
    from_: NodeSource | None = key("Take the nodes from another file instead.", name="from")
    pool: Name | None = key("The pool it belongs to; needed when several are declared.")
    address: Address | None = key(
        "What SSH connects to, by default the name; 10.0.0.[1-20] goes in step with the names, "
        "{name} stands for each of them."
    )
    agent_address: Address | None = key(
        "Where others reach its agents, routers above all; written as address, by default that."
    )
    port: Port | None = key("SSH port; by default that of ssh.port.")
    user: User | None = key("Login name; by default that of ssh.user.")
    identity_files: Paths = items("Private keys for it, instead of ssh.identity_files.")
    known_hosts_files: Paths = items("Known host keys for it, instead of ssh.known_hosts_files.")
    jump: Jump | None = key("Reach it through these hosts, as ProxyJump: user@host:port, …")
    sudo: Flag | None = key("Use `sudo -n` for what needs root; by default as ssh.sudo.")
    supervisor: SupervisorName = key(
        "Who keeps agents alive: systemd, process (a small supervisor of our own) or auto.",
        like=(fleet.Node, "supervisor"),
    )
    base_dir: NodeFolder | None = key("Folder of the agents on the node; by default by supervisor.")
    labels: Labels = mapping("Labels, added to those of its pool.")
    network_speed: BitRate | None = key("Speed of its link; by default as the link says.")
    use_ssh_config: Flag = key(
        "Look its address up in ssh.config_file.", like=(fleet.Node, "use_ssh_config")
    )
    use_agent: Flag | None = key("Offer the SSH agent's keys; by default as ssh.use_agent.")
    taints: Taints = items("Marks that keep agents off it, besides those of its pool.")
    resources: ResourcesSection | None = key(
        "What it has, in place of what is measured, and what no probe can see."
    )
    reserved: ResourcesSection | None = key(
        "What of it is not for agents; by default as its pool says."
    )


class HttpCheck(Section):
    path: UrlPath = required("Path of the request to the agent; status 2xx is success.")
    method: Method = key("Method of the request.", default="GET")
    port: Port | None = key("Port on the node's loopback; by default the agent's.")
    timeout: Duration = key(
        "Longest wait for the answer.", like=(hooks.HttpHook, "timeout_seconds")
    )


class HttpRequest(HttpCheck):
    method: Method = key("Method of the request.", like=(hooks.HttpHook, "method"))


class TcpCheck(Section):
    port: Port | None = key("Port that must accept; by default the agent's.")
    timeout: Duration = key(
        "Longest wait for the connection.", like=(hooks.TcpHook, "timeout_seconds")
    )


class CheckSection(Section):
    http: HttpCheck | None = key("A request that must succeed.")
    tcp: TcpCheck | None = key("A port that must accept a connection ({} for the agent's).")
    exec: ExecHook | None = key("A command that must succeed.")


class ReadySection(CheckSection):
    within: Duration = key(
        "Longest time from start to ready.", like=(hooks.Readiness, "within_seconds")
    )
    every: Duration = key("Pause between two checks.", like=(hooks.Readiness, "every_seconds"))


class HookSection(Section):
    http: HttpRequest | None = key("A request to the agent.")
    exec: ExecHook | None = key("A command on the node.")
    signal: Signal | None = key("A signal to the agent's main process.")


class DrainSection(HookSection):
    until: CheckSection | None = key(
        "It is drained when this succeeds; by default when the hook has returned."
    )
    deadline: DurationOrNought = key(
        "Past this it is stopped all the same.", like=(hooks.Drain, "deadline_seconds")
    )


class MetricsSection(Section):
    path: UrlPath = key("Path of the Prometheus text.", like=(hooks.MetricNames, "path"))
    port: Port | None = key("Port on the node's loopback; by default the agent's.")
    response_time: Text = key(
        "Histogram of response times, in seconds.", like=(hooks.MetricNames, "response_time")
    )
    throughput: Text = key("Counter of messages.", like=(hooks.MetricNames, "throughput"))
    errors: Text = key("Counter of errors.", like=(hooks.MetricNames, "errors"))
    queue_length: Text = key("Gauge of waiting messages.", like=(hooks.MetricNames, "queue_length"))
    utilization: Text = key(
        "Gauge of how busy it is, from 0 to 1.", like=(hooks.MetricNames, "utilization")
    )


class SecretSection(Section):
    env: VariableName | None = key("The operator's environment variable that holds it.")
    file: Path | None = key("The operator's file that holds it.")


class AgentSection(Section):
    command: Arguments = required("Program and arguments, never a shell line.")
    replicas: Count = key("How many of it.", like=(fleet.AgentSpec, "replicas"))
    pools: Annotated[list[Name], ONE_OR_MORE] = items("Only on nodes of these pools; empty: any.")
    nodes: Annotated[list[NodeNames], ONE_OR_MORE] = items(
        "Only on these nodes, folded or as patterns (web[01-04], db*); empty: any."
    )
    env: Annotated[dict[VariableName, AsWritten], EMPTY_MAPPING] = mapping(
        "Its environment; numbers are taken as they are written."
    )
    secrets: Annotated[dict[VariableName, SecretSection], EMPTY_MAPPING] = mapping(
        "Environment variables whose values are kept elsewhere on the operator's side."
    )
    port: Port | None = key("Port of instance 0.")
    port_step: Count = key(
        "Instance n has port + n × port_step.", like=(fleet.AgentSpec, "port_step")
    )
    resources: ResourcesSection = section("What each instance asks for.")
    labels: Labels = mapping("Labels of the agent.")
    user: User | None = key("The account it runs as (systemd only); by default ours on the node.")
    ready: ReadySection | None = key("When it counts as ready; none: when it runs.")
    metrics: MetricsSection | None = key("Where its metrics are ({} for all defaults).")
    drain: DrainSection | None = key("How it finishes its work before it is stopped.")
    checkpoint: HookSection | None = key("How it writes its state to PHOENIX_CHECKPOINT_DIR.")
    restore: HookSection | None = key("How it takes its state from PHOENIX_RESTORE_FROM.")
    activate: HookSection | None = key("How a standby becomes active.")
    reload: HookSection | None = key("How it reads its configuration again.")
    stop_signal: Signal = key("The signal that ends it.", like=(fleet.AgentSpec, "stop_signal"))
    grace: DurationOrNought = key(
        "From the stop signal to KILL.", like=(fleet.AgentSpec, "grace_seconds")
    )
    restart: Flag = key("Start it again when it fails.", like=(fleet.AgentSpec, "restart"))
    open_files: FileCount | None = key("Most open files; by default the node's limit.")
    rollout: RolloutSection = section("How its instances are changed.")
    singleton: Flag = key(
        "Never active twice: after a boot of its node it waits for permission to start.",
        like=(fleet.AgentSpec, "singleton"),
    )
    lease: Duration | None = key(
        "Its node ends a singleton whose permission was not renewed for so long; by default never."
    )
    migrate: Migration | None = key("How it moves with its state; by default it moves without.")
    checkpoints: Checkpoints | None = key(
        "Checkpoints that are kept on other nodes for when its node dies; by default none."
    )
    placement: Rules | None = key("Where its instances may go, and had better go.")


def _ssh(description: str, name: str) -> Any:
    return key(description, like=(fleet.SshSettings, name))


class SshSection(Section):
    user: User | None = key("Login name; by default as SSH decides.")
    port: Port | None = key("Port; by default as SSH decides (22).")
    config_file: Path | None = _ssh("OpenSSH client configuration; null: none.", "config_file")
    identity_files: Paths = items("Private keys to offer; empty: OpenSSH's usual ones.")
    certificate_files: Paths = items("User certificates to offer.")
    known_hosts_files: Paths = _ssh("Files of known host keys.", "known_hosts_files")
    use_agent: Flag = _ssh("Offer the SSH agent's keys.", "use_agent")
    parallel: AtLeastOne = _ssh("Most nodes worked on at once.", "parallel")
    starts_per_bastion: AtLeastOne = _ssh(
        "Most connections started at once through one bastion.", "starts_per_bastion"
    )
    connect_timeout: Duration = _ssh(
        "Longest wait for a connection and login.", "connect_timeout_seconds"
    )
    command_timeout: Duration = _ssh(
        "Longest run of a command; then it is ended on the node.", "command_timeout_seconds"
    )
    run_timeout: Duration | None = key("Longest run over all nodes; none: no limit.")
    keepalive: Duration = _ssh(
        "Pause between signs of life; three unanswered end a connection.", "keepalive_seconds"
    )
    output_limit: Size = _ssh("Output kept of one command.", "output_limit")
    sudo: Flag = _ssh("Use `sudo -n` for what needs root.", "sudo")


def _target(description: str, name: str) -> Any:
    return key(description, like=(fleet.Targets, name))


class TargetsSection(Section):
    agent_response_time_p95: Duration = _target(
        "95 % of requests are answered within this.", "agent_response_time_p95_seconds"
    )
    message_throughput_per_second: Rate = _target(
        "Messages a second, the whole fleet.", "message_throughput_per_second"
    )
    cluster_availability: Ratio = _target("Share of agents that serve.", "cluster_availability")
    resource_utilization: Ratio = _target(
        "Highest share of CPU and memory.", "resource_utilization"
    )
    scaling_response_time: Duration = _target(
        "From the need to the new capacity.", "scaling_response_time_seconds"
    )


class GuardsSection(Section):
    max_destroy: Share = key(
        "Most nodes that one plan destroys or forgets: 3 or 25%.",
        like=(fleet.Guards, "max_destroy"),
    )
    max_disruption: Share = key(
        "Most running agents that one plan takes down without bringing them back: 3 or 50%.",
        like=(fleet.Guards, "max_disruption"),
    )


class S3Section(Section):
    bucket: BucketName = required("The bucket.")
    prefix: ObjectPrefix = key("Where in it.", like=(s3.S3Store, "prefix"))
    region: Region | None = key("Its region; by default as AWS's own tools find it.")
    endpoint: Url | None = key("Address of the S3 API; by default AWS's own.")
    lease: Duration = key(
        "A lock that was not renewed for so long may be taken over.",
        like=(s3.S3Store, "lease_seconds"),
    )


class StoreSection(Section):
    s3: S3Section | None = key("Keep the records in an S3 bucket, for several operators.")


class Root(Section):
    fleet: FleetSection = required("The fleet as a whole.")
    pools: Annotated[dict[Name, PoolSection | None], EMPTY_MAPPING] = mapping(
        "Nodes of one kind, by the pool's name; with none, all nodes are in the pool default."
    )
    nodes: Annotated[list[NodeSection], EMPTY_LIST] = items("Machines that exist.")
    agents: Annotated[dict[Name, AgentSection], EMPTY_MAPPING] = mapping(
        "Long-running processes, by the spec's name."
    )
    ssh: Annotated[SshSection, EMPTY_MAPPING] = section("How nodes are reached.")
    targets: Annotated[TargetsSection, EMPTY_MAPPING] = section("Performance objectives.")
    guards: Annotated[GuardsSection, EMPTY_MAPPING] = section("What no plan may exceed.")
    placement: Placement | None = key("How agents get their nodes, by default as it says there.")
    prices: Annotated[dict[PricedKind, Amount], EMPTY_MAPPING] = mapping(
        "Price of an hour by EC2 type (m6i.large), of spot by spot:m6i.large; for estimates."
    )
    store: StoreSection | None = key("Where the records are; by default on this machine.")
    routers: Annotated[dict[Name, Router], EMPTY_MAPPING] = mapping(
        "Who spreads requests over agents, by the router's name."
    )
    metrics: Metrics | None = key("How the fleet is measured, by default as it says there.")
    balancing: Balancing | None = key(
        "How requests are spread over members, by default as it says there."
    )
    alerts: Alerts | None = key("What is watched, and who is told; by default nobody is.")
