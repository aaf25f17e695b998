"""`phoenixctl doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import LabelOption, NodesOption, PoolOption, choose_nodes
from phoenixctl.model.errors import ExitCode

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.checks import Check
    from phoenixctl.model.fleet import SecretRef
    from phoenixctl.model.names import NodeName

app = single()


@command(app, "doctor", help="Check configuration, keys and every hop; say what to do.")
def doctor(
    run: Run, *, nodes: NodesOption = None, pool: PoolOption = None, label: LabelOption = None
) -> ExitCode:
    from phoenixctl.render.checks import checks_document, print_checks

    fleet = run.parts.fleet
    chosen = choose_nodes(fleet, nodes, pool, label) if fleet.nodes else ()
    checks, code = run.within(lambda parts: _examine(parts, chosen))
    run.emit(
        "doctor",
        lambda: checks_document(checks),
        lambda console: print_checks(checks, console, everything=run.verbose > 0),
    )
    return code


async def _examine(parts: Parts, nodes: tuple[NodeName, ...]) -> tuple[list[Check], ExitCode]:
    from phoenixctl.cli.progress import Progress
    from phoenixctl.model.checks import Grade
    from phoenixctl.model.outcome import Succeeded, exit_code_of
    from phoenixctl.workflows.doctor import examine, hop_checks, node_checks

    with Progress("examining nodes", len(nodes)) as shown:
        outcomes = await examine(
            parts.fleet,
            nodes,
            parts.reach,
            parts.clock,
            on_node=lambda _name, outcome: shown.step(failed=not isinstance(outcome, Succeeded)),
        )
    routes = {name: parts.reach.route(name) for name in nodes}
    checks = [
        *_operator_checks(parts),
        *hop_checks(routes, outcomes),
        *node_checks(parts.fleet, outcomes),
    ]
    code = exit_code_of(outcomes.values())
    if code is ExitCode.OK and any(check.grade is Grade.PROBLEM for check in checks):
        code = ExitCode.ERROR
    return checks, code


def _operator_checks(parts: Parts) -> Iterator[Check]:
    """What is wrong on this side, before any node is asked."""
    from phoenixctl.model.checks import Check, Grade
    from phoenixctl.model.fleet import Supervisor

    fleet = parts.fleet
    words = f"{parts.path}: {len(fleet.nodes)} nodes, {len(fleet.instances())} agents"
    if fleet.nodes:
        yield Check("here", "configuration", Grade.OK, words)
    else:
        yield Check(
            "here", "configuration", Grade.PROBLEM, f"{words}; there is nothing to manage",
            "add nodes to it, or start embedded ones with: phoenixctl demo up",
        )  # fmt: skip
    yield from _keys(parts)
    for spec in fleet.agents.values():
        for name, ref in spec.secrets.items():
            yield _secret(parts, spec.name, name, ref)
    yield from _receivers(parts)
    yield from _metrics(parts)
    limited = [s.name for s in fleet.agents.values() if s.resources.cpu or s.resources.memory]
    by_process = [n for n, node in fleet.nodes.items() if node.supervisor is Supervisor.PROCESS]
    if limited and by_process:
        found = f"limits of {', '.join(limited)} are not enforced where there is no systemd"
        yield Check("here", "limits", Grade.OK, found)
    for warning in parts.warnings():
        yield Check("here", "ssh", Grade.WARNING, warning)


def _receivers(parts: Parts) -> Iterator[Check]:
    if parts.fleet.alerts is None:
        return
    from phoenixctl.model.alerting import secrets_of

    for receiver in parts.fleet.alerts.receivers.values():
        for name, ref in secrets_of(receiver.way).items():
            yield _secret(parts, f"alerts.{receiver.name}", name, ref)


def _metrics(parts: Parts) -> Iterator[Check]:
    from phoenixctl.model.checks import Check, Grade
    from phoenixctl.model.errors import PhoenixError

    settings = parts.fleet.metrics
    if settings is None:
        return
    for collector in settings.collectors:
        if collector.password is not None:
            yield _secret(parts, f"metrics.{collector.name}", "password", collector.password)
    if settings.store is None:
        return
    try:  # a question that finds nothing
        parts.metrics.latest(since=parts.clock.epoch())
    except PhoenixError as error:
        yield Check("here", "metrics", Grade.PROBLEM, str(error), error.hint)
    else:
        yield Check("here", "metrics", Grade.OK, f"{settings.store.query_url} answers")


def _keys(parts: Parts) -> Iterator[Check]:
    from phoenixctl.model.checks import Check, Grade

    files = dict.fromkeys(_identity_files(parts))
    for name in files:
        path = Path(name).expanduser()
        if not path.exists():
            yield Check(
                "here", "keys", Grade.PROBLEM, f"the identity file {name} does not exist",
                f"ssh-keygen -t ed25519 -f {name}",
            )  # fmt: skip
        elif path.stat().st_mode & 0o077:
            yield Check(
                "here", "keys", Grade.WARNING, f"{name} can be read by others", f"chmod 600 {name}"
            )
    agent = bool(os.environ.get("SSH_AUTH_SOCK"))
    default = any((Path.home() / ".ssh").glob("id_*"))
    if not files and not agent and not default:
        yield Check(
            "here", "keys", Grade.PROBLEM, "no agent, no identity file, no key in ~/.ssh",
            "ssh-keygen -t ed25519, or start ssh-agent and ssh-add",
        )  # fmt: skip


def _identity_files(parts: Parts) -> Iterable[str]:
    yield from parts.fleet.ssh.identity_files
    for node in parts.fleet.nodes.values():
        yield from node.identity_files


def _secret(parts: Parts, spec: str, name: str, ref: SecretRef) -> Check:
    from phoenixctl.model.checks import Check, Grade
    from phoenixctl.model.errors import PhoenixError

    try:
        parts.secret(ref)
    except PhoenixError as error:
        found = f"{spec}.{name}: {error.what}"
        return Check("here", "secrets", Grade.PROBLEM, found, error.hint)
    return Check("here", "secrets", Grade.OK, f"{spec}.{name} is there")
