"""Creating products, putting them on sale and changing their stock."""

from datetime import datetime
from typing import Final

from fenxiao.aws.dynamodb import Transaction, TransactionCancelledError, back_off
from fenxiao.catalogue.contract import NewProduct
from fenxiao.catalogue.errors import OutOfStockError, ProductNotFoundError
from fenxiao.catalogue.model import Product, Sku, sku_id_of
from fenxiao.catalogue.stock import STOCK_SHARDS, Adjustment, Portion, spread, take
from fenxiao.catalogue.store import CatalogueStore, put_adjustment, return_stock, take_stock
from fenxiao.clock import Clock
from fenxiao.errors import BusyError, IdempotencyKeyReusedError
from fenxiao.ids import Kind, new_id

_MAX_ATTEMPTS: Final = 6


def create_product(request: NewProduct, store: CatalogueStore, clock: Clock) -> Product:
    """Create a product, on sale at once, with its first stock."""
    now = clock.now()
    product_id = new_id(Kind.PRODUCT, now)
    product = Product(
        product_id=product_id,
        title=request.title,
        category=request.category,
        is_virtual=request.is_virtual,
        skus=tuple(
            Sku(sku_id=sku_id_of(product_id, number), title=sku.title, price_fen=sku.price_fen)
            for number, sku in enumerate(request.skus, start=1)
        ),
        stock_shards=STOCK_SHARDS,
        published_at=now,
        on_sale=True,
    )
    stock: list[Portion] = []
    for sku, wanted in zip(product.skus, request.skus, strict=True):
        stock += spread(sku.sku_id, wanted.stock, product.stock_shards)
    store.create(product, stock)
    return product


def change_stock(product_id: str, adjustment: Adjustment, store: CatalogueStore, clock: Clock) -> None:
    """Add to the stock of a SKU, or take from it; the same key again changes nothing.

    Raises:
        ProductNotFoundError: there is no such SKU.
        OutOfStockError: less is left than is to be taken.
        IdempotencyKeyReusedError: the key stands for another change.
        BusyError: too many others take from the stock at this moment.
    """
    product = store.product(product_id)
    if product.sku(adjustment.sku_id) is None:
        raise ProductNotFoundError
    for attempt in range(_MAX_ATTEMPTS):
        made = store.made(adjustment)
        if made is not None:
            if made != adjustment.delta:
                raise IdempotencyKeyReusedError
            return
        if _adjust(product, adjustment, store, clock.now()):
            return
        back_off(attempt)
    raise BusyError


def _adjust(product: Product, adjustment: Adjustment, store: CatalogueStore, now: datetime) -> bool:
    transaction = Transaction()
    put_adjustment(transaction, adjustment, now)
    sku_id, delta = adjustment.sku_id, adjustment.delta
    if delta >= 0:
        for portion in spread(sku_id, delta, product.stock_shards):
            if portion.quantity:
                return_stock(transaction, portion)
    else:
        portions = take(sku_id, -delta, store.available(sku_id))
        if portions is None:
            raise OutOfStockError
        for portion in portions:
            take_stock(transaction, portion)
    try:
        transaction.commit()
    except TransactionCancelledError:
        return False
    return True
