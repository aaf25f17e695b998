"""What every section is made of, and the sections that pools and agents both have.

Defaults are those of `model.fleet`, so they are written down once. The annotations are not
strings: pydantic would evaluate each of them again, and loading has a budget.
"""

from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from phoenixctl.model import fleet, hooks
from phoenixctl.settings.values import (
    EMPTY_MAPPING,
    Amount,
    Arguments,
    Cores,
    Duration,
    DurationOrNought,
    OrderName,
    ResourceName,
    Share,
    Size,
)


def key(
    description: str, *, like: tuple[type, str] | None = None, default: Any = None, name: str = ""
) -> Any:
    """A key that may be left out; `like` names the domain's field whose default it has."""
    if like is not None:
        domain: Any = like[0]
        default = domain.__dataclass_fields__[like[1]].default
        default = list(default) if isinstance(default, tuple) else default
    return Field(default=default, description=description, alias=name or None)


def mapping(description: str) -> Any:
    return Field(default={}, description=description)  # pydantic copies it for each model


def items(description: str) -> Any:
    return Field(default=[], description=description)


def section(description: str) -> Any:
    """A section that is there with all its defaults when it is left out.

    `{}` is validated with the rest; an object made here would need a validator of its own.
    """
    return Field(default={}, validate_default=True, description=description)


def required(description: str, *, name: str = "") -> Any:
    return Field(description=description, alias=name or None)


class Section(BaseModel):
    """`defer_build`: one validator is built for the whole file, not one for each class."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True, frozen=True)


class ExecHook(Section):
    command: Arguments = required("Program and arguments, run on the node; status 0 is success.")
    timeout: Duration = key("Longest run.", like=(hooks.ExecHook, "timeout_seconds"))

    def as_model(self) -> hooks.ExecHook:
        return hooks.ExecHook(tuple(self.command), self.timeout)


class ResourcesSection(Section):
    cpu: Cores | None = key("CPU in cores: 500m, 1, 2.5.")
    memory: Size | None = key("Memory: 256MiB, 2GiB.")
    other: Annotated[dict[ResourceName, Amount], EMPTY_MAPPING] = mapping(
        "Other resources by name, such as gpu: 1."
    )

    def as_model(self) -> fleet.Resources:
        return fleet.Resources(self.cpu, self.memory, MappingProxyType(self.other))


def resources(section: ResourcesSection | None) -> fleet.Resources | None:
    return None if section is None else section.as_model()


class RolloutSection(Section):
    order: OrderName = key(
        "What comes first, in_place: the old one goes; surge: the new one is ready.",
        like=(fleet.Rollout, "order"),
    )
    max_unavailable: Share = key(
        "Most that are down at once: 3 or 25%.", like=(fleet.Rollout, "max_unavailable")
    )
    min_healthy: Share = key(
        "Fewest that stay ready at any time: 3 or 50%.", like=(fleet.Rollout, "min_healthy")
    )
    settle: DurationOrNought = key(
        "A changed one stays healthy for so long before the next are changed.",
        like=(fleet.Rollout, "settle_seconds"),
    )

    def as_model(self) -> fleet.Rollout:
        return fleet.Rollout(self.order, self.max_unavailable, self.min_healthy, self.settle)
