"""The embedded stack: MiniStack with the product deployed to it, the WeChat sandbox, and a demo shop.

`python -m infra.local.stack run` keeps one in the foreground until Ctrl-C, `status` shows it, `stop` ends it from
another terminal. Tests start their own with `running_stack`, each in its own directory.
"""

import argparse
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from botocore.client import BaseClient

from infra.local import deployment, seed
from infra.local.emulator import REGION, ROOT, Emulator, client_of, start_emulator
from infra.local.processes import Say, StackError, is_listening, tail
from infra.local.sandbox import Sandbox, create_secrets, start_sandbox

TEMPLATE = ROOT / "template.yaml"
DIRECTORY = ROOT / ".local"
STACK_NAME = "fenxiao"
# Notifications need an https address; the sandbox delivers them to the deployed API by their path.
PUBLIC_BASE_URL = "https://local.fenxiao.invalid"
POLL_SECONDS = 0.2
WATCH_SECONDS = 1.0
STOP_TIMEOUT_SECONDS = 30.0
START_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a running stack is, as `stack.json` in its directory says it."""

    stack_name: str
    api_url: str
    sandbox_url: str
    endpoint_url: str
    region: str
    keys_directory: str
    logs_directory: str
    outputs: dict[str, str]
    seed: dict[str, object]
    process_ids: dict[str, int]

    def client(self, service: str) -> BaseClient:
        """A boto3 client of the stack's AWS APIs with all rights."""
        return client_of(service, self.endpoint_url)


@contextlib.contextmanager
def running_stack(directory: Path, built_template: Path, say: Say = print) -> Iterator[Stack]:
    """Start a stack with its files in `directory`, and stop it at the end, however that comes.

    Raises:
        StackError: a step of the start failed; the message has the end of its log.
    """
    logs = logs_of(directory)
    file = directory / "stack.json"
    with contextlib.ExitStack() as cleanup:
        say("starting the emulated AWS and the WeChat sandbox")
        emulator = start_emulator(directory / "ministack", logs)
        cleanup.callback(emulator.stop)
        sandbox = start_sandbox(directory / "sandbox", logs)
        cleanup.callback(sandbox.stop)
        stack = set_up(emulator, sandbox, built_template, logs, say)
        cleanup.callback(file.unlink, missing_ok=True)
        write(file, stack)
        yield stack


def set_up(emulator: Emulator, sandbox: Sandbox, built_template: Path, logs: Path, say: Say) -> Stack:
    """Deploy the product, join it with the sandbox, and fill the demo shop."""
    parameters = {
        "PublicBaseUrl": PUBLIC_BASE_URL,
        "TestClockUrl": sandbox.url,
        "WeChatApiUrl": sandbox.url,
        "WeChatPayUrl": sandbox.url,
        **create_secrets(emulator, sandbox, STACK_NAME),
    }
    outputs = deployment.deploy(emulator, built_template, STACK_NAME, parameters, say)
    api_url = outputs["ApiUrl"]
    sandbox.configure(api_url, emulator, outputs["ScheduledFunctionNames"].split(","))
    return Stack(
        stack_name=STACK_NAME,
        api_url=api_url,
        sandbox_url=sandbox.url,
        endpoint_url=emulator.endpoint_url,
        region=REGION,
        keys_directory=str(sandbox.keys_directory),
        logs_directory=str(logs),
        outputs=outputs,
        seed=fill(emulator, sandbox, outputs, say),
        process_ids={"stack": os.getpid(), "ministack": emulator.process.pid, "sandbox": sandbox.process.pid},
    )


def fill(emulator: Emulator, sandbox: Sandbox, outputs: dict[str, str], say: Say) -> dict[str, object]:
    """Seed the demo shop over the API, and return what it begins with.

    Raises:
        StackError: the seed failed; the message has the end of the functions' log.
    """
    began = time.monotonic()
    staff_admin = outputs["StaffAdminFunctionName"]
    try:
        result = seed.seed(outputs["ApiUrl"], sandbox.url, emulator.client("lambda"), staff_admin)
    except Exception as error:
        log = emulator.logs / "functions.log"
        raise StackError(f"seeding the demo shop failed: {error}\n{log} ends with\n{tail(log)}") from error
    say(f"  seeding the demo shop: {time.monotonic() - began:.1f} s")
    return asdict(result)


def logs_of(directory: Path) -> Path:
    """The directory of a stack's logs, made if need be."""
    logs = directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs


def write(file: Path, stack: Stack) -> None:
    """Write the description in one step; it holds logins, so it is for its owner alone."""
    draft = file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(stack), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(file)


def read(directory: Path = DIRECTORY) -> Stack | None:
    """The stack that runs in the directory, if its start has come to the end."""
    try:
        return Stack(**json.loads((directory / "stack.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


# --- one stack per directory, and the commands ----------------------------------------------------------------------


@contextlib.contextmanager
def held_lock(directory: Path) -> Iterator[bool]:
    """Hold the directory's lock if nobody else does; whether it is held. The system lets it go when its holder dies."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "stack.lock").open("w") as lock:
        yield try_lock(lock)


def try_lock(lock: TextIO) -> bool:
    """Take the lock, or say that another process has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def running_or_new_stack(directory: Path = DIRECTORY, say: Say = print) -> Iterator[Stack]:
    """The stack that runs in the directory; where none does, one that is started now and stopped at the end.

    Raises:
        StackError: the start failed, or the one that another process began did not come to its end.
    """
    with held_lock(directory) as held:
        if held:
            with new_stack(directory, say) as stack:
                yield stack
        else:
            yield wait_for_start(directory)


@contextlib.contextmanager
def new_stack(directory: Path, say: Say) -> Iterator[Stack]:
    """Build the product and start a stack in a directory whose lock is held.

    Raises:
        StackError: a step failed.
    """
    (directory / "stack.json").unlink(missing_ok=True)
    built_template = deployment.build(TEMPLATE, directory / "sam", logs_of(directory), say)
    with running_stack(directory, built_template, say) as stack:
        yield stack


def wait_for_start(directory: Path) -> Stack:
    """The stack that another process has started or is starting.

    Raises:
        StackError: it is not up in time.
    """
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while (stack := read(directory)) is None:
        if time.monotonic() > deadline:
            raise StackError(f"another process holds {directory / 'stack.lock'}, but its stack is not up")
        time.sleep(POLL_SECONDS)
    return stack


def run_command() -> int:
    """Keep a stack until Ctrl-C or a SIGTERM."""
    # Both, since a shell starts a background job with Ctrl-C ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with held_lock(DIRECTORY) as held:
        if not held:
            print("a stack runs already: `make status` shows it, `make stop` ends it")
            return 1
        with contextlib.suppress(KeyboardInterrupt), new_stack(DIRECTORY, print) as stack:
            print(summary(stack))
            print("Ctrl-C stops it", flush=True)
            keep(stack)
    print("stopped")
    return 0


def keep(stack: Stack) -> None:
    """Wait as long as the stack's servers live.

    Raises:
        StackError: one of them ended.
    """
    urls = (stack.endpoint_url, stack.sandbox_url)
    while all(is_listening(int(url.rpartition(":")[2])) for url in urls):
        time.sleep(WATCH_SECONDS)
    raise StackError(f"a server of the stack ended; see {stack.logs_directory}")


def status_command() -> int:
    """Show the stack that runs."""
    with held_lock(DIRECTORY) as held:
        if held:
            print("no stack runs")
            return 1
        stack = read(DIRECTORY)
        print(summary(stack) if stack else "a stack is starting or stopping")
        return 0


def stop_command() -> int:
    """End the stack that runs, and wait until it is gone.

    Raises:
        StackError: it is still there after the time.
    """
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    asked = False
    while time.monotonic() < deadline:
        with held_lock(DIRECTORY) as held:
            if held:
                print("stopped" if asked else "no stack runs")
                return 0
        stack = read(DIRECTORY)
        if stack and not asked:
            os.kill(stack.process_ids["stack"], signal.SIGTERM)
            asked = True
        time.sleep(POLL_SECONDS)
    raise StackError("the stack did not stop in time")


def summary(stack: Stack) -> str:
    """The addresses that a person wants to know, as lines."""
    rows = {
        "API": stack.api_url,
        "WeChat sandbox": stack.sandbox_url,
        "AWS endpoint": stack.endpoint_url,
        "logs": stack.logs_directory,
        "all of it": str(DIRECTORY / "stack.json"),
    }
    return "\n".join(f"  {name:<15} {value}" for name, value in rows.items())


def main() -> int:
    """Run the command that the command line names; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.stack", description=__doc__)
    commands = {"run": run_command, "status": status_command, "stop": stop_command}
    parser.add_argument("command", choices=commands)
    try:
        return commands[parser.parse_args().command]()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
