"""Unit files and environment files, as text; real systemd reads them in tests/hosts."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import Agent, AgentSpec, Resources, SecretRef
from phoenixctl.model.hooks import HttpHook
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.units import Bytes
from phoenixctl.remote.agents import spec_digest, start_command, stop_command
from phoenixctl.remote.environment import environment_text
from phoenixctl.remote.units import quote_exec, signal_name, unit_text
from tests.unit.remote.machine import NODE, SHELLS

SPEC = AgentSpec(
    "ingest",
    ("ingest", "--rate", "50%", "$HOME", 'say "hi"\n'),
    port=9000,
    resources=Resources(cpu=1.5, memory=Bytes(256 * 1024**2)),
    open_files=4096,
    user="ann",
    stop_signal="SIGINT",
    grace_seconds=2.5,
)
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
EVIL = TEXT | st.sampled_from(["", ";", "%n", "$$", "${X}", "a\\", '"', "'", "-", "é", "\x1b", "@"])


def test_a_whole_unit():
    assert unit_text(Agent(SPEC, 3), "demo") == (
        """\
# Written by phoenixctl; `phoenixctl agents start ingest-3` writes it again.
[Unit]
Description=phoenixctl agent ingest-3 of fleet demo
After=network.target
StartLimitIntervalSec=60
StartLimitBurst=10

[Install]
WantedBy=multi-user.target

[Service]
Type=simple
ExecStart=/bin/sh -c "exec \\"$$@\\"" sh "ingest" "--rate" "50%%" "$$HOME" "say \\"hi\\"\\x0a"
SyslogIdentifier=ingest-3
Restart=on-failure
RestartSec=1
KillMode=mixed
KillSignal=SIGINT
TimeoutStopSec=2500ms
UMask=0077
CPUQuota=150%
MemoryMax=268435456
LimitNOFILE=4096
User=ann
"""
    )


def test_what_is_not_asked_for_is_not_limited():
    text = unit_text(Agent(AgentSpec("a", ("true",), restart=False), 0), "demo")
    assert "Restart=no\n" in text
    assert not re.search("CPUQuota|MemoryMax|LimitNOFILE|User", text)


@given(EVIL)
def test_systemd_gives_the_program_exactly_the_argument(argument):
    assert as_systemd_reads(quote_exec(argument)) == argument


def as_systemd_reads(word: str) -> str:
    """systemd.syntax(7) for a quoted word, then specifiers, then variables, in its own order."""
    assert word[0] == word[-1] == '"'
    assert "\n" not in word
    assert not re.search(r'(?<!\\)(\\\\)*"', word[1:-1])
    unquoted = re.sub(
        r"\\(x[0-9a-f]{2}|.)",
        lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else {"\\": "\\", '"': '"'}[m[1]],
        word[1:-1],
    )
    for sign in "%$":
        assert not re.search(rf"(?<!\{sign})(\{sign}\{sign})*\{sign}(?!\{sign})", unquoted)
        unquoted = unquoted.replace(sign * 2, sign)
    return unquoted


def test_an_argument_that_no_unit_file_can_hold_is_refused():
    with pytest.raises(ValueError, match="not UTF-8"):
        quote_exec("\udcff")


@pytest.mark.parametrize("name", ["-x", ""])
def test_a_program_that_exec_would_take_for_an_option_is_refused(name):
    with pytest.raises(ValueError, match="not a program's name"):
        unit_text(Agent(AgentSpec("a", (name,)), 0), "demo")


@pytest.mark.parametrize(
    ("given_as", "name"), [("TERM", "TERM"), ("SIGUSR1", "USR1"), ("hup", "HUP")]
)
def test_signals_may_be_written_in_two_ways(given_as, name):
    assert signal_name(given_as) == name


@pytest.mark.parametrize("text", ["", "9", "TERM; reboot", "TERM\nX=1", "-1"])
def test_what_is_not_a_signal_is_refused(text):
    with pytest.raises(ValueError, match="not a signal"):
        signal_name(text)
    with pytest.raises(ValueError, match="not a signal"):
        stop_command(AgentId("a-0"), NODE, "demo", stop_signal=text, grace_seconds=1)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[A-Z_]{3}[A-Za-z0-9_]{2,8}", fullmatch=True), EVIL, max_size=5)
)
def test_a_shell_reads_from_the_file_what_was_written(shell, variables):
    try:
        text = environment_text(variables)
    except ValueError:
        return  # not characters, tested below
    program = [shutil.which(shell), *(["sh"] if shell == "busybox" else [])]
    script = 'eval "$(cat)"; for name; do eval "printf \'%s\\0\' \\"\\${$name}\\""; done'
    done = subprocess.run(
        [*program, "-c", script, "sh", *variables],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    assert done.stdout.decode().split("\0")[:-1] == list(variables.values())


@pytest.mark.parametrize("value", ["a\0b", "\udcff", "\ufdd0", "\U0001ffff"])
def test_a_value_that_is_no_text_is_refused_without_being_shown(value):
    with pytest.raises(ValueError, match="the value of TOKEN") as refusal:
        environment_text({"TOKEN": f"hush{value}"})
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "A\nB", "UID", "IFS", "é"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="cannot be the name"):
        environment_text({name: "x"})


def test_the_contracts_own_variables_cannot_be_set_by_a_spec():
    agent = Agent(replace(SPEC, env={"PHOENIX_ROLE": "boss"}), 0)
    with pytest.raises(ValueError, match="PHOENIX_ROLE is set by phoenixctl itself"):
        start_command(agent, NODE, "demo", env={}, secrets={}, epoch=1)


def test_the_contract_with_an_agent_is_in_its_environment():
    command = start_command(
        Agent(SPEC, 2), NODE, "demo", env={}, secrets={}, epoch=7, role="standby", restore_from="/c"
    )
    for line in (
        b'PHOENIX_AGENT="ingest-2"', b'PHOENIX_EPOCH="7"', b'PHOENIX_ROLE="standby"',
        b'PHOENIX_PORT="9002"', b'PHOENIX_RESTORE_FROM="/c"',
    ):  # fmt: skip
        assert line in command.stdin


def test_an_agent_is_told_the_address_at_which_others_reach_it():
    told = replace(NODE, agent_address="127.9.8.7")
    here, there = (
        start_command(Agent(SPEC, 2), node, "demo", env={}, secrets={}, epoch=1).stdin or b""
        for node in (NODE, told)
    )
    assert b"PHOENIX_ADDRESS" not in here
    assert b'PHOENIX_ADDRESS="127.9.8.7"' in there
    digests = [b"wanted_digest=" + spec_digest(SPEC).encode() in text for text in (here, there)]
    assert digests == [True, True]


def test_the_digest_is_of_what_a_process_is_started_with():
    same = replace(
        SPEC,
        replicas=9,
        pools=("x",),
        nodes=(NodeName("n"),),
        labels={"a": "b"},
        checkpoint=HttpHook("/c"),
    )
    assert spec_digest(same) == spec_digest(SPEC)
    others = [
        replace(SPEC, command=("other",)),
        replace(SPEC, env={"A": "1"}),
        replace(SPEC, secrets={"A": SecretRef("env", "A")}),
        replace(SPEC, secrets={"A": SecretRef("file", "A")}),
        replace(SPEC, port=1),
        replace(SPEC, resources=Resources(cpu=2)),
        replace(SPEC, open_files=1),
        replace(SPEC, stop_signal="TERM"),
        replace(SPEC, restart=False),
    ]
    assert len({spec_digest(spec) for spec in [SPEC, *others]}) == 10
    assert re.fullmatch("[0-9a-f]{12}", spec_digest(SPEC))


def test_the_order_of_variables_does_not_change_the_digest():
    one, two = replace(SPEC, env={"A": "1", "B": "2"}), replace(SPEC, env={"B": "2", "A": "1"})
    assert spec_digest(one) == spec_digest(two)
