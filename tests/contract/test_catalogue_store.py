"""Products and stock on each engine."""

from functools import partial

import pytest

from fenxiao.catalogue.contract import NewProduct, NewSku
from fenxiao.catalogue.errors import OutOfStockError, ProductNotFoundError
from fenxiao.catalogue.model import Product
from fenxiao.catalogue.publish import change_stock, create_product
from fenxiao.catalogue.stock import Adjustment
from fenxiao.catalogue.store import CatalogueStore, product_at
from fenxiao.errors import IdempotencyKeyReusedError
from tests.support.engines import Engine, patiently, refusal
from tests.unit.order.shopfloor import HandClock


class Shelf:
    """A catalogue and a clock."""

    def __init__(self) -> None:
        self.store = CatalogueStore()
        self.clock = HandClock()

    def product(self, title: str = "龙井", category: str = "tea", skus: int = 1, stock: int = 10) -> Product:
        variants = [NewSku(title=f"{number} 号", price_fen=100 + number, stock=stock) for number in range(skus)]
        self.clock.advance(seconds=1)
        return create_product(NewProduct(title=title, category=category, skus=variants), self.store, self.clock)

    def change(self, product: Product, delta: int, key: str) -> None:
        adjustment = Adjustment(sku_id=product.skus[0].sku_id, delta=delta, staff_id="S1", key=key)
        patiently(lambda: change_stock(product.product_id, adjustment, self.store, self.clock))

    def left(self, product: Product) -> int:
        return sum(self.store.available(product.skus[0].sku_id).values())


@pytest.fixture
def shelf(engine: Engine) -> Shelf:
    return Shelf()


def test_largest_product_fits_into_one_transaction(shelf: Shelf) -> None:
    product = shelf.product(skus=10, stock=1_000_000)
    assert shelf.store.product(product.product_id) == product
    assert [sum(shelf.store.available(sku.sku_id).values()) for sku in product.skus] == [1_000_000] * 10
    with pytest.raises(ProductNotFoundError):
        shelf.store.product("P" + "0" * 26)


def test_lists_are_paged_newest_first_and_hold_what_is_on_sale(shelf: Shelf) -> None:
    products = [shelf.product(category="tea" if number % 2 else "cup") for number in range(5)]
    newest_first = [product.product_id for product in reversed(products)]
    first = shelf.store.listed(None, None, 3)
    rest = shelf.store.listed(None, first[-1], 3)
    assert [product_at(one) for one in first + rest] == newest_first
    assert [product_at(one) for one in shelf.store.listed("tea", None, 9)] == newest_first[1::2]

    for _ in range(2):
        shelf.store.set_on_sale(products[1], on_sale=False)
    assert [product_at(one) for one in shelf.store.listed("tea", None, 9)] == newest_first[1:2]
    assert len(shelf.store.listed(None, None, 9)) == 4
    assert not shelf.store.product(products[1].product_id).on_sale
    for _ in range(2):
        shelf.store.set_on_sale(products[1], on_sale=True)
    assert [product_at(one) for one in shelf.store.listed(None, None, 9)] == newest_first


def test_change_of_stock_is_made_once_however_often_it_is_sent_at_once(engine: Engine, shelf: Shelf) -> None:
    product = shelf.product(stock=10)
    engine.at_once(*[partial(shelf.change, product, 7, "key-0001")] * 4)
    assert shelf.left(product) == 17
    with pytest.raises(IdempotencyKeyReusedError):
        shelf.change(product, 8, "key-0001")


def test_no_more_is_taken_out_than_is_there(engine: Engine, shelf: Shelf) -> None:
    product = shelf.product(stock=20)
    takes = [partial(shelf.change, product, -6, f"key-000{number}") for number in range(5)]
    answers = engine.at_once(*(partial(refusal, take, OutOfStockError) for take in takes))
    assert sorted(answers, key=str) == [OutOfStockError] * 2 + [None] * 3
    assert shelf.left(product) == 2
