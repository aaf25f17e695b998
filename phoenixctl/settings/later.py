"""Sections that few configurations have: built when a file has one, so that others do not wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from phoenixctl.settings.short_forms import TAINT_ALONE
from phoenixctl.settings.values import ONE_OR_MORE


@dataclass(frozen=True, slots=True, eq=False)  # a Union hashes its members
class Later:
    """Stands for the section that `model` imports; what is wrong in it is told in the same way."""

    model: Callable[[], type[BaseModel]]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        model = self.model()
        model.model_rebuild()
        # Only what stands below is given a name in the schema, so it is put below nothing.
        return handler(core_schema.definitions_schema(model.__pydantic_core_schema__, []))

    def _read(self, value: object) -> BaseModel:
        return self.model().model_validate(value)


def _taint() -> type[BaseModel]:
    from phoenixctl.settings.placement_sections import TaintSection

    return TaintSection


def _rules() -> type[BaseModel]:
    from phoenixctl.settings.placement_sections import RulesSection

    return RulesSection


def _placement() -> type[BaseModel]:
    from phoenixctl.settings.placement_sections import PlacementSection

    return PlacementSection


def _migration() -> type[BaseModel]:
    from phoenixctl.settings.moving_sections import MigrationSection

    return MigrationSection


def _checkpoints() -> type[BaseModel]:
    from phoenixctl.settings.moving_sections import CheckpointsSection

    return CheckpointsSection


def _router() -> type[BaseModel]:
    from phoenixctl.settings.router_sections import RouterSection

    return RouterSection


def _metrics() -> type[BaseModel]:
    from phoenixctl.settings.metric_sections import FleetMetricsSection

    return FleetMetricsSection


def _alerts() -> type[BaseModel]:
    from phoenixctl.settings.alert_sections import AlertsSection

    return AlertsSection


def _balancing() -> type[BaseModel]:
    from phoenixctl.settings.balancing_sections import BalancingSection

    return BalancingSection


Taints = Annotated[list[Annotated[Any, Later(_taint), TAINT_ALONE]], ONE_OR_MORE]
Rules = Annotated[Any, Later(_rules)]
Placement = Annotated[Any, Later(_placement)]
Migration = Annotated[Any, Later(_migration)]
Checkpoints = Annotated[Any, Later(_checkpoints)]
Router = Annotated[Any, Later(_router)]
Metrics = Annotated[Any, Later(_metrics)]
Alerts = Annotated[Any, Later(_alerts)]
Balancing = Annotated[Any, Later(_balancing)]
