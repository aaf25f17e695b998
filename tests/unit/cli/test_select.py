import pytest

from phoenixctl.cli.select import choose_nodes
from phoenixctl.model.errors import UsageError
from tests.builders import fleet, node

FLEET = fleet(*(node(f"web{n}") for n in range(1, 5)))


@pytest.mark.parametrize("text", ["web[1-99999999]", "web[1-999][1-999]&web1", "web1!w[1-9999999]"])
def test_a_set_of_too_many_names_is_refused_before_it_is_written_out(text: str) -> None:
    with pytest.raises(UsageError, match="stands for more than 100000 names"):
        choose_nodes(FLEET, [text])


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("web[1-4]!web2", ("web1", "web3", "web4")),
        ("web[1-3]&web[2-4]", ("web2", "web3")),
        ("web[4,1]", ("web1", "web4")),
    ],
)
def test_sets_are_added_and_taken_away(text: str, chosen: tuple[str, ...]) -> None:
    assert choose_nodes(FLEET, [text]) == chosen


@pytest.mark.parametrize("text", ["web[1-", "web[4-1]", "web[1-4],!web2"])
def test_what_is_no_set_is_an_error_of_use(text: str) -> None:
    with pytest.raises(UsageError):
        choose_nodes(FLEET, [text])
