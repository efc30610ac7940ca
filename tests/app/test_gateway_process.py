"""The gateway as a process: started, told to stop, told to read its settings again, killed."""

import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from process_world import FREEHOLD, SOON, Waiting, freehold, request, up

from freehold.core.inference import Accepted
from freehold.ledger.reader import read


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    return tmp_path / "freehold.toml"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def read_until(one: socket.socket, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        piece = one.recv(65536)
        assert piece, got
        got += piece
    return got


def rest(one: socket.socket) -> bytes:
    got = b""
    while piece := one.recv(65536):
        got += piece
    return got


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_start_text_ends_in_a_curl_line_that_works(settings: Path, data: Path) -> None:
    settings.write_text('[simulated.sim]\nreply = "Hello there"\n')
    with up(settings, data) as process:
        asked = subprocess.run(process.said[-1], shell=True, capture_output=True, text=True, check=True)
        process.signal(signal.SIGTERM)
        ended = process.end()

    assert '"Hello there"' in asked.stdout
    assert any("No key has been made" in line for line in process.said)
    assert ended == 0


def test_told_to_stop_it_finishes_what_runs_and_takes_nothing_new(settings: Path, data: Path) -> None:
    with Waiting() as provider:
        settings.write_text(provider.settings)
        with up(settings, data) as process, process.connect() as running, process.connect() as idle:
            running.sendall(request("slow", stream=True))
            begun = read_until(running, b'"one "')
            idle.sendall(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert b"200 OK" in read_until(idle, b"ready\n")
            # Two callers in the middle of a request: its beginning came with an earlier one, so that it was read.
            halves = {"ready": b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n", "chat": request("fast")}
            callers: dict[str, socket.socket] = {}
            for name, data_ in halves.items():
                caller = callers[name] = process.connect()
                caller.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n" + data_[:-1])
                read_until(caller, b"ok\n")

            process.signal(signal.SIGTERM)
            process.until("Stopping")
            assert rest(idle) == b""  # closed, and so is the door
            with pytest.raises(ConnectionRefusedError):
                process.connect()
            said: dict[str, bytes] = {}
            for name, caller in callers.items():
                with caller:
                    caller.sendall(halves[name][-1:])
                    said[name] = rest(caller)
            provider.go.set()
            end = begun + rest(running)
            ended = process.end()
        records = process.records()

    assert said["ready"].startswith(b"HTTP/1.1 503 ")
    assert said["ready"].endswith(b"shutting down\n")
    assert said["chat"].startswith(b"HTTP/1.1 503 ")
    assert b'"code":"shutting_down"' in said["chat"]
    assert b"x-should-retry: true" in said["chat"]
    assert all(b"connection: close" in answer for answer in said.values())
    assert b'"two"' in end
    assert end.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert ended == 0
    assert {r.outcome for r in records} == {"answered", "refused"}
    assert freehold("verify", "--data", str(data))["main"]["outcomes"] == {"answered": 1, "refused": 1}


def test_a_stream_that_does_not_end_is_cut_when_the_time_to_drain_is_over(settings: Path, data: Path) -> None:
    with Waiting() as provider:
        settings.write_text(provider.settings + "[server]\ndrain_seconds = 0.1\n")
        with up(settings, data) as process, process.connect() as running:
            running.sendall(request("slow", stream=True))
            read_until(running, b'"one "')
            process.signal(signal.SIGTERM)
            ended = process.end()
        (record,) = process.records()

    assert ended == 0
    assert record.outcome == "cancelled"
    assert record.cost


def test_new_settings_hold_without_dropping_a_stream_and_wrong_ones_change_nothing(settings: Path, data: Path) -> None:
    with Waiting() as provider:
        settings.write_text(provider.settings)
        with up(settings, data) as process, process.connect() as running:
            running.sendall(request("slow", stream=True))
            begun = read_until(running, b'"one "')
            assert process.post("fresh").status == 404

            settings.write_text(provider.settings + '[routes.fresh]\ndeployments = ["near"]\n')
            process.signal(signal.SIGHUP)
            process.until("loaded")
            assert process.post("fresh").status == 200

            settings.write_text(provider.settings + '[routes.fresh]\ndeploymnets = ["near"]\n')
            process.signal(signal.SIGHUP)
            told = process.until("deploymnets")
            assert process.post("fresh").status == 200

            provider.go.set()
            end = begun + read_until(running, b"[DONE]")
            process.signal(signal.SIGTERM)
            ended = process.end()
        records = process.records()

    assert any("Settings not changed" in line for line in told)
    assert "deployments" in told[-1]  # the nearest right name
    assert b'"two"' in end
    assert ended == 0
    assert [r.outcome for r in records] == ["refused", "answered", "answered", "answered"]
    assert (
        records[1].settings == records[2].settings != records[3].settings
    )  # the stream's world is the one it began in
    assert records[0].settings == records[3].settings


def test_killed_in_the_middle_of_many_requests_it_has_a_record_of_each(settings: Path, data: Path) -> None:
    with Waiting() as provider:
        settings.write_text(provider.settings)
        with up(settings, data) as process, ThreadPoolExecutor(8) as pool:
            running = [process.connect() for _ in range(20)]
            for one in running:
                one.sendall(request("slow", stream=True))
            for one in running:
                read_until(one, b'"one "')
            answered = [a.headers["x-freehold-inference"] for a in pool.map(lambda _: process.post("fast"), range(40))]
            process.signal(signal.SIGKILL)
            assert process.end() == -signal.SIGKILL
        for one in running:
            one.close()
        accepted = {e.id for _, e in read(data / "ledger" / "main") if isinstance(e, Accepted)}
        assert len(accepted) == 60
        assert set(answered) <= accepted

        with up(settings, data) as again:
            assert again.post("fast").status == 200
            again.signal(signal.SIGTERM)
            assert again.end() == 0
        outcomes = {r.id: r.outcome for r in again.records()}

    assert any("Recovered: " in line and "closed 20 inferences as unknown" in line for line in again.said)
    assert accepted <= outcomes.keys()
    assert {outcomes[id_] for id_ in answered} == {"answered"}
    assert {outcomes[id_] for id_ in accepted - set(answered)} == {"unknown"}
    verified = freehold("verify", "--data", str(data))["main"]
    assert verified["outcomes"] == {"answered": 41, "unknown": 20}
    assert verified["findings"] == []
    listed = freehold("inferences", "list", "--data", str(data), "--limit", "100")
    assert len(listed) == 61


def test_a_second_process_on_the_same_data_is_refused_and_the_first_goes_on(settings: Path, data: Path) -> None:
    settings.write_text('[simulated.sim]\nreply = "Hello there"\n')
    with up(settings, data) as process:
        second = subprocess.run(
            [*FREEHOLD, "up", "--port", "0", "--settings", str(settings), "--data", str(data)],
            capture_output=True,
            text=True,
            check=False,
            timeout=SOON,
        )
        assert process.post("auto").status == 200
        process.signal(signal.SIGTERM)
        assert process.end() == 0

    assert second.returncode == 1
    assert f"in use by process {process.running.pid}" in second.stderr
    assert str(data) in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_named(settings: Path, data: Path) -> None:
    settings.write_text('[simulated.sim]\nreply = "Hello there"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = subprocess.run(
            [*FREEHOLD, "up", "--port", str(port), "--settings", str(settings), "--data", str(data)],
            capture_output=True,
            text=True,
            check=False,
            timeout=SOON,
        )

    assert second.returncode == 1
    assert f"127.0.0.1:{port}" in second.stderr
    assert "Traceback" not in second.stderr
