"""Outputs of many nodes, folded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.names import NodeName
from phoenixctl.render.gather import fold, grouped


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([], ""),
        (["web-1"], "web-1"),
        (["web-1", "web-2", "web-3", "db"], "db,web-[1-3]"),
        (["web01", "web02", "web10"], "web[01-02,10]"),
        (["a", "b"], "a,b"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.[1-2]"),
    ],
)
def test_many_names_are_written_as_people_write_them(names: list[str], folded: str) -> None:
    assert fold(map(NodeName, names)) == folded


@settings(max_examples=30)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}-[0-9]{1,2}", fullmatch=True),
                       st.sampled_from([b"", b"a\n", b"b\n"]), max_size=8))  # fmt: skip
def test_every_output_is_shown_once_under_all_that_gave_it(outputs: dict[str, bytes]) -> None:
    groups = grouped({NodeName(name): output for name, output in outputs.items()})
    assert {name: output for names, output in groups for name in names} == outputs
    assert len({output for _, output in groups}) == len(groups)
    sizes = [len(names) for names, _ in groups]
    assert sizes == sorted(sizes, reverse=True)


@settings(max_examples=30)
@given(st.sets(st.from_regex(r"[a-z]{1,3}[0-9]{0,3}(\.[a-z]{1,2})?", fullmatch=True), max_size=9))
def test_folded_names_unfold_to_the_same_names(names: set[str]) -> None:
    from ClusterShell.NodeSet import NodeSet

    assert set(NodeSet(fold(map(NodeName, sorted(names))))) == names
