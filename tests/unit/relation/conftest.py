import pytest

from tests.unit.relation.village import Village


@pytest.fixture
def village(tables: None) -> Village:
    return Village()
