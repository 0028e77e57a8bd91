"""Child processes of the embedded stack: a free port, a start with a log, a wait with a deadline, a clean stop."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TETHER = Path(__file__).with_name("tethered.py")
LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05
PROGRESS_SECONDS = 5.0
STOP_SECONDS = 10.0
TAIL_LINES = 30
TAIL_WIDTH = 400

type Say = Callable[[str], None]
type Process = subprocess.Popen[bytes]


class StackError(Exception):
    """A step of the embedded stack failed; the message says which, and ends with what the log says last."""


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def start(command: Sequence[str], log: Path, environment: Mapping[str, str], cwd: Path) -> Process:
    """Start a process that writes to a log, and that ends when this one does in whatever way.

    It has a session of its own, since a Ctrl-C in the terminal is for its parent alone.
    """
    tethered = [sys.executable, "-I", str(TETHER), *command]
    with log.open("wb") as out:
        return subprocess.Popen(
            tethered, stdin=subprocess.PIPE, stdout=out, stderr=out, env=environment, cwd=cwd, start_new_session=True
        )


def run(title: str, command: Sequence[str], log: Path, environment: Mapping[str, str], cwd: Path, say: Say) -> None:
    """Run a command to its end, and say how far it is every few seconds.

    Raises:
        StackError: the command failed.
    """
    began = time.monotonic()
    process = start(command, log, environment, cwd)
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PROGRESS_SECONDS)
                break
            say(f"  {title}: {time.monotonic() - began:.0f} s … {last_line(log)}")
    finally:
        stop(process)
    if process.returncode != 0:
        raise StackError(f"{title} failed (exit code {process.returncode}); {log} ends with\n{tail(log)}")
    say(f"  {title}: {time.monotonic() - began:.1f} s")


def wait_until(ready: Callable[[], bool], process: Process, log: Path, title: str, timeout_seconds: float) -> None:
    """Wait until a process that was started is ready to serve.

    Raises:
        StackError: it ended, or it was not ready in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if process.poll() is not None:
            raise StackError(
                f"{title} ended at its start (exit code {process.returncode}); {log} ends with\n{tail(log)}"
            )
        if time.monotonic() > deadline:
            raise StackError(f"{title} was not ready in {timeout_seconds:.0f} s; {log} ends with\n{tail(log)}")
        time.sleep(POLL_SECONDS)


def stop(process: Process) -> None:
    """Ask a process to end and wait for it, then end by force what is left of it and of those that it started."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()


def wait_for_silence(ports: Sequence[int], timeout_seconds: float = STOP_SECONDS) -> None:
    """Wait until nobody listens on the ports any more.

    Raises:
        StackError: somebody still does after the time.
    """
    deadline = time.monotonic() + timeout_seconds
    while busy := [port for port in ports if is_listening(port)]:
        if time.monotonic() > deadline:
            raise StackError(f"ports {busy} are still in use")
        time.sleep(POLL_SECONDS)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, cut where they are very long, and indented."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(f"    {line[:TAIL_WIDTH]}" for line in text.splitlines()[-lines:])


def last_line(log: Path) -> str:
    """The last line of a log that says something, cut to fit a terminal."""
    return tail(log, 1).strip()[:80]
