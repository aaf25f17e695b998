"""Tables: whole in a pipe, fitted to a terminal, harmless everywhere."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from phoenixctl.render.tables import pairs, styled, table
from tests.unit.render.writing import written

COLOR = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7])[0-9;]*m")


def two_rows(console: Console) -> None:
    table(console, ("NODE", "CPU", "WHY"), [["web-1", "5%", ""], ["b", "100%", "hot"]],
          right=frozenset({"CPU"}))  # fmt: skip


def test_columns_line_up_and_numbers_stand_on_the_right(monkeypatch) -> None:
    assert written(two_rows, monkeypatch) == (
        "NODE    CPU  WHY\n"
        "web-1    5%\n"
        "b      100%  hot\n"
    )  # fmt: skip


@pytest.mark.parametrize("length", [90, 500, 5000])
@pytest.mark.parametrize("column", [0, 2])
def test_in_a_pipe_nothing_is_cut_or_wrapped_and_no_line_ends_in_blanks(
    monkeypatch, column: int, length: int
) -> None:
    row = ["a", "b", "c"]
    row[column] = "long " * (length // 5)
    text = written(
        lambda console: table(console, ("ONE", "TWO", "THREE"), [row, ["x", "y", ""]]), monkeypatch
    )
    lines = text.splitlines()
    assert len(lines) == 3
    assert row[column].strip() in lines[1]
    assert [line for line in lines if line != line.rstrip()] == []


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def test_on_a_narrow_terminal_the_last_column_folds_below_itself(monkeypatch) -> None:
    text = written(
        lambda console: table(console, ("A", "B", "WHY"), [["x" * 9, "y" * 9, "because " * 9]]),
        monkeypatch,
        terminal=True,
        columns=50,
    )
    lines = plain(text)
    assert max(map(len, lines)) <= 50
    assert " ".join(lines).split().count("because") == 9
    assert {len(line) - len(line.lstrip()) for line in lines[2:]} == {22}


def test_on_a_narrow_terminal_less_important_columns_give_way_to_the_last(monkeypatch) -> None:
    def show(console: Console) -> None:
        table(console, ("A", "B", "C", "WHY"), [["a" * 9, "b" * 9, "c" * 9, "because"]],
              drop=("C", "B"))  # fmt: skip

    def columns_on(width: int) -> list[str]:
        return plain(written(show, monkeypatch, terminal=True, columns=width))[0].split()

    assert columns_on(80) == ["A", "B", "C", "WHY"]
    assert columns_on(45) == ["A", "B", "WHY"]
    assert columns_on(35) == ["A", "WHY"]
    assert plain(written(show, monkeypatch, columns=20))[0].split() == ["A", "B", "C", "WHY"]


@pytest.mark.parametrize("cell", ["\x1b[31mred", "a\nb", "\u202eabc", "[bold]x[/bold]", "\x85"])
def test_a_hostile_cell_keeps_to_its_row(monkeypatch, cell: str) -> None:
    for show in (
        lambda c: table(c, ("A", "B"), [[cell, "x"], ["y", styled(cell, "")]]),
        lambda c: pairs(c, [("name", cell), ("other", styled(cell, ""))]),
    ):
        text = written(show, monkeypatch)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert len(text.splitlines()) in (2, 3)
        assert "[bold]" in text or "bold" not in cell


def coloured(console: Console) -> None:
    table(console, ("A",), [[styled("bad", "red")]])


def test_a_terminal_gets_colour_and_a_pipe_gets_none(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert COLOR.search(written(coloured, monkeypatch, terminal=True))
    assert "\x1b" not in written(coloured, monkeypatch)


def test_no_color_is_honoured_by_variable_and_by_flag(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not COLOR.search(written(coloured, monkeypatch, terminal=True, color=False))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOR.search(written(coloured, monkeypatch, terminal=True))
