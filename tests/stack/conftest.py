"""The world of this worker's stack, and a sandbox that is as usual after every test."""

from collections.abc import Iterator

import pytest

from infra.local.stack import Stack
from tests.stack.support import LARGEST_TRANSFER_FEN, World, new_world


@pytest.fixture(scope="session")
def world(stack: Stack) -> World:
    return new_world(stack)


@pytest.fixture(autouse=True)
def _sandbox_as_usual(world: World) -> Iterator[None]:
    """Turn the knobs back that a test has turned, also when it fails."""
    yield
    world.sandbox.control("/_reset_knobs")
    world.sandbox.put_knobs({"transfer_max_fen": LARGEST_TRANSFER_FEN})
