from collections.abc import Iterator

import pytest

from tests.support.engines import engine_in_memory


@pytest.fixture
def tables() -> Iterator[None]:
    """All tables, empty, in memory: an audit asks for each day of its window."""
    with engine_in_memory():
        yield
