"""What the embedded stack starts ends with it, and a failed step shows the end of its log."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local.emulator import ROOT
from infra.local.processes import (
    POLL_SECONDS,
    StackError,
    free_port,
    is_listening,
    run,
    start,
    stop,
    wait_for_silence,
    wait_until,
)

SERVE = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
START_AND_SLEEP = """
import sys, time
from pathlib import Path
from infra.local.processes import start
start(sys.argv[1:], Path("child.log"), {}, Path.cwd())
time.sleep(60)
"""
TIMEOUT_SECONDS = 10


def wait_for_listener(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_listening(port):
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)


def test_process_is_gone_after_stop(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "child.log"
    process = start([sys.executable, "-c", SERVE, str(port)], log, {}, tmp_path)
    wait_until(lambda: is_listening(port), process, log, "the child", TIMEOUT_SECONDS)

    stop(process)

    assert not is_listening(port)


def test_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", START_AND_SLEEP, sys.executable, "-c", SERVE, str(port)]
    parent = subprocess.Popen(  # noqa: S603 - its own script
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    wait_for_listener(port)

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    wait_for_silence([port])


def test_failed_command_shows_the_end_of_its_log(tmp_path: Path) -> None:
    script = "import sys; print('what went wrong'); sys.exit(3)"

    with pytest.raises(StackError, match=r"a step failed \(exit code 3\)[^\0]+what went wrong"):
        run("a step", [sys.executable, "-c", script], tmp_path / "log", {}, tmp_path, print)


def test_server_that_ends_at_its_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start([sys.executable, "-c", "print('no room')"], log, {}, tmp_path)

    with pytest.raises(StackError, match=r"the server ended at its start[^\0]+no room"):
        wait_until(lambda: False, process, log, "the server", TIMEOUT_SECONDS)
    stop(process)
