"""Which playbooks there are, and what one is about."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phoenixctl.cli.select import choose_agents, choose_nodes, no_such
from phoenixctl.model.errors import PhoenixError, UsageError
from phoenixctl.model.playbook import Copy, Stage

if TYPE_CHECKING:
    from phoenixctl.cli.run import Run
    from phoenixctl.model.fleet import Fleet
    from phoenixctl.model.playbook import Choice, Playbook

FOLDER: Final = "playbooks"


def folders(run: Run) -> tuple[Path, ...]:
    """Where playbooks are looked for: beside the configuration, then those that are shipped."""
    from phoenixctl.settings.find import find_config

    try:
        config = find_config(run.config, os.environ, Path.cwd())
    except PhoenixError:  # without a fleet there are still those that are shipped
        return (shipped(),)
    return (config.absolute().parent / FOLDER, shipped())


def shipped() -> Path:
    """In the package when it was installed, above it in its repository."""
    import phoenixctl

    package = Path(phoenixctl.__file__).parent
    inside = package / FOLDER
    return inside if inside.is_dir() else package.parent / FOLDER


def path_of(run: Run, name: str) -> Path:
    """The file of a playbook by its name; a path names a file itself."""
    from phoenixctl.settings.playbook import ENDING, find_playbooks

    if "/" in name or name.endswith(ENDING):
        return Path(name).absolute()
    found = find_playbooks(folders(run))
    if name not in found:
        raise no_such("playbook", name, found, "phoenixctl playbook ls")
    return found[name]


def read(run: Run, name: str, given: Sequence[str]) -> Playbook:
    """The playbook with these values of its parameters: `name=value` each."""
    from phoenixctl.cli.here import digest_of
    from phoenixctl.settings.playbook import read_playbook

    playbook = read_playbook(path_of(run, name), _values(given))

    def noted(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        return tuple(
            replace(s, do=replace(s.do, digest=digest_of(s.do.source)))
            if isinstance(s.do, Copy)
            else s
            for s in stages
        )

    return replace(playbook, steps=noted(playbook.steps), rollback=noted(playbook.rollback))


def _values(given: Sequence[str]) -> Mapping[str, str]:
    values = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"-p {text} has no value", hint="write it like -p nodes=web*")
        values[name.strip()] = value
    return values


def chosen_names(fleet: Fleet, on: Choice) -> tuple[str, ...]:
    """The nodes or agents that it is about, none for the fleet as a whole."""
    if on.agents:
        return tuple(agent.id for agent in choose_agents(fleet, on.agents))
    if on.of_nodes:
        return choose_nodes(fleet, on.nodes or None, on.pools or None, on.labels or None)
    return ()


def digest_of_playbook(playbook: Playbook) -> str:
    """Of all that it says, its parameters and the content of the files that it copies: the same for
    everybody of a team, wherever their files are."""
    import hashlib
    import json

    from phoenixctl.model.codec import encode

    def anywhere(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        return tuple(
            replace(s, do=replace(s.do, source="")) if isinstance(s.do, Copy) else s for s in stages
        )

    said = replace(playbook, steps=anywhere(playbook.steps), rollback=anywhere(playbook.rollback))
    content = json.dumps(encode(said), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
