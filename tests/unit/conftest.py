from collections.abc import Iterator

import pytest

from tests.support.tables import moto_tables


@pytest.fixture
def tables() -> Iterator[None]:
    """All tables, empty, on moto."""
    with moto_tables():
        yield
