"""Stock: what is not left is held by orders that are waiting or paid, whatever happened in whatever order."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenxiao.catalogue.errors import OutOfStockError
from fenxiao.catalogue.stock import spread, take
from fenxiao.order.close import close_unpaid
from fenxiao.order.model import OrderStatus
from fenxiao.order.payment import record_payment
from fenxiao.order.prepay import prepay
from tests.support.engines import memory_tables
from tests.unit.order.shopfloor import ShopFloor

counts = st.dictionaries(st.integers(0, 15), st.integers(0, 50), max_size=16)


@given(st.integers(0, 10_000), st.integers(1, 16))
def test_spreading_loses_nothing_and_is_even(quantity: int, shards: int) -> None:
    parts = [portion.quantity for portion in spread("P1-1", quantity, shards)]

    assert len(parts) == shards
    assert sum(parts) == quantity
    assert max(parts) - min(parts) <= 1


@given(counts, st.integers(1, 400))
def test_taking_takes_exactly_what_is_wanted_or_nothing(available: dict[int, int], quantity: int) -> None:
    portions = take("P1-1", quantity, available)

    if quantity > sum(available.values()):
        assert portions is None
        return
    assert portions
    assert sum(portion.quantity for portion in portions) == quantity
    assert all(0 < portion.quantity <= available[portion.shard] for portion in portions)
    assert len({portion.shard for portion in portions}) == len(portions)
    fullest = sorted(available.values(), reverse=True)
    assert sum(fullest[: len(portions) - 1]) < quantity, "fewer shards would have done"


@pytest.fixture(scope="module")
def floor() -> Iterator[ShopFloor]:
    with memory_tables():
        floor = ShopFloor()
        floor.family()
        yield floor


steps = st.lists(
    st.tuples(st.sampled_from(["place", "prepay", "pay", "tell", "close"]), st.integers(0, 9)), min_size=4, max_size=16
)


@settings(max_examples=settings().max_examples // 5)  # each goes through the tables
@given(stock=st.integers(0, 30), course=steps)
def test_no_course_of_orders_loses_or_makes_a_piece(
    floor: ShopFloor, stock: int, course: list[tuple[str, int]]
) -> None:
    tea = floor.product(stock=stock)
    placed: list[str] = []
    for step, number in course:
        if step == "place":
            try:
                placed.append(floor.place([(tea, number + 1)]).order_id)
            except OutOfStockError:
                assert floor.left(tea) < number + 1, "refused although enough is left"
        elif placed:
            _happens(floor, step, placed[number % len(placed)])

        orders = [floor.orders.order(order_id) for order_id in placed]
        held = sum(one.lines[0].quantity for one in orders if one.status is not OrderStatus.CLOSED)
        assert floor.left(tea) + held == stock
        assert all(left >= 0 for left in floor.catalogue.available(tea.skus[0].sku_id).values())
    for one in orders if placed else []:
        late = one.status is OrderStatus.CLOSED and one.payment
        assert bool(floor.orders.refunds(one.order_id)) == bool(late), "exactly what was paid too late is refunded"


def _happens(floor: ShopFloor, step: str, order_id: str) -> None:
    order = floor.orders.order(order_id)
    known = floor.wechat.payments.get(order_id)
    match step:
        case "prepay" if order.status is OrderStatus.PLACED and not (known and known.success):
            prepay(floor.cashier, "MD", order_id)
        case "pay" if not (known and known.success):
            floor.pays(order)  # WeChat may even be paid after it was closed there: then the money comes back
        case "tell" if known and known.success:
            record_payment(floor.books, known)
        case "close":
            close_unpaid(floor.closer, order_id)
        case _:
            pass
