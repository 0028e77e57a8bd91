import random
from collections.abc import Callable

import pytest

from fenxiao.aws.dynamodb import Transaction
from fenxiao.catalogue.errors import OutOfStockError
from fenxiao.catalogue.model import Product
from fenxiao.errors import IdempotencyKeyReusedError
from fenxiao.order.contract import PlaceOrder, WantedLine
from fenxiao.order.errors import (
    AddressNotFoundError,
    AddressRequiredError,
    DuplicateSkuError,
    OffSaleError,
    OrderTooLargeError,
    SkuNotFoundError,
)
from fenxiao.order.model import OrderStatus, Work
from fenxiao.order.place import place
from fenxiao.relation.model import BindingMode, Upline
from tests.unit.order.shopfloor import TIME_TO_PAY, ShopFloor, meanwhile


def wanted(*lines: tuple[str, int], address_id: str | None = None) -> PlaceOrder:
    return PlaceOrder(lines=[WantedLine(sku_id, quantity) for sku_id, quantity in lines], address_id=address_id)


def sku(product: Product) -> str:
    return product.skus[0].sku_id


def test_placed_order_freezes_prices_chain_and_address_and_takes_the_stock(floor: ShopFloor) -> None:
    tea, cup = floor.product(1000), floor.product(250)

    order = floor.place([(tea, 2), (cup, 3)])

    assert order == floor.orders.order(order.order_id)
    assert order.status is OrderStatus.PLACED
    assert [line.paid_fen for line in order.lines] == [2000, 750]
    assert order.total_fen == 2750
    assert order.chain == tuple(Upline(member_id=upline, counts=True) for upline in ("MC", "MB", "MA"))
    assert order.address
    assert order.address.recipient == "丁"
    assert order.due
    assert (order.due.work, order.due.at) == (Work.CLOSE, floor.clock.now() + TIME_TO_PAY)
    assert (floor.left(tea), floor.left(cup)) == (8, 7)


def test_until_first_order_is_frozen_at_placement(tables: None) -> None:
    floor = ShopFloor(mode=BindingMode.FIRST_ORDER)
    floor.family()

    assert floor.place([(floor.product(), 1)]).first_order_only


def test_the_same_key_returns_the_same_order_and_takes_stock_once(floor: ShopFloor) -> None:
    tea = floor.product()

    first = floor.place([(tea, 2)], key="same-key")
    floor.catalogue.set_on_sale(tea, on_sale=False)
    again = floor.place([(tea, 2)], key="same-key")

    assert again == first
    assert floor.left(tea) == 8


def test_the_same_key_with_another_content_is_refused(floor: ShopFloor) -> None:
    tea = floor.product()
    floor.place([(tea, 2)], key="same-key")

    with pytest.raises(IdempotencyKeyReusedError):
        floor.place([(tea, 3)], key="same-key")
    assert floor.left(tea) == 8


def test_two_members_may_use_the_same_key(floor: ShopFloor) -> None:
    tea = floor.product()

    assert floor.place([(tea, 1)], key="same-key").order_id != floor.place([(tea, 1)], "MC", "same-key").order_id


def test_freight_is_a_line_of_its_own_that_takes_no_stock(tables: None) -> None:
    floor = ShopFloor(freight_fen=800)
    floor.family()

    order = floor.place([(floor.product(1000), 1)])

    assert [(line.category, line.paid_fen) for line in order.lines] == [("tea", 1000), ("freight", 800)]
    assert order.total_fen == 1800
    assert {portion.sku_id for portion in order.stock} == {order.lines[0].sku_id}


def test_virtual_goods_need_neither_address_nor_freight(tables: None) -> None:
    floor = ShopFloor(freight_fen=800)
    floor.family()
    course = floor.product(is_virtual=True)

    order = place(floor.shop, "MD", "some-key", wanted((sku(course), 1)))

    assert order.is_virtual
    assert order.address is None
    assert order.total_fen == 1000


def test_all_shards_together_are_sold_even_if_no_single_one_has_enough(floor: ShopFloor) -> None:
    tea = floor.product(stock=10)  # 2 pieces in two shards, 1 in six

    order = floor.place([(tea, 9)])

    assert sum(portion.quantity for portion in order.stock) == 9
    assert len(order.stock) >= 7
    assert floor.left(tea) == 1


def test_every_piece_can_be_sold_and_not_one_more(floor: ShopFloor) -> None:
    tea = floor.product(stock=5)

    for _ in range(5):
        floor.place([(tea, 1)])
    with pytest.raises(OutOfStockError):
        floor.place([(tea, 1)])

    assert set(floor.catalogue.available(sku(tea)).values()) == {0}


def test_an_order_that_is_short_of_one_line_takes_nothing_of_the_others(floor: ShopFloor) -> None:
    tea, cup = floor.product(stock=10), floor.product(stock=1)

    with pytest.raises(OutOfStockError):
        floor.place([(tea, 2), (cup, 2)])

    assert (floor.left(tea), floor.left(cup)) == (10, 1)
    assert floor.orders.by_member("MD", None, 10) == []


@pytest.mark.parametrize(
    ("request_of", "error"),
    [
        (lambda _tea, _address: wanted(("P0-1", 1)), SkuNotFoundError),
        (lambda tea, _address: wanted((tea.product_id + "-9", 1)), SkuNotFoundError),
        (lambda tea, _address: wanted((sku(tea), 1), (sku(tea), 2)), DuplicateSkuError),
        (lambda tea, _address: wanted((sku(tea), 999)), OrderTooLargeError),
        (lambda tea, _address: wanted((sku(tea), 1)), AddressRequiredError),
        (lambda tea, _address: wanted((sku(tea), 1), address_id="unknown"), AddressNotFoundError),
        (lambda tea, address: wanted((sku(tea), 1), address_id=address), AddressNotFoundError),
    ],
)
def test_bad_orders_are_refused_and_take_no_stock(
    floor: ShopFloor, request_of: Callable[[Product, str], PlaceOrder], error: type[Exception]
) -> None:
    tea = floor.product(price_fen=1_000_000, stock=1000)
    of_somebody_else = floor.address("MC")

    with pytest.raises(error):
        place(floor.shop, "MD", "some-key", request_of(tea, of_somebody_else))

    assert floor.left(tea) == 1000
    assert floor.orders.by_member("MD", None, 10) == []


def test_what_is_off_sale_cannot_be_ordered(floor: ShopFloor) -> None:
    tea = floor.product()
    floor.catalogue.set_on_sale(tea, on_sale=False)

    with pytest.raises(OffSaleError):
        floor.place([(tea, 1)])


def test_a_shard_that_another_order_empties_meanwhile_is_passed_over(
    floor: ShopFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tea = floor.product(stock=2)  # in shards 0 and 1
    monkeypatch.setattr(random, "randrange", lambda _shards: 0)
    meanwhile(monkeypatch, Transaction, "commit", lambda: floor.place([(tea, 1)], key="rival-order"))

    order = floor.place([(tea, 1)])

    assert [portion.shard for portion in order.stock] == [1]
    assert floor.left(tea) == 0


def test_the_same_request_that_runs_beside_itself_places_one_order(
    floor: ShopFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tea = floor.product(stock=3)
    meanwhile(monkeypatch, Transaction, "commit", lambda: floor.place([(tea, 1)], key="same-key"))

    order = floor.place([(tea, 1)], key="same-key")

    assert floor.left(tea) == 2
    assert [one.order_id for one in floor.orders.by_member("MD", None, 10)] == [order.order_id]


def test_an_order_too_scattered_for_one_transaction_is_refused_before_it_is_tried(floor: ShopFloor) -> None:
    products = [floor.product(price_fen=1, stock=8) for _ in range(13)]

    with pytest.raises(OutOfStockError):
        floor.place([(product, 8) for product in products])

    assert {floor.left(product) for product in products} == {8}
