"""`agents renew`, and singletons whose node does not answer."""

from __future__ import annotations

from tests.cli.demo_fleet import DemoFleet, another_config, interrupt, until

ONE = """\
    command: [sh, -c, "while :; do sleep 0.2; done"]
    singleton: true
    nodes: [demo-2]
"""


def test_singletons_are_renewed_where_they_are_recorded_and_an_old_epoch_is_refused(
    fleet: DemoFleet,
) -> None:
    with another_config(fleet, "one", ONE + "    lease: 10m\n") as config:
        words = ("--config", str(config), "agents")
        none = fleet.ok(*words, "renew", "--once", "-o", "json").json
        assert none["agents"] == []
        fleet.ok(*words, "start", "one")
        [permit] = fleet.home("demo-2").glob("**/agents/one-0/permit")
        epoch, boot_id, end = permit.read_text().split()
        permit.write_text(f"{epoch} {boot_id} {int(end) - 500}\n")
        before = permit.read_text()
        dry = fleet.ok(*words, "renew", "--dry-run", "-o", "json").json
        assert [(a["agent"], a["outcome"]) for a in dry["agents"]] == [("one-0", "planned")]
        assert permit.read_text() == before
        renewed = fleet.ok(*words, "renew", "--once", "-o", "json").json
        assert renewed["schema"] == "phoenixctl.renewals/1"
        assert [(a["agent"], a["node"], a["outcome"]) for a in renewed["agents"]] == [
            ("one-0", "demo-2", "renewed")
        ]
        assert int(permit.read_text().split()[2]) >= int(end)
        assert '"agents renew"' not in fleet.ok("history", "-o", "json").out

        meta = permit.with_name("meta")
        meta.write_text(meta.read_text().replace(f"epoch={epoch}", "epoch=0"))
        before = permit.read_text()
        refused = fleet.run(*words, "renew", "one", "--once")
        assert refused.code == 3
        assert f"it has epoch 0 there, and {epoch} is recorded" in refused.err
        assert permit.read_text() == before


def test_without_once_it_renews_until_it_is_interrupted(fleet: DemoFleet) -> None:
    with another_config(fleet, "one", ONE + "    lease: 6s\n") as config:
        words = ("--config", str(config), "agents")
        fleet.ok(*words, "start", "one")
        [permit] = fleet.home("demo-2").glob("**/agents/one-0/permit")
        first = permit.read_text()
        renewing = fleet.start(*words, "renew")
        until(lambda: permit.read_text() != first)
        done = interrupt(renewing)
        assert done.code == 130
