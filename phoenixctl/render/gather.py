"""Output of many nodes, folded: the same text once, under the names of the nodes that gave it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from phoenixctl.model.names import NodeName


def fold(names: Iterable[str]) -> str:
    """`web[01-20],db1`: how people write many names."""
    names = list(names)
    if len(names) < 2:
        return "".join(names)
    from ClusterShell.NodeSet import NodeSet

    folded = NodeSet()
    for name in names:
        folded.add(NodeSet(name))
    return str(folded)


def grouped(outputs: Mapping[NodeName, bytes]) -> Sequence[tuple[tuple[NodeName, ...], bytes]]:
    """Nodes with the same output together; the largest group first, ties by name."""
    groups: dict[bytes, list[NodeName]] = {}
    for name, output in outputs.items():
        groups.setdefault(output, []).append(name)
    found = [(tuple(names), output) for output, names in groups.items()]
    return sorted(found, key=lambda group: (-len(group[0]), group[0][0]))
