"""The sections that few fleets have, in the words of the configuration."""

from __future__ import annotations

from typing import Any

from phoenixctl.model.fleet import Fleet
from phoenixctl.settings.plainly_alerts import alerts_as_written
from phoenixctl.settings.plainly_balancing import balancing_as_written
from phoenixctl.settings.plainly_metrics import metrics_as_written


def seldom_as_written(fleet: Fleet) -> dict[str, Any]:
    return {
        "balancing": fleet.balancing and balancing_as_written(fleet.balancing),
        "metrics": fleet.metrics and metrics_as_written(fleet.metrics),
        "alerts": fleet.alerts and alerts_as_written(fleet.alerts),
    }
