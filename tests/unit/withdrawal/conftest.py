import pytest

from tests.unit.withdrawal.harness import World


@pytest.fixture
def world(tables: None) -> World:
    """A desk with one promoter and no money."""
    return World()
