import pytest

from tests.unit.order.shopfloor import ShopFloor


@pytest.fixture
def floor(tables: None) -> ShopFloor:
    """A shop with the family A ← B ← C ← D, of which D buys."""
    floor = ShopFloor()
    floor.family()
    return floor
