"""What is sold."""

from datetime import datetime

from msgspec import Struct


class Sku(Struct, frozen=True, kw_only=True):
    """A variant of a product that can be ordered."""

    sku_id: str
    title: str
    price_fen: int


class Product(Struct, frozen=True, kw_only=True):
    """A product with its variants; `category` is the word that rule sets may give rates to."""

    product_id: str
    title: str
    category: str
    is_virtual: bool
    skus: tuple[Sku, ...]
    stock_shards: int
    """Over how many items the stock of each SKU is spread; fixed at creation."""
    published_at: datetime
    on_sale: bool

    def sku(self, sku_id: str) -> Sku | None:
        """Return the variant with this id."""
        return next((sku for sku in self.skus if sku.sku_id == sku_id), None)


def sku_id_of(product_id: str, number: int) -> str:
    """Return the id of a product's n-th variant; it names its product, so that finding that takes no look-up."""
    return f"{product_id}-{number}"


def product_id_of(sku_id: str) -> str:
    """Return the id of the product to which a variant belongs."""
    return sku_id.partition("-")[0]
