"""By which a plan knows that the configuration is still the one it was computed from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from phoenixctl.model.codec import encode
from phoenixctl.model.fleet import Fleet, Pool
from phoenixctl.planning.known import configured_nodes


def config_digest(fleet: Fleet) -> str:
    """SHA-256 of the whole configuration, in hexadecimal digits.

    Nodes that a provider has made are left out: they come and go without anybody editing it. Of
    files on the operator's side, a router's socket too, only the names count, for everybody of a
    team has them elsewhere; what is in them is in the digest of the bootstrap.
    How the fleet is measured, who is told of what, and what weights are made of changes no plan.
    """
    pools = {name: _anywhere(pool) for name, pool in fleet.pools.items()}
    routers = {
        name: router if router.node else replace(router, path=_name(router.path))
        for name, router in fleet.routers.items()
    }
    nodes = configured_nodes(fleet)
    same = replace(fleet, nodes=nodes, pools=pools, routers=routers, metrics=None, alerts=None,
                   balancing=None)  # fmt: skip
    written = encode(same)
    canonical = json.dumps(written, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _anywhere(pool: Pool) -> Pool:
    if pool.bootstrap is None:
        return pool
    files = tuple(replace(file, source=_name(file.source)) for file in pool.bootstrap.files)
    return replace(pool, bootstrap=replace(pool.bootstrap, files=files))


def _name(path: str) -> str:
    return path.rpartition("/")[2]
