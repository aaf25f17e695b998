"""The pure parts of the provider `aws`; what it does with EC2 is in `tests/cloud`."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.errors import (
    AuthenticationFailed,
    OutcomeUnknown,
    PhoenixError,
    QuotaExceeded,
    Unreachable,
)
from phoenixctl.model.fleet import Pool
from phoenixctl.providers.aws.cooldown import Cooldowns
from phoenixctl.providers.aws.faults import Fault, fault_of, in_our_words, reason_fault
from phoenixctl.providers.aws.patience import Patience
from phoenixctl.providers.aws.tokens import Offer, ask_for, last_ask, offers
from phoenixctl.providers.aws.user_data import new_host_key, public_key_in, user_data
from tests.conformance.requests import request

SETTINGS = AwsPool(region="r", zones=(AwsZone("a"), AwsZone("b")), types=("big", "small"))
POOL = Pool("web", provider="aws", aws=SETTINGS)
words = st.text(max_size=6)


class Hand:
    """A clock that is moved by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def epoch(self) -> float:
        return self.now

    def utc(self) -> str:
        return ""


def refusal(code: str, status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "says EC2"}}
    return ClientError({**answer, "ResponseMetadata": {"HTTPStatusCode": status}}, "RunInstances")


# Tokens


@given(st.tuples(words, words, words, words, words, words, st.integers(1, 99)), st.integers(0, 6))
def test_a_token_is_another_when_any_part_of_it_is(parts, which):
    def token(lineage, operation, name, zone, kind, market, attempt):
        wanted = request(POOL, name, lineage=lineage, operation=operation)
        return ask_for(wanted, Offer(zone, kind, market), attempt, at=1.0).token

    changed = list(parts)
    changed[which] = 100 if which == 6 else parts[which] + "x"
    assert token(*parts) == token(*parts) != token(*changed)
    assert len(token(*parts)) == 64


def test_parts_of_a_token_do_not_run_into_each_other():
    one = ask_for(request(POOL, "a"), Offer("zone1", "x", "spot"), 1, at=1.0)
    other = ask_for(request(POOL, "a"), Offer("zone", "1x", "spot"), 1, at=1.0)
    assert one.token != other.token


def test_the_last_ask_is_read_from_notes_whatever_else_is_among_them():
    first, second = (
        ask_for(request(POOL, "web-1"), Offer("a", "big", "spot"), attempt, at=12.5)
        for attempt in (1, 2)
    )
    notes = (first.facts(), second.facts(), {"folder": "/x"}, {**first.facts(), "attempt": "x"})
    assert last_ask(notes) == second
    assert last_ask(({"folder": "/x"},)) is None
    assert last_ask(()) is None


def test_offers_come_by_market_then_zone_then_type():
    both = list(product(("a", "b"), ("big", "small")))
    on_demand = [Offer(zone, kind, "on-demand") for zone, kind in both]
    spot = [Offer(zone, kind, "spot") for zone, kind in both]
    assert list(offers(SETTINGS)) == on_demand
    wanted = AwsPool("r", SETTINGS.zones, SETTINGS.types, spot=True)
    assert list(offers(wanted)) == spot + on_demand
    only = AwsPool("r", SETTINGS.zones, SETTINGS.types, spot=True, on_demand_fallback=False)
    assert list(offers(only)) == spot


# Faults


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (refusal("InsufficientInstanceCapacity", 500), Fault.CAPACITY),
        (refusal("VcpuLimitExceeded"), Fault.QUOTA),
        (refusal("RequestLimitExceeded", 503), Fault.THROTTLED),
        (refusal("InternalError", 500), Fault.LOST),
        (refusal("NobodyKnows", 502), Fault.LOST),
        (refusal("InvalidAMIID.NotFound"), Fault.REFUSED),
        (NoCredentialsError(), Fault.DENIED),
        (EndpointConnectionError(endpoint_url="http://x"), Fault.UNSENT),
        (ConnectTimeoutError(endpoint_url="http://x"), Fault.UNSENT),
        (ReadTimeoutError(endpoint_url="http://x"), Fault.LOST),
        (ConnectionClosedError(endpoint_url="http://x"), Fault.LOST),
    ],
)
def test_errors_are_told_apart_by_class_and_code(error: Exception, fault: Fault):
    assert fault_of(error) is fault


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("Server.InsufficientInstanceCapacity", Fault.CAPACITY),
        ("Client.VolumeLimitExceeded", Fault.QUOTA),
        ("Client.UserInitiatedShutdown", Fault.REFUSED),
        ("", Fault.REFUSED),
    ],
)
def test_so_are_the_reasons_for_which_instances_end(code: str, fault: Fault):
    assert reason_fault(code) is fault


@pytest.mark.parametrize(
    ("error", "sure", "doubtful"),
    [
        (refusal("VcpuLimitExceeded"), QuotaExceeded, QuotaExceeded),
        (refusal("UnauthorizedOperation"), AuthenticationFailed, OutcomeUnknown),
        (ReadTimeoutError(endpoint_url="http://x"), Unreachable, OutcomeUnknown),
        (refusal("InvalidAMIID.NotFound"), PhoenixError, OutcomeUnknown),
    ],
)
def test_in_doubt_only_an_answer_to_the_doubt_counts(error, sure, doubtful):
    for in_doubt, expected in ((False, sure), (True, doubtful)):
        with (
            pytest.raises(PhoenixError, match="EC2 cannot") as raised,
            in_our_words("EC2 cannot", in_doubt=in_doubt),
        ):
            raise error
        assert type(raised.value) is expected


def test_what_is_not_of_boto3_goes_through_as_it_is():
    with pytest.raises(KeyError), in_our_words("EC2 cannot"):
        raise KeyError


def test_a_refusal_with_an_encoded_policy_is_cut():
    error = ClientError({"Error": {"Code": "Denied", "Message": "x" * 9000}}, "RunInstances")
    with pytest.raises(PhoenixError) as raised, in_our_words("EC2 cannot"):
        raise error
    assert len(raised.value.what) < 500


# Time


def test_pauses_grow_to_a_limit_and_the_last_look_is_when_the_time_is_over():
    clock, pauses = Hand(), []
    for pause in Patience(first=1.0, longest=4.0).pauses(clock, 30.0):
        pauses.append(pause)
        clock.now += pause
    assert pauses[-1] == 0.0
    assert sum(pauses) == pytest.approx(30.0)
    assert all(0.7 <= pause <= 1.3 for pause in pauses[:1])
    assert max(pauses) <= 4.0 * 1.3
    assert len(pauses) < 20


def test_without_time_there_is_one_look():
    assert list(Patience().pauses(Hand(), 0.0)) == [0.0]


def test_an_offer_cools_down_by_itself():
    clock = Hand()
    cooldowns, offer = Cooldowns(clock), Offer("a", "big", "spot")
    assert cooldowns.left(offer) == 0
    cooldowns.begin(offer, 300)
    clock.now += 100
    assert cooldowns.left(offer) == 200
    assert cooldowns.left(Offer("a", "big", "on-demand")) == 0
    clock.now += 300
    assert cooldowns.left(offer) == 0


# User-data


def test_the_public_key_is_read_back_from_user_data_and_from_nothing_else():
    key = new_host_key()
    text = user_data(SETTINGS, key)
    assert public_key_in(text) == key.public
    for other in ("", "#!/bin/sh\nid\n", "[]", "{}", '{"ssh_keys": {"ed25519_public": 7}}',
                  '{"ssh_keys": {"ed25519_public": "no key"}}'):  # fmt: skip
        assert public_key_in(other) is None


def test_a_private_key_is_in_no_repr():
    key = new_host_key()
    assert "PRIVATE" in key.private
    assert "PRIVATE" not in repr(key)


def test_openssh_takes_the_host_key(tmp_path: Path):
    key = new_host_key()
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(key.private)
    done = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, check=True)
    assert done.stdout.decode().split()[:2] == key.public.split()


def test_importing_the_provider_imports_no_boto3():
    script = (
        "import sys, phoenixctl.providers.aws.provider\n"
        "print({'boto3', 'botocore', 'cryptography'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"set()\n"
