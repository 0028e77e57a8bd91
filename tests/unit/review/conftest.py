import pytest

from fenxiao.review.store import CaseStore


@pytest.fixture
def cases(tables: None) -> CaseStore:
    return CaseStore()
