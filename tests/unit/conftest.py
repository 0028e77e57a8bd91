from collections.abc import Iterator

import pytest

from tests.support.engines import engine_in_memory
from tests.support.tables import moto_tables


@pytest.fixture
def tables(request: pytest.FixtureRequest) -> Iterator[None]:
    """All tables, empty: in memory, which is quick; on moto for a test that needs more of AWS, or botocore's events."""
    with moto_tables() if request.node.get_closest_marker("moto") else engine_in_memory():
        yield
