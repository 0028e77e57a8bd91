"""What the tiers share: engines and stacks, started once per worker, and the rule that CI skips nothing."""

import fcntl
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from infra.local.deployment import build
from infra.local.dynamodb_local import missing_programs, running_dynamodb_local
from infra.local.emulator import ROOT, start_emulator
from infra.local.stack import TEMPLATE, Stack, logs_of, running_stack

TEST_DIRECTORY = ROOT / ".local" / "tests"

settings.register_profile("quick", max_examples=100, deadline=None)
settings.register_profile("thorough", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that is skipped in CI fails: there, everything that it needs is installed."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def ministack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a MiniStack with nothing deployed to it; `infra.local.emulator.client_of` makes its clients."""
    directory = tmp_path_factory.mktemp("ministack")
    emulator = start_emulator(directory / "files", directory)
    try:
        yield emulator.endpoint_url
    finally:
        emulator.stop()


@pytest.fixture(scope="session")
def dynamodb_local_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a DynamoDB Local, AWS's own engine."""
    if missing := missing_programs():
        pytest.skip(f"DynamoDB Local needs {' and '.join(missing)}")
    with running_dynamodb_local(tmp_path_factory.mktemp("dynamodb-local")) as endpoint_url:
        yield endpoint_url


@pytest.fixture(scope="session")
def stack(worker_id: str, testrun_uid: str) -> Iterator[Stack]:
    """A deployed stack of this worker's own, with the demo shop in it; all workers deploy what one has built."""
    with running_stack(TEST_DIRECTORY / worker_id, built_once(testrun_uid), print) as stack:
        yield stack


def built_once(testrun_uid: str) -> Path:
    """The built template; the first worker of a test run builds it, the others wait."""
    logs = logs_of(TEST_DIRECTORY)
    built_for = TEST_DIRECTORY / "built-for"
    with (TEST_DIRECTORY / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built_for.exists() or built_for.read_text(encoding="utf-8") != testrun_uid:
            build(TEMPLATE, TEST_DIRECTORY / "sam", logs, print)
            built_for.write_text(testrun_uid, encoding="utf-8")
    return TEST_DIRECTORY / "sam" / "build" / "template.yaml"
