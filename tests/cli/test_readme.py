"""README.md and CONTRIBUTING.md tell the truth."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest
import typer

from phoenixctl.cli.app import COMMANDS, app
from phoenixctl.model.errors import ExitCode
from tests.cli.readme import PICTURE, README, ROOT, alike, differences, examples, stage

TEXT = README.read_text()
PAGES = (README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")


@pytest.mark.timeout(240)
def test_every_example_prints_what_readme_shows(tmp_path: Path):
    with stage(tmp_path / "ada") as on:
        wrong = list(differences(TEXT, on))
    assert not wrong, "\n\n".join(wrong)


def test_most_blocks_that_run_phoenixctl_are_played():
    played = sum(e.command.startswith("phoenixctl") for e in examples(TEXT))
    assert played >= 20
    assert played == len(re.findall(r"^\$ phoenixctl", TEXT, re.MULTILINE))


def test_every_command_has_a_line_in_the_reference():
    listed = re.findall(r"^\| `([a-z]+(?: [a-z-]+)?)[ `]", _section("### Commands"), re.MULTILINE)
    assert sorted(listed) == sorted(_commands())


def _commands() -> list[str]:
    tree = typer.main.get_command(app)
    found = []
    for name, entry in COMMANDS.items():
        below = getattr(tree.get_command(None, name), "commands", {})
        found += [f"{name} {sub}" for sub in below] if entry.group else [name]
    return found


def test_every_exit_code_is_explained():
    listed = re.findall(r"^\| (\d+) \|", _section("### Exit codes"), re.MULTILINE)
    assert [int(code) for code in listed] == [code.value for code in ExitCode]


def test_every_variable_of_the_contract_is_explained():
    remote = ROOT / "phoenixctl" / "remote"
    named = set(chain.from_iterable(
        re.findall(r"PHOENIX_[A-Z]+(?:_[A-Z]+)*", path.read_text()) for path in remote.glob("*.py")
    ))  # fmt: skip
    listed = re.findall(r"^\| `(PHOENIX_[A-Z_]+)` \|", TEXT, re.MULTILINE)
    assert sorted(listed) == sorted(name for name in named if name != "PHOENIX_")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path):
    text = page.read_text()
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    anchors = {_anchor(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in anchors
        elif "://" not in target:
            assert (page.parent / target).exists(), target


def test_files_that_contributing_names_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:phoenixctl|tests|config)/[\w./-]+)`", text)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_picture_is_small_and_fetches_nothing():
    picture = PICTURE.read_text()
    assert len(picture) < 80_000
    assert "counter-7" in picture
    assert "url(http" not in picture


def _section(title: str) -> str:
    _, _, rest = TEXT.partition(f"\n{title}\n")
    return re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


DOCUMENTED = (
    "fleet is degraded: 4 of 4 nodes answer",
    "NODE    STATE  CPU     P95  NET  AGE    WHY",
    "demo-2  slow   58%   243ms  ?    288ms  cordoned by ada@laptop: disk",
)


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        (DOCUMENTED, True),
        ((*DOCUMENTED[:2], "demo-11 slow 100% 1.5s 3% 1m20s cordoned by x@y.example: disk"), True),
        ((*DOCUMENTED[:2], "demo-2 ok 58% 243ms ? 288ms cordoned by ada@laptop: disk"), False),
        ((*DOCUMENTED[:2], "demo-2 slow 58% 243ms 288ms cordoned by ada@laptop: disk"), False),
        ((DOCUMENTED[0], "NODE    STATE  CPU     P95  AGE    WHY", DOCUMENTED[2]), False),
        (DOCUMENTED[:2], False),
        ((*DOCUMENTED, "more"), False),
    ],
)  # fmt: skip
def test_only_numbers_and_names_may_differ(printed, same):
    assert alike(DOCUMENTED, printed) is same


def test_left_out_lines_may_be_any():
    assert alike(("a", "…", "z"), ("a", "b", "c", "z"))
    assert alike(("a", "…"), ("a",))
    assert not alike(("a", "…", "z"), ("a", "b"))
