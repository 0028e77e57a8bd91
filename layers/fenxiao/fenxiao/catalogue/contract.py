"""HTTP contracts of the catalogue."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from fenxiao.catalogue.model import Product
from fenxiao.catalogue.store import CatalogueStore, in_order, product_at
from fenxiao.errors import BadRequestError
from fenxiao.http import cursor
from fenxiao.http.pages import Page, page_limit

_MAX_CATEGORY: Final = 40

type Title = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
type Category = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_CATEGORY)]
type PriceFen = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]


class NewSku(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A variant with its price in fen and its first stock."""

    title: Title
    price_fen: PriceFen
    stock: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class NewProduct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product to create; ten variants and their stock shards fit into one transaction."""

    title: Title
    category: Category
    skus: Annotated[list[NewSku], msgspec.Meta(min_length=1, max_length=10)]
    is_virtual: bool = False


class Sale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a product is on sale."""

    on_sale: bool


class StockChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pieces to add to the stock, or, if negative, to take out."""

    delta: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]


class SkuView(msgspec.Struct, frozen=True):
    """A variant."""

    sku_id: str
    title: str
    price_fen: int


class ProductView(msgspec.Struct, frozen=True):
    """A product as lists show it."""

    product_id: str
    title: str
    category: str
    is_virtual: bool
    on_sale: bool
    skus: list[SkuView]


class ProductDetail(ProductView, frozen=True):
    """A product with the pieces left of each SKU."""

    available: dict[str, int]


class StockView(msgspec.Struct, frozen=True):
    """The pieces left of a SKU."""

    sku_id: str
    available: int


def product_view(product: Product) -> ProductView:
    """Return a product as lists show it."""
    return msgspec.convert(product, ProductView, from_attributes=True)


def product_detail(product: Product, store: CatalogueStore) -> ProductDetail:
    """Return a product with what is left of it; another order may take that in the same moment."""
    return ProductDetail(
        **msgspec.structs.asdict(product_view(product)),
        available={sku.sku_id: stock_view(sku.sku_id, store).available for sku in product.skus},
    )


def stock_view(sku_id: str, store: CatalogueStore) -> StockView:
    """Return what is left of a SKU over all shards."""
    return StockView(sku_id, sum(store.available(sku_id).values()))


def product_page(query: Mapping[str, str], store: CatalogueStore) -> Page[ProductView]:
    """Return a page of what is on sale, of one category or of all, newest first.

    Raises:
        BadRequestError: no category has a name of that length.
        BadLimitError: the page size is out of range.
        BadCursorError: the cursor is not one of ours.
    """
    limit = page_limit(query)
    category = query.get("category")
    if category is not None and not 1 <= len(category) <= _MAX_CATEGORY:
        raise BadRequestError("category")
    before = cursor.decode(query["cursor"], tuple[str])[0] if "cursor" in query else None
    positions = store.listed(category, before, limit)
    products = store.products((product_at(position) for position in positions), consistent=False)
    more = cursor.encode(positions[-1]) if len(positions) == limit else None
    return Page([product_view(product) for product in in_order(positions, products)], more)
