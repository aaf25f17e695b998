"""The sections of a playbook. As in `sections`, the annotations are not strings."""

from typing import Annotated, Final

from phoenixctl.model import fleet, playbook
from phoenixctl.model.plan import Stopping
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.rules import Goal
from phoenixctl.settings.kinds import Expected, Lenient, Written, choice, text
from phoenixctl.settings.moving_sections import WayName
from phoenixctl.settings.sections import Section, items, key, mapping, required, section
from phoenixctl.settings.values import (
    EMPTY_LIST,
    EMPTY_MAPPING,
    ONE_OR_MORE,
    Arguments,
    AsWritten,
    AtLeastOne,
    Count,
    Duration,
    Flag,
    NodeFile,
    Path,
    Pattern,
    Share,
    Text,
)


def _one_share_or_more(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _text_alone(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


def _read_bound(value: object) -> object:
    """Read in the unit of the metric, which stands beside it."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return getattr(value, "text", None) or str(value)
    raise Expected("a value such as 80%, 200ms, 2GiB or 5")


_EMPTY: Final = EMPTY_MAPPING
NONE: Final = fleet.Share(count=0)
_PARAMETER: Final = r"[a-z][a-z0-9_]*"
ParameterName = Annotated[
    str, text("a parameter's name of lower-case letters, digits and underscores", _PARAMETER)
]
StepName = Annotated[
    str, text("a name of letters, digits and hyphens", r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
]
BatchesName = Annotated[
    playbook.Batches, choice(*(b.value for b in playbook.Batches), make=playbook.Batches)
]
SpecificationName = Annotated[
    playbook.Specification,
    choice(*(s.value for s in playbook.Specification), make=playbook.Specification),
]
StopName = Annotated[str, choice(*(word.value for word in Stopping))]
GoalName = Annotated[Goal, choice(*(goal.value for goal in Goal), make=Goal)]
MetricName = Annotated[
    str, choice(*dict.fromkeys(m.value for kinds in (Metric, AgentMetric) for m in kinds))
]
Bound = Annotated[str, Written(_read_bound, {"type": ["string", "number"]})]
Names = Annotated[list[Pattern], ONE_OR_MORE]
Shares = Annotated[
    list[Share],
    Lenient(_one_share_or_more, {"type": ["string", "integer"], "examples": ["25%", 3]}),
]


class ParameterSection(Section):
    default: AsWritten | None = key("Its value when none is given; without, one has to be.")
    description: Text | None = key("What it is for.")


class ChooseSection(Section):
    nodes: Names = items("Names of nodes, sets such as web[01-20], or patterns.")
    pools: Names = items("All nodes of these pools.")
    labels: Names = items("Of those, the nodes with these labels: zone=a, or gpu.")
    agents: Names = items("Agents by id, by spec, or by pattern; not together with nodes.")


class ExecSection(Section):
    run: Arguments = required("Program and arguments, run on each node; status 0 is success.")
    timeout: Duration = key("Longest run.", like=(playbook.Exec, "timeout_seconds"))
    sudo: Flag | None = key("As root; by default as the node is set up.")


class CopySection(Section):
    source: Path = required("A file of yours, from the playbook's folder.", name="from")
    to: NodeFile = required("Where it goes on each node; it appears whole or not at all.")


class EmptyingSection(Section):
    stop: StopName | None = key("Agents that are stopped and not moved: unplaced, or all.")
    deadline: Duration | None = key("For each agent, instead of its own times.")


class NothingSection(Section):
    pass


class RestartSection(Section):
    at_once: AtLeastOne = key("How many agents at a time.", like=(playbook.Restart, "at_once"))
    specification: SpecificationName = key(
        "now: as configured; former: the one that each had before this run, for the rollback.",
        like=(playbook.Restart, "specification"),
    )


class MigrateSection(Section):
    to: Pattern | None = key("The node that takes them; by default where placement puts each.")
    strategy: WayName | None = key("live, checkpoint or cold; by default as the agent allows.")


class ScaleSection(Section):
    pool: Pattern = required("A pool that creates its nodes.")
    size: Count = required("How many nodes it shall have.")


class RebalanceSection(Section):
    goal: GoalName | None = key("What for; by default as configured.")
    max_moves: Count | None = key("Never more moves than this; by default as configured.")


class WaitSection(Section):
    metric: MetricName = required("A metric of nodes, or of agents when agents are named.")
    agents: Names = items("Of every agent of these specs, instead of each node of the batch.")
    below: Bound | None = key("It has to be below this, in its unit: 80%, 200ms, 2GiB, 5.")
    above: Bound | None = key("It has to be above this.")
    within: Duration = key("Then the step has failed.", like=(playbook.Wait, "within_seconds"))
    every: Duration = key("How often to look.", like=(playbook.Wait, "every_seconds"))


class ApproveSection(Section):
    text: Text = required("What is asked.")


class NotifySection(Section):
    run: Arguments = required("Program and arguments, run on your machine; JSON on its stdin.")
    text: Text | None = key("What is told.")
    timeout: Duration = key("Longest run.", like=(playbook.Notify, "timeout_seconds"))


class StepSection(Section):
    """One of the keys after `batch` says what is done."""

    name: StepName | None = key("Its name; by default what it does.")
    batch: BatchesName = key(
        "With each batch, or only with the first or the last.", like=(playbook.Stage, "batches")
    )
    exec_: ExecSection | None = key("Run a command on the nodes.", name="exec")
    copy_: CopySection | None = key("Copy a file to the nodes.", name="copy")
    drain: Annotated[EmptyingSection | None, _EMPTY] = key("Bring the nodes' agents to others.")
    uncordon: Annotated[NothingSection | None, _EMPTY] = key("Let the nodes take agents again.")
    reboot: Annotated[EmptyingSection | None, _EMPTY] = key("Drain the nodes and reboot them.")
    restart: Annotated[RestartSection | None, _EMPTY] = key(
        "Restart the agents, with the specification of now."
    )
    migrate: Annotated[MigrateSection | None, _EMPTY] = key(
        "Bring the agents to another node with their state."
    )
    scale: ScaleSection | None = key("Give a pool another size.")
    rebalance: Annotated[RebalanceSection | None, _EMPTY] = key("Move a few agents.")
    wait: WaitSection | None = key("Wait until a metric is where it should be.")
    approve: Annotated[ApproveSection | None, Lenient(_text_alone, {"type": "string"})] = key(
        "Wait for somebody's yes."
    )
    notify: NotifySection | None = key("Tell somebody; that nobody can be told is no failure.")
    rotate_host_key: Annotated[NothingSection | None, _EMPTY] = key(
        "Give the nodes new ed25519 host keys."
    )


class PlaybookRoot(Section):
    description: Text | None = key("What it does.")
    parameters: Annotated[
        dict[ParameterName, Annotated[ParameterSection, _EMPTY]], EMPTY_MAPPING
    ] = mapping("Values that are put in for ${name}, by their name.")
    choose: Annotated[ChooseSection, EMPTY_MAPPING] = section(
        "What it is about; without, the fleet as a whole, in one batch."
    )
    serial: Shares = key(
        "How many nodes or agents at a time: 3, 10%, or one for each batch: [1, 25%].",
        default=[1],
    )
    max_failures: Share = key("So many may fail; with more, the rest is not begun.", default=NONE)
    steps: Annotated[list[StepSection], EMPTY_LIST] = items("What is done, in this order.")
    rollback: Annotated[list[StepSection], EMPTY_LIST] = items(
        "What is done with a batch in which something has failed."
    )
