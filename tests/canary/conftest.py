"""A MiniStack with the fixture's stack on it, started and deployed once for the session."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.deployment import build, deploy
from infra.local.emulator import Emulator, start_emulator

TEMPLATE = Path(__file__).parent / "fixture" / "template.yaml"


@dataclass(frozen=True, slots=True)
class Canary:
    """The emulator, and the outputs of the stack that is deployed to it."""

    emulator: Emulator
    outputs: dict[str, str]


@pytest.fixture(scope="session")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    directory = tmp_path_factory.mktemp("canary")
    logs = directory / "logs"
    logs.mkdir()
    built_template = build(TEMPLATE, directory, logs, print)
    emulator = start_emulator(directory / "ministack", logs)
    try:
        yield Canary(emulator, deploy(emulator, built_template, "canary", {}, print))
    finally:
        emulator.stop()
