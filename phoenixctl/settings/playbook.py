"""From the file of a playbook to a Playbook: read, put parameters in, validate, check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from phoenixctl.model import playbook as model
from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Share
from phoenixctl.model.playbook import Choice, Parameter, Playbook, Stage
from phoenixctl.model.reading import UNITS, AgentMetric, Metric, Unit
from phoenixctl.model.units import parse_bytes, parse_duration, parse_ratio
from phoenixctl.settings import document
from phoenixctl.settings.files import read_file
from phoenixctl.settings.parameters import put_in
from phoenixctl.settings.places import KeyPath, Place, Problem, nearest, refuse

if TYPE_CHECKING:
    from phoenixctl.settings.playbook_sections import PlaybookRoot, StepSection, WaitSection

HINT: Final = "correct the lines above, then: phoenixctl playbook show NAME"
ENDING: Final = ".yaml"
_PARSE: Final[Mapping[Unit, Callable[[str], float]]] = MappingProxyType(
    {Unit.RATIO: parse_ratio, Unit.SECONDS: parse_duration, Unit.BYTES: parse_bytes}
)
_KINDS: Final = (
    "exec", "copy", "drain", "uncordon", "reboot", "restart", "migrate", "scale", "rebalance",
    "wait", "approve", "notify", "rotate_host_key",
)  # fmt: skip
_FORMER: Final = model.Specification.FORMER
Report = Callable[[KeyPath, str], None]


@dataclass(frozen=True, slots=True)
class Written:
    """A playbook as it is written: without values for its parameters, if they have none."""

    name: str
    path: Path
    description: str
    parameters: tuple[Parameter, ...]
    text: str = field(repr=False)


def find_playbooks(folders: Sequence[Path]) -> Mapping[str, Path]:
    """The playbooks in these folders by their names; an earlier folder hides what later ones have
    under the same name."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"*{ENDING}")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def read_written(path: Path) -> Written:
    """What can be said of a playbook before it has values. ConfigError when that is wrong."""
    data, tree, problems = _tree(path)
    refuse(problems, hint=HINT)
    described = tree.entries.get("description")
    description = described.value if described is not None else None
    return Written(
        path.stem,
        path,
        description.text if isinstance(description, document.Scalar) else "",
        tuple(_parameters(tree)),
        data.decode("utf-8", "replace"),
    )


def read_playbook(path: Path, values: Mapping[str, str]) -> Playbook:
    """The playbook with these values of its parameters, and the defaults of others.

    ConfigError names every problem with its place; UsageError a value that is missing, or one of a
    parameter that there is not.
    """
    from pydantic import ValidationError

    from phoenixctl.settings.explain import explain
    from phoenixctl.settings.playbook_sections import PlaybookRoot

    _, tree, problems = _tree(path)
    parameters = _values(tuple(_parameters(tree)), values, path.stem)
    for key, entry in tree.entries.items():
        if key != "parameters":
            put_in(entry.value, parameters, problems, at=(key,))
    try:
        root = PlaybookRoot.model_validate(document.plain(tree))
    except ValidationError as error:
        refuse([*problems, *explain(error, tree, PlaybookRoot)], hint=HINT)
        raise AssertionError("a validation error always has a problem") from error
    refuse(problems, hint=HINT)

    def report(at: KeyPath, what: str) -> None:
        written, key_place, depth = document.find(tree, at)
        exact = depth == len(at) and depth and not isinstance(written, document.Mapping)
        problems.append(Problem(written.place if exact else key_place, at, what))

    made = _assembled(root, path, parameters, report)
    refuse(problems, hint=HINT)
    return made


def _tree(path: Path) -> tuple[bytes, document.Mapping, list[Problem]]:
    problems: list[Problem] = []
    try:
        data = read_file(path)
    except ValueError as error:
        raise UsageError(str(error), hint="phoenixctl playbook ls") from None
    tree = document.read_tree(data, str(path), problems)
    if not isinstance(tree, document.Mapping):
        what = "expected a mapping with the key steps"
        refuse([*problems, Problem(Place(str(path), 1, 1), (), what)], hint=HINT)
        raise AssertionError("refuse raises when there is a problem")
    return data, tree, problems


def _parameters(tree: document.Mapping) -> list[Parameter]:
    """As far as they are written as they should be; the validator tells the rest."""
    entry = tree.entries.get("parameters")
    if entry is None or not isinstance(entry.value, document.Mapping):
        return []
    found = []
    for name, about in entry.value.entries.items():
        keys = about.value.entries if isinstance(about.value, document.Mapping) else {}
        texts = {
            key: written.value.text
            for key, written in keys.items()
            if isinstance(written.value, document.Scalar) and written.value.value is not None
        }
        found.append(Parameter(name, texts.get("default"), texts.get("description", "")))
    return found


def _values(
    parameters: Sequence[Parameter], given: Mapping[str, str], name: str
) -> Mapping[str, str]:
    known = [parameter.name for parameter in parameters]
    for key in given:
        if key not in known:
            what = f"playbook {name} has no parameter {key}{nearest(key, known)}"
            raise UsageError(what, hint=f"phoenixctl playbook show {name}")
    missing = [p.name for p in parameters if p.default is None and p.name not in given]
    if missing:
        what = f"playbook {name} needs a value for {', '.join(missing)}"
        raise UsageError(what, hint=f"write it like -p {missing[0]}=VALUE")
    return {p.name: given.get(p.name, p.default or "") for p in parameters}


def _assembled(
    root: PlaybookRoot, path: Path, parameters: Mapping[str, str], report: Report
) -> Playbook:
    on = Choice(tuple(root.choose.nodes), tuple(root.choose.pools), tuple(root.choose.labels),
                tuple(root.choose.agents))  # fmt: skip
    if on.agents and on.of_nodes:
        report(("choose", "agents"), "a playbook is about nodes or about agents, not both")
    if not root.steps:
        report(("steps",), "missing: what is done")
    if not root.serial:
        report(("serial",), "missing: how many at a time")
    reader = _Stages(path, on, report)
    steps = reader.read(root.steps, "steps")
    rollback = reader.read(root.rollback, "rollback")
    for number, section in enumerate(root.rollback):
        if section.approve is not None:
            report(("rollback", number, "approve"), "nobody is asked while things are taken back")
    for number, section in enumerate(root.steps):
        if section.restart is not None and section.restart.specification is _FORMER:
            at = ("steps", number, "restart", "specification")
            report(at, "agents go back to their former one only under rollback")
    return Playbook(
        name=path.stem,
        description=root.description or "",
        parameters=parameters,
        on=on,
        serial=tuple(s if isinstance(s, Share) else Share(count=s) for s in root.serial),
        max_failures=root.max_failures,
        steps=steps,
        rollback=rollback,
    )


@dataclass(slots=True)
class _Stages:
    """Reads the steps of one playbook; their names are its own."""

    path: Path
    on: Choice
    report: Report
    names: set[str] = field(default_factory=set)

    def read(self, sections: Sequence[StepSection], key: str) -> tuple[Stage, ...]:
        found = (self._one(section, (key, n)) for n, section in enumerate(sections))
        return tuple(stage for stage in found if stage is not None)

    def _one(self, section: StepSection, at: KeyPath) -> Stage | None:
        kinds = [kind for kind in _KINDS if _of(section, kind) is not None]
        if not kinds:
            self.report(at, f"missing: what is done, one of {', '.join(_KINDS)}")
            return None
        if len(kinds) > 1:
            self.report((*at, kinds[1]), f"one thing is done in a step, and {kinds[0]} is there")
            return None
        kind = kinds[0]
        name = section.name or _unused(kind.replace("_", "-"), self.names)
        if name in self.names:
            self.report((*at, "name"), f"another step is called {name}")
        self.names.add(name)
        do = _do(section, kind, self.path, (*at, kind), self.report)
        if isinstance(do, model.ON_NODES) and not self.on.of_nodes:
            self.report((*at, kind), "this is done on nodes, and the playbook chooses none")
        if isinstance(do, model.ON_AGENTS) and not (self.on.agents or self.on.of_nodes):
            self.report((*at, kind), "this is done with agents, and the playbook chooses none")
        return Stage(name, do, section.batch)


def _unused(kind: str, names: Collection[str]) -> str:
    """`drain`, and `drain-2` when there is one."""
    number = 1
    while (name := kind if number == 1 else f"{kind}-{number}") in names:
        number += 1
    return name


def _of(section: StepSection, kind: str) -> object:
    return getattr(section, f"{kind}_" if kind in ("exec", "copy") else kind)


def _do(
    section: StepSection, kind: str, path: Path, at: KeyPath, report: Report
) -> model.Task | model.Move:
    if section.exec_ is not None:
        run = section.exec_
        return model.Exec(tuple(run.run), run.timeout, run.sudo)
    if section.copy_ is not None:
        source = (path.parent / Path(section.copy_.source).expanduser()).resolve()
        return model.Copy(str(source), section.copy_.to)
    if section.wait is not None:
        return _wait(section.wait, at, report)
    if section.notify is not None:
        told = section.notify
        return model.Notify(tuple(told.run), told.text or "", told.timeout)
    if section.approve is not None:
        return model.Approve(section.approve.text)
    return _moved(section, kind)


def _moved(section: StepSection, kind: str) -> model.Task | model.Move:
    emptied = section.drain or section.reboot
    if emptied is not None:
        make = model.Drain if kind == "drain" else model.Reboot
        return make(emptied.stop or "", emptied.deadline)
    if section.restart is not None:
        return model.Restart(section.restart.at_once, section.restart.specification)
    if section.migrate is not None:
        return model.Migrate(section.migrate.to or "", section.migrate.strategy)
    if section.scale is not None:
        return model.Scale(section.scale.pool, section.scale.size)
    if section.rebalance is not None:
        return model.Rebalance(section.rebalance.goal, section.rebalance.max_moves)
    return model.Uncordon() if kind == "uncordon" else model.RotateHostKey()


def _wait(section: WaitSection, at: KeyPath, report: Report) -> model.Wait:
    kinds: type[Metric | AgentMetric] = AgentMetric if section.agents else Metric
    known = [metric.value for metric in kinds]
    if section.metric not in known:
        of = "agents" if section.agents else "nodes"
        report((*at, "metric"), f"no metric of {of}{nearest(section.metric, known)}")
    elif (section.below is None) is (section.above is None):
        report(at, "write below or above, one of them")
    unit = next(
        (unit for metric, unit in UNITS.items() if metric.value == section.metric), Unit.COUNT
    )
    bounds: dict[str, float | None] = {"below": None, "above": None}
    for word, written in (("below", section.below), ("above", section.above)):
        if written is not None:
            try:
                bounds[word] = float(_PARSE.get(unit, float)(written))
            except ValueError:
                report((*at, word), f"expected a value in {unit}, found {written}")
    return model.Wait(
        section.metric,
        bounds["below"],
        bounds["above"],
        section.within,
        section.every,
        tuple(section.agents),
    )
