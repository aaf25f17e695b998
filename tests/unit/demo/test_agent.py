"""The reference agent keeps the whole contract, as a real process."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from phoenixctl.demo.agent import listening_at
from phoenixctl.demo.http_server import BODY_LIMIT
from phoenixctl.demo.load import run_load
from phoenixctl.model.hooks import MetricNames
from tests.unit.demo.running import Running, agent, command, environment


def samples(running: Running) -> dict[str, float]:
    status, text, _ = running.ask_raw("GET", "/metrics")
    assert status == 200
    families = text_string_to_metric_families(text.decode())
    return {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if not sample.labels
    }


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """The content of each file, and when it was written last."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


async def test_what_was_acknowledged_survives_sigkill(tmp_path: Path):
    with agent(tmp_path, "--work-ms", "1") as first:
        threading.Timer(0.6, first.kill).start()
        report = await run_load([first.url], 400, seconds=1)
    assert report.acknowledged > 50
    assert report.failed > 0
    with agent(tmp_path) as second:
        assert report.acknowledged <= await asyncio.to_thread(second.count) <= report.sent


def test_the_counter_goes_on_where_it_was(tmp_path: Path):
    with agent(tmp_path) as first:
        assert [first.ask("POST", "/messages")[1]["sequence"] for _ in range(3)] == [1, 2, 3]
        first.kill()
    with agent(tmp_path) as second:
        status, reply = second.ask("POST", "/messages")
        assert (status, reply) == (200, {"agent": "counter-0", "sequence": 4})


def test_a_draining_agent_finishes_what_it_has_and_takes_no_more(tmp_path: Path):
    with agent(tmp_path, "--work-ms", "500") as running:
        answers: list[int] = []
        slow = threading.Thread(target=lambda: answers.append(running.ask("POST", "/messages")[0]))
        slow.start()
        _wait_for(lambda: running.ask("GET", "/drained")[1]["in_flight"] == 1)
        assert running.ask("GET", "/drained")[0] == 503
        assert running.ask("POST", "/drain") == (200, {"in_flight": 1})
        assert running.ask("GET", "/drained") == (503, {"in_flight": 1})
        assert running.ask("GET", "/ready")[0] == 503
        status, _, headers = running.ask_raw("POST", "/messages")
        assert (status, headers["connection"]) == (503, "close")
        slow.join()
        assert answers == [200]
        assert running.ask("GET", "/drained") == (200, {"in_flight": 0})
        assert running.count() == 1
        assert running.ask("POST", "/activate")[0] == 200
        assert running.ask("POST", "/messages")[0] == 200


def test_a_checkpoint_carries_the_counter_to_another_place(tmp_path: Path):
    with agent(tmp_path / "a", CHECKPOINT_DIR=str(tmp_path / "kept")) as first:
        for _ in range(5):
            first.ask("POST", "/messages")
        status, made = first.ask("POST", "/checkpoint")
    assert (status, made["counter"]) == (200, 5)
    restore = {"RESTORE_FROM": str(tmp_path / "kept" / made["name"])}
    with agent(tmp_path / "b", **restore) as second:
        assert second.count() == 5
        second.ask("POST", "/messages")
        second.kill()
    # Started again with the same environment: the checkpoint must not set it back.
    with agent(tmp_path / "b", **restore) as third:
        assert third.count() == 6


def test_of_a_folder_of_checkpoints_the_latest_is_restored(tmp_path: Path):
    with agent(tmp_path / "a", CHECKPOINT_DIR=str(tmp_path / "kept")) as first:
        for _ in range(11):
            first.ask("POST", "/messages")
            first.ask("POST", "/checkpoint")
    with agent(tmp_path / "b", RESTORE_FROM=str(tmp_path / "kept")) as second:
        assert second.count() == 11


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"agent": "counter-0", "counter": 7, "checksum": "00000000"}', "checksum"),
        (b"{", "cannot read"),
        (None, "cannot read"),
    ],
)
def test_a_damaged_checkpoint_is_never_taken_for_an_empty_one(tmp_path: Path, content, reason):
    checkpoint = tmp_path / "checkpoint-1.json"
    if content is not None:
        checkpoint.write_bytes(content)
    done = _start_in_vain(tmp_path / "state", RESTORE_FROM=str(checkpoint))
    assert (done.returncode, reason in done.stderr) == (1, True)


def test_two_processes_never_share_a_state(tmp_path: Path):
    with agent(tmp_path):
        done = _start_in_vain(tmp_path)
    assert (done.returncode, "another process" in done.stderr) == (1, True)


def test_without_its_place_an_agent_says_what_is_missing(tmp_path: Path):
    done = _start_in_vain(tmp_path, PORT="")
    assert done.stderr == "cannot start: not in the environment: PHOENIX_PORT\n"


def test_a_standby_takes_messages_only_once_it_is_activated(tmp_path: Path):
    with agent(tmp_path, ROLE="standby", EPOCH="3") as running:
        assert running.ask("GET", "/ready") == (503, {"phase": "standby"})
        assert running.ask("GET", "/prepared") == (200, {"phase": "standby"})
        assert running.ask("POST", "/messages")[0] == 503
        assert running.ask("POST", "/activate")[0] == 200
        assert running.ask("GET", "/ready") == (200, {"phase": "active"})
        assert running.ask("GET", "/prepared")[0] == 200
        assert running.ask("POST", "/messages")[0] == 200
        assert running.ask("POST", "/activate")[0] == 200
        found = {"agent": "counter-0", "epoch": 3, "count": 1, "phase": "active"}
        assert running.ask("GET", "/count") == (200, found)


def test_a_standby_leaves_its_state_alone_and_begins_with_what_was_copied_there(tmp_path: Path):
    with agent(tmp_path / "a") as source, agent(tmp_path / "b", ROLE="standby") as target:
        source.ask("POST", "/messages")
        shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)
        assert target.ask("GET", "/count")[1]["count"] is None
        assert target.ask("POST", "/checkpoint")[0] == 503
        assert source.ask("POST", "/messages")[1]["sequence"] == 2
        source.ask("POST", "/drain")
        assert source.ask("GET", "/drained")[0] == 200
        before = files(tmp_path / "a")
        shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)
        assert target.ask("GET", "/drained")[0] == 200
        assert files(tmp_path / "b") == before
        assert target.ask("POST", "/activate")[0] == 200
        assert target.ask("POST", "/messages")[1]["sequence"] == 3
        assert files(tmp_path / "a") == before


def test_a_standby_that_is_killed_and_started_active_goes_on_from_the_copy(tmp_path: Path):
    with agent(tmp_path / "a") as source, agent(tmp_path / "b", ROLE="standby") as target:
        source.ask("POST", "/messages")
        target.kill()
        assert not (tmp_path / "b").exists()
        source.ask("POST", "/drain")
        assert source.ask("GET", "/drained")[0] == 200
        shutil.copytree(tmp_path / "a", tmp_path / "b")
    with agent(tmp_path / "b", ROLE="active") as again:
        assert again.ask("POST", "/messages")[1]["sequence"] == 2


def test_a_standby_with_an_unusable_state_says_so_and_can_be_activated_later(tmp_path: Path):
    with agent(tmp_path) as source, agent(tmp_path, ROLE="standby") as target:
        source.ask("POST", "/messages")
        status, answer = target.ask("POST", "/activate")
        assert (status, "another process" in answer["error"]) == (503, True)
        assert target.ask("POST", "/messages")[0] == 503
        source.kill()
        assert target.ask("POST", "/activate")[0] == 200
        assert target.ask("POST", "/messages")[1]["sequence"] == 2


def test_a_drained_state_is_one_line_and_nothing_changes_it(tmp_path: Path):
    with agent(tmp_path) as running:
        for _ in range(3):
            running.ask("POST", "/messages")
        running.ask("POST", "/drain")
        assert running.ask("GET", "/drained")[0] == 200
        before = files(tmp_path)
        assert before["counter"][0].split(b" ")[0] == b"3"
        assert before["counter"][0].count(b"\n") == 1
        assert running.ask("POST", "/messages")[0] == 503
        assert running.ask("GET", "/drained")[0] == 200
        assert files(tmp_path) == before


def test_an_agent_listens_where_it_is_told_that_others_reach_it(tmp_path: Path):
    assert listening_at(None, "127.0.0.1") == ("127.0.0.1",)
    assert listening_at("127.8.7.6", "127.0.0.1") == ("127.8.7.6",)
    assert listening_at("127.8.7.6", "0.0.0.0") == ("127.8.7.6",)
    assert listening_at("10.1.0.7", "127.0.0.1") == ("10.1.0.7", "127.0.0.1")
    assert listening_at("worker.example", "127.0.0.1") == ("worker.example", "127.0.0.1")
    assert listening_at("10.1.0.7", "0.0.0.0") == ("0.0.0.0",)
    done = _start_in_vain(tmp_path, ADDRESS="192.0.2.1")
    assert (done.returncode, done.stderr.startswith("cannot start: ")) == (1, True)


def test_term_lets_the_agent_finish_its_messages(tmp_path: Path):
    with agent(tmp_path, "--work-ms", "300") as running:
        answers: list[int] = []
        slow = threading.Thread(target=lambda: answers.append(running.ask("POST", "/messages")[0]))
        slow.start()
        _wait_for(lambda: running.ask("GET", "/drained")[1]["in_flight"] == 1)
        assert running.end() == 0
        slow.join()
    assert answers == [200]


def test_term_waits_no_longer_than_its_grace(tmp_path: Path):
    with agent(tmp_path, "--work-ms", "60000", "--grace-seconds", "0.2") as running:
        hanging = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        hanging.request("POST", "/messages")
        _wait_for(lambda: running.ask("GET", "/drained")[1]["in_flight"] == 1)
        assert running.end() == 0
        hanging.close()


def test_reload_takes_a_new_configuration_and_keeps_the_old_one_for_an_unusable_file(tmp_path):
    config = tmp_path / "agent.json"
    config.write_text('{"work_ms": 1}')
    with agent(tmp_path / "state", "--config", str(config)) as running:
        config.write_text('{"work_ms": 7, "batch": 3}')
        assert running.ask("POST", "/reload") == (200, {"work_ms": 7.0, "batch": 3})
        for unusable in ("{", "[]", '{"works_ms": 1}', '{"batch": 0}', '{"work_ms": "x"}'):
            config.write_text(unusable)
            assert running.ask("POST", "/reload")[0] == 400
        config.write_text('{"work_ms": 300}')
        running.process.send_signal(signal.SIGHUP)
        _wait_for(lambda: _seconds(lambda: running.ask("POST", "/messages")) > 0.3)


def test_metrics_bear_the_names_that_a_spec_expects_by_default(tmp_path: Path):
    names = MetricNames()
    with agent(tmp_path, "--work-ms", "0") as running:
        for _ in range(4):
            running.ask("POST", "/messages")
        found = samples(running)
    assert found[names.throughput] == 4
    assert found[names.errors] == 0
    assert found[names.queue_length] == 0
    assert found[f"{names.response_time}_count"] == 4
    assert 0 < found[f"{names.response_time}_sum"] < 4
    assert abs(found["process_start_time_seconds"] - time.time()) < 60


def test_an_injected_fault_makes_messages_slow_and_fail_and_passes(tmp_path: Path):
    with agent(tmp_path, "--work-ms", "0") as running:
        fault = {"delay_ms": 60, "error_ratio": 0.5, "for_seconds": 1.0}
        assert running.ask("POST", "/fault", json.dumps(fault).encode())[0] == 200
        statuses = [running.ask("POST", "/messages")[0] for _ in range(6)]
        assert statuses == [200, 500] * 3
        found = samples(running)
        assert found["phoenix_response_seconds_sum"] >= 3 * 0.06
        assert (found["phoenix_errors_total"], running.count()) == (3, 3)
        time.sleep(1)
        assert [running.ask("POST", "/messages")[0] for _ in range(4)] == [200] * 4
        assert running.ask("POST", "/fault", b'{"error_ratio": 2, "for_seconds": 1}')[0] == 400
        assert running.ask("POST", "/fault", b"[]")[0] == 400


def test_busy_workers_are_the_utilization(tmp_path: Path):
    with agent(tmp_path, "--work-ms", "1500", "--parallel", "2") as running:
        assert samples(running)["phoenix_utilization"] == 0
        thread = threading.Thread(target=running.ask, args=("POST", "/messages"))
        thread.start()
        # One of two, averaged over seconds: towards a half.
        _wait_for(lambda: samples(running)["phoenix_utilization"] > 0.05)
        thread.join()
        assert samples(running)["phoenix_utilization"] <= 0.5


def test_waiting_messages_are_the_queue(tmp_path: Path):
    with agent(tmp_path, "--work-ms", "400", "--parallel", "2") as running:
        threads = [
            threading.Thread(target=running.ask, args=("POST", "/messages")) for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        _wait_for(lambda: samples(running)["phoenix_queue_length"] == 3)
        for thread in threads:
            thread.join()
        assert samples(running)["phoenix_queue_length"] == 0


def test_a_connection_is_used_again_and_nonsense_ends_it(tmp_path: Path):
    with agent(tmp_path, "--work-ms", "0") as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as client:
            message = b"POST /messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
            client.sendall(message + message)  # the second one does not wait for an answer
            received = b""
            while received.count(b'"sequence"') < 2:
                received += client.recv(4096)
            client.sendall(b"nonsense\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 400")
            assert client.recv(4096) == b""
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as client:
            client.sendall(b"POST /messages HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n")
            client.sendall(b"x" * (BODY_LIMIT + 1))
            assert client.recv(4096).startswith(b"HTTP/1.1 413")
        assert running.ask("GET", "/nowhere")[0] == 404
        assert running.ask("GET", "/messages")[0] == 405


def test_an_agent_is_small(tmp_path: Path):
    with agent(tmp_path) as running:
        for _ in range(20):
            running.ask("POST", "/messages")
        assert psutil.Process(running.process.pid).memory_info().rss < 35 * 1024**2


def _start_in_vain(state: Path, **contract: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(),
        env=environment(state, **contract),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def _seconds(action) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
