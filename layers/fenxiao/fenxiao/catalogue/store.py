"""Products and stock in DynamoDB (`CATALOGUE_TABLE`).

`P…` / `product` is a product; `listing` and `listing#<category>` / `<published_at>#<product>` say what is on sale,
newest last; `stock#<sku>` / `shard#<k>` holds a part of a SKU's stock and `stock#<sku>` / `change#…` a change made by
staff, which is its own guard against being made twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from pynamodb.attributes import BooleanAttribute, UnicodeAttribute

from fenxiao.aws.dynamodb import IntegerAttribute, Item, JsonAttribute, MomentAttribute, Transaction, table
from fenxiao.catalogue.errors import ProductNotFoundError
from fenxiao.catalogue.model import Product, Sku
from fenxiao.catalogue.stock import Adjustment, Portion
from fenxiao.clock import to_millis
from fenxiao.ids import Kind, is_id

_PRODUCT: Final = "product"
_LISTING: Final = "listing"
_SHARD: Final = "shard#"
_MAX_SHARDS: Final = 50


class ProductItem(Item):
    """A product with its SKUs."""

    Meta = table("CATALOGUE_TABLE")

    title = UnicodeAttribute()
    category = UnicodeAttribute()
    is_virtual = BooleanAttribute()
    skus: JsonAttribute[tuple[Sku, ...]] = JsonAttribute(tuple[Sku, ...])
    stock_shards = IntegerAttribute()
    published_at = MomentAttribute()
    on_sale = BooleanAttribute()


class ListingItem(Item):
    """A product's place in a list; the keys say everything."""

    Meta = table("CATALOGUE_TABLE")


class StockItem(Item):
    """A part of a SKU's stock."""

    Meta = table("CATALOGUE_TABLE")

    available = IntegerAttribute()


class AdjustmentItem(Item):
    """A change of stock by staff; put once, never changed."""

    Meta = table("CATALOGUE_TABLE")

    delta = IntegerAttribute()
    at = MomentAttribute()


class CatalogueStore:
    """Products and their stock."""

    def product(self, product_id: str) -> Product:
        """Return a product, on sale or not.

        Raises:
            ProductNotFoundError: there is none.
        """
        if not is_id(Kind.PRODUCT, product_id):
            raise ProductNotFoundError
        try:
            return _product(ProductItem.get(product_id, _PRODUCT, consistent_read=True))
        except ProductItem.DoesNotExist:
            raise ProductNotFoundError(product_id) from None

    def products(self, product_ids: Iterable[str], *, consistent: bool = True) -> dict[str, Product]:
        """Return those of the products that exist, by id."""
        keys = [(product_id, _PRODUCT) for product_id in dict.fromkeys(product_ids)]
        return {item.pk: _product(item) for item in ProductItem.batch_get(keys, consistent_read=consistent)}

    def listed(self, category: str | None, before: str | None, limit: int) -> list[str]:
        """Return positions of products on sale, the newest first, from `before` (exclusive) on."""
        condition = ListingItem.sk < before if before else None
        items = ListingItem.query(_listing_pk(category), condition, scan_index_forward=False, limit=limit)
        return [item.sk for item in items]

    def create(self, product: Product, stock: Iterable[Portion]) -> None:
        """Put a new product with its stock and its places in the lists, in one transaction."""
        transaction = Transaction()
        transaction.put(
            ProductItem(
                pk=product.product_id,
                sk=_PRODUCT,
                title=product.title,
                category=product.category,
                is_virtual=product.is_virtual,
                skus=product.skus,
                stock_shards=product.stock_shards,
                published_at=product.published_at,
                on_sale=product.on_sale,
            ),
            ProductItem.pk.does_not_exist(),
        )
        _list(transaction, product)
        for portion in stock:
            key = _stock_key(portion)
            transaction.put(StockItem(*key, available=portion.quantity), StockItem.pk.does_not_exist())
        transaction.commit()

    def set_on_sale(self, product: Product, *, on_sale: bool) -> None:
        """Put a product on sale, or take it off; doing so again changes nothing."""
        transaction = Transaction()
        actions = [ProductItem.on_sale.set(on_sale)]
        transaction.update(ProductItem, product.product_id, _PRODUCT, actions, ProductItem.pk.exists())
        if on_sale:
            _list(transaction, product)
        else:
            for pk in _lists(product):
                transaction.delete(ListingItem, pk, position_of(product.published_at, product.product_id))
        transaction.commit()

    def available(self, sku_id: str, *, consistent: bool = True) -> dict[int, int]:
        """Return what is left of a SKU in each shard."""
        items = StockItem.query(
            _stock_pk(sku_id), StockItem.sk.startswith(_SHARD), consistent_read=consistent, limit=_MAX_SHARDS
        )
        return {int(item.sk.removeprefix(_SHARD)): item.available for item in items}

    def made(self, adjustment: Adjustment) -> int | None:
        """Return the delta that was made under an adjustment's key, `None` if there was none."""
        try:
            return AdjustmentItem.get(*_adjustment_key(adjustment), consistent_read=True).delta
        except AdjustmentItem.DoesNotExist:
            return None


def take_stock(transaction: Transaction, portion: Portion) -> int:
    """Add the taking of a portion, on the condition that its shard holds it; return the action's index."""
    quantity = portion.quantity
    return transaction.update(
        StockItem, *_stock_key(portion), [StockItem.available.add(-quantity)], StockItem.available >= quantity
    )


def return_stock(transaction: Transaction, portion: Portion) -> int:
    """Add the putting of a portion into its shard; return the action's index."""
    return transaction.update(StockItem, *_stock_key(portion), [StockItem.available.add(portion.quantity)])


def put_adjustment(transaction: Transaction, adjustment: Adjustment, at: datetime) -> int:
    """Add the record of a change by staff, on the condition that it was not made yet; return the action's index."""
    item = AdjustmentItem(*_adjustment_key(adjustment), delta=adjustment.delta, at=at)
    return transaction.put(item, AdjustmentItem.pk.does_not_exist())


def position_of(published_at: datetime, product_id: str) -> str:
    """Return where a product stands in a list: by the time of publication."""
    return f"{to_millis(published_at):013d}#{product_id}"


def product_at(position: str) -> str:
    """Return the product that stands at a position."""
    return position.partition("#")[2]


def in_order(positions: Sequence[str], products: Mapping[str, Product]) -> list[Product]:
    """Return the products in the order of their positions; one that is gone meanwhile is left out."""
    ids = [product_at(position) for position in positions]
    return [products[product_id] for product_id in ids if product_id in products]


def _list(transaction: Transaction, product: Product) -> None:
    for pk in _lists(product):
        transaction.put(ListingItem(pk, position_of(product.published_at, product.product_id)))


def _lists(product: Product) -> tuple[str, str]:
    return _listing_pk(None), _listing_pk(product.category)


def _listing_pk(category: str | None) -> str:
    return _LISTING if category is None else f"{_LISTING}#{category}"


def _stock_pk(sku_id: str) -> str:
    return f"stock#{sku_id}"


def _stock_key(portion: Portion) -> tuple[str, str]:
    return _stock_pk(portion.sku_id), f"{_SHARD}{portion.shard}"


def _adjustment_key(adjustment: Adjustment) -> tuple[str, str]:
    return _stock_pk(adjustment.sku_id), f"change#{adjustment.staff_id}#{adjustment.key}"


def _product(item: ProductItem) -> Product:
    return Product(
        product_id=item.pk,
        title=item.title,
        category=item.category,
        is_virtual=item.is_virtual,
        skus=item.skus,
        stock_shards=item.stock_shards,
        published_at=item.published_at,
        on_sale=item.on_sale,
    )
