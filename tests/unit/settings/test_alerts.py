"""Alerts: what may be written of them, and what is refused with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenixctl.model.alerting import (
    SRE_BURNS,
    AlertSettings,
    BurnRule,
    Level,
    Slack,
    ThresholdRule,
    Webhook,
)
from phoenixctl.model.codec import decode, encode
from phoenixctl.model.fleet import Fleet, SecretRef
from phoenixctl.planning.config_digest import config_digest
from tests.unit.settings.loading import loaded, problems

HEAD = """\
fleet: {name: f}
pools: {web: {}}
nodes: [{name: a}]
"""
IN_THE_CLEAR = (
    "{receivers: {a: {email: {server: s, from: a@b, to: b@c, tls: none, user: u, "
    "password: {env: P}}}}}"
)


def fleet_of(folder: Path, written: str) -> Fleet:
    return loaded(folder, f"{HEAD}alerts: {written}\n").fleet


def alerts(folder: Path, written: str) -> AlertSettings:
    found = fleet_of(folder, written).alerts
    assert found is not None
    return found


def test_without_the_section_nobody_is_told(tmp_path: Path) -> None:
    assert loaded(tmp_path, HEAD).fleet.alerts is None
    assert alerts(tmp_path, "{}") == AlertSettings()


@pytest.mark.parametrize(
    ("written", "level"),
    [
        ("80%", Level(0.8, 0.72)),
        ("{at: 80%, clear: 0.75}", Level(0.8, 0.75)),
        ("250ms", Level(0.25, 0.225)),
        ("2GiB", Level(2.0 * 1024**3, 1.8 * 1024**3)),
        ("10", Level(10.0, 9.0)),
        ("-10", Level(-10.0, -11.0)),
    ],
)
def test_levels_are_in_the_metrics_unit(tmp_path: Path, written: str, level: Level) -> None:
    rule = alerts(tmp_path, f"{{rules: {{r: {{metric: m, warning: {written}}}}}}}").rules["r"]
    assert isinstance(rule, ThresholdRule)
    assert rule.warning is not None
    assert (rule.warning.at, rule.warning.clear) == pytest.approx((level.at, level.clear))
    assert rule.critical is None


def test_a_budget_is_that_of_a_target_and_its_windows_those_of_the_workbook(
    tmp_path: Path,
) -> None:
    text = f"{HEAD}targets: {{cluster_availability: 99.5%}}\n"
    text += "alerts: {rules: {r: {metric: error_rate, budget: {}}}}\n"
    settings = loaded(tmp_path, text).fleet.alerts
    assert settings is not None
    assert settings.rules["r"] == BurnRule("r", "error_rate", objective=0.995, windows=SRE_BURNS)


def test_an_address_that_is_a_secret_is_kept_elsewhere(tmp_path: Path) -> None:
    found = alerts(
        tmp_path, "{receivers: {a: {slack: {url_from: {env: S}}}, b: {webhook: {url: 'http://h'}}}}"
    ).receivers
    assert found["a"].way == Slack(SecretRef("env", "S"))
    assert found["b"].way == Webhook("http://h")


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("{rules: {r: {metric: m}}}", "expected one of warning, critical, budget"),
        ("{rules: {r: {warning: 1}}}", "missing: The metric"),
        ("{rules: {r: {metric: m, warning: soon}}}", "a number, or one with a unit"),
        ("{rules: {r: {metric: m, warning: {at: 1, clear: 2}}}}", "lies above the level itself"),
        ("{rules: {r: {metric: m, warning: 2, critical: 1}}}", "reached before the warning"),
        (
            "{rules: {r: {metric: m, warning: 1, critical: 2, direction: below}}}",
            "reached before the warning",
        ),
        ("{rules: {r: {metric: m, warning: 1, pools: [wbe]}}}", "no pool `wbe`; did you mean"),
        ("{rules: {r: {metric: m, warning: 1, of: node}}}", "one of nodes, agents, fleet, all"),
        ("{rules: {r: {metric: m, warning: 1, budget: {}}}}", "no place beside a budget"),
        ("{rules: {r: {metric: m, budget: {objective: 100%}}}}", "a share below one"),
        (
            "{rules: {r: {metric: m, budget: {windows: [{factor: 1, long: 1m, short: 1h}]}}}}",
            "longer than the long window",
        ),
        ("{receivers: {a: {}}}", "expected one of alertmanager, webhook, slack, email, command"),
        (
            "{receivers: {a: {command: [x], slack: {url_from: {env: S}}}}}",
            "expected one of alertmanager",
        ),
        ("{receivers: {a: {webhook: {}}}}", "expected one of url, url_from"),
        ("{receivers: {a: {command: x}}}", "a list of the program and its arguments"),
        ("{receivers: {a: {command: [x], match: pool}}}", "write it like pool=web"),
        (
            "{receivers: {a: {email: {server: s, from: a, to: [b@c]}}}}",
            "an address such as ops@example.org",
        ),
        (
            "{receivers: {a: {email: {server: s, from: a@b, to: [b@c], user: u}}}}",
            "user and password are needed both",
        ),
        (
            IN_THE_CLEAR,
            "in the clear",
        ),
        ("{receivers: {a: {email: {server: s, from: a@b, to: []}}}}", "at least one address"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(tmp_path: Path, written: str, what: str) -> None:
    (line,) = problems(tmp_path, f"{HEAD}alerts: {written}\n")
    assert line.startswith("phoenixctl.yaml:4:")
    assert "alerts." in line
    assert what in line


@pytest.mark.parametrize(
    "written",
    [
        "{receivers: {a: {slack: {url_from: 'https://hooks/canary-1'}}}}",
        "{receivers: {a: {slack: {url_from: {env: 'canary-1'}}}}}",
        "{receivers: {a: {webhook: {url: 'http://h', token: canary-1}}}}",
        "{receivers: {a: {email: {server: s, from: a@b, to: b@c, user: u, password: canary-1}}}}",
        "{receivers: {a: {webhook: {url: 'http://ada:canary-1@h/'}}}}",
    ],
)
def test_a_secret_that_was_written_down_by_mistake_is_not_repeated(
    tmp_path: Path, written: str
) -> None:
    assert "canary-1" not in "\n".join(problems(tmp_path, f"{HEAD}alerts: {written}\n"))


def test_a_fleet_with_alerts_has_a_json_form_and_the_digest_of_one_without(tmp_path: Path) -> None:
    fleet = fleet_of(
        tmp_path,
        "{rules: {r: {metric: m, budget: {}}, q: {metric: m, warning: 1}},"
        " receivers: {a: {command: [x], match: pool=web}, b: {slack: {url_from: {env: S}}}}}",
    )
    assert decode(Fleet, encode(fleet)) == fleet
    plain = loaded(tmp_path, HEAD).fleet
    assert config_digest(fleet) == config_digest(plain)
    assert "alerts" not in encode(plain)
