"""Hostile text becomes harmless, and stays readable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.render.neutral import neutralise, one_line

DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def dangerous(text: str) -> list[str]:
    return [
        character
        for character in text
        if (unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} and character not in "\n\t")
        or unicodedata.bidirectional(character) in DIRECTIONS
    ]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        pytest.param(b"\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred", id="escape sequences"),
        pytest.param(b"\x1b]52;c;cm0gLXJm\x07", r"\x1b]52;c;cm0gLXJm\x07", id="OSC 52 clipboard"),
        pytest.param(b"\x1bP$q\x1b\\", r"\x1bP$q\x1b" + "\\", id="DCS"),
        pytest.param("\x9b31m\x9d52;".encode(), r"\x9b31m\x9d52;", id="C1 as UTF-8"),
        pytest.param(b"\x9b31m", r"\x9b31m", id="C1 as a byte"),
        pytest.param(b"a\x00b\x07\x08\x7f", r"a\x00b\x07\x08\x7f", id="NUL, bell, backspace, DEL"),
        pytest.param("admin\u202etxt.exe", r"admin\u202etxt.exe", id="right to left override"),
        pytest.param("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f", id="isolates and marks"),
        pytest.param("a\u200bb\ufeffc\u00adn", r"a\u200bb\ufeffc\xadn", id="invisible"),
        pytest.param("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d", id="other line ends"),
        pytest.param("\U000e0041", r"\U000e0041", id="tag characters"),
        pytest.param(b"caf\xe9 \xff\xfe", r"caf\xe9 \xff\xfe", id="not UTF-8"),
        pytest.param(b"\xed\xa0\x80", r"\xed\xa0\x80", id="a surrogate in UTF-8"),
        pytest.param("\udce9", r"\udce9", id="a lone surrogate"),
        pytest.param(b"progress\rdone\r\n", r"progress\x0ddone" + "\n", id="carriage return"),
        pytest.param("naïve 日本 é 🦅\t.\n", "naïve 日本 é 🦅\t.\n", id="ordinary text"),
        pytest.param("[red]not markup[/red] :bomb:", "[red]not markup[/red] :bomb:", id="markup"),
    ],
)
def test_what_would_control_a_terminal_is_shown_instead(hostile: str | bytes, shown: str) -> None:
    assert neutralise(hostile) == shown


@given(st.one_of(st.text(), st.binary(), st.text(st.characters(categories=["C", "Z"]))))
def test_no_control_character_but_tab_and_line_feed_ever_comes_out(text: str | bytes) -> None:
    assert dangerous(neutralise(text)) == []


@given(st.one_of(st.text(), st.binary()))
def test_one_line_is_one_line(text: str | bytes) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert dangerous(line) == []
    assert "\t" not in line


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]) | st.sampled_from("\n\t")))
def test_text_without_controls_comes_out_as_it_is(text: str) -> None:
    assert neutralise(text) == text


@given(st.text())
def test_neutralising_twice_changes_nothing_more(text: str) -> None:
    assert neutralise(neutralise(text)) == neutralise(text)
