"""The sections about routers, which spread requests over agents.

As in `sections`, the annotations are not strings.
"""

from typing import Annotated

from phoenixctl.model import routing
from phoenixctl.settings.kinds import choice, text, whole
from phoenixctl.settings.sections import Section, key, mapping, required
from phoenixctl.settings.values import (
    EMPTY_MAPPING,
    Arguments,
    Count,
    Duration,
    DurationOrNought,
    Name,
    Path,
    Text,
)

KindName = Annotated[
    routing.RouterKind, choice("haproxy", "envoy", "nginx", make=routing.RouterKind)
]
BackendName = Annotated[
    str, text("the name of a backend, of letters, digits and _ . : -", r"[A-Za-z0-9_.:-]{1,200}")
]
Weight = Annotated[int, whole(1, routing.HEAVIEST)]


class RouterSection(Section):
    kind: KindName = required("What it is: haproxy (2.6 or later), envoy or nginx.")
    socket: Path | None = key("HAProxy's runtime socket (`stats socket`, `level admin`).")
    folder: Path | None = key(
        "The folder of Envoy's endpoints or NGINX's upstreams, a file a backend."
    )
    node: Text | None = key("The node where that is; by default it is on this machine.")
    backends: Annotated[dict[Name, BackendName], EMPTY_MAPPING] = mapping(
        "The router's backend of each spec whose agents it sends requests to."
    )
    weight: Weight = key("What a new member weighs.", like=(routing.RouterSettings, "weight"))
    slow_start: DurationOrNought = key(
        "Time in which a new member comes to its full share.",
        like=(routing.RouterSettings, "slow_start_seconds"),
    )
    check: Duration | None = key("Pause between two checks of a member; by default none is made.")
    max_sessions: Count = key(
        "Most requests at a time in one member, the rest waits; 0: no limit.",
        like=(routing.RouterSettings, "max_sessions"),
    )
    test: Arguments = key(
        "What finds NGINX's configuration good.", like=(routing.RouterSettings, "test")
    )
    reload: Arguments = key("What makes NGINX read it.", like=(routing.RouterSettings, "reload"))
    timeout: Duration = key(
        "Longest wait for its answer.", like=(routing.RouterSettings, "timeout_seconds")
    )
