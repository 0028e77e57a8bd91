"""Products and stock: shoppers look, operations publish."""

from fenxiao import wiring
from fenxiao.catalogue.contract import (
    NewProduct,
    ProductDetail,
    ProductView,
    Sale,
    StockChange,
    StockView,
    product_detail,
    product_page,
    product_view,
    stock_view,
)
from fenxiao.catalogue.publish import change_stock, create_product
from fenxiao.catalogue.stock import Adjustment
from fenxiao.http.api import Api, Auth, Request, Role
from fenxiao.http.pages import PAGE_QUERY, Page

api = Api("catalogue")
_OPERATORS = frozenset({Role.OPERATIONS})


@api.route(
    "GET",
    "/products",
    "商品列表",
    Auth.PUBLIC,
    returns=Page[ProductView],
    query={"category": "商品分类，默认全部", **PAGE_QUERY},
)
def products(request: Request[None]) -> Page[ProductView]:
    """Answer a page of what is on sale, newest first."""
    return product_page(request.query, wiring.catalogue())


@api.route("GET", "/products/{product_id}", "商品详情", Auth.PUBLIC, returns=ProductDetail)
def product(request: Request[None]) -> ProductDetail:
    """Answer a product with what is left of it."""
    store = wiring.catalogue()
    return product_detail(store.product(request.path["product_id"]), store)


@api.route(
    "POST",
    "/staff/products",
    "新建商品",
    Auth.STAFF,
    roles=_OPERATORS,
    body=NewProduct,
    returns=ProductDetail,
    status=201,
)
def create(request: Request[NewProduct]) -> ProductDetail:
    """Create a product with its first stock."""
    store = wiring.catalogue()
    return product_detail(create_product(request.body, store, wiring.clock()), store)


@api.route(
    "PUT",
    "/staff/products/{product_id}/sale",
    "商品上架或下架",
    Auth.STAFF,
    roles=_OPERATORS,
    body=Sale,
    returns=ProductView,
)
def set_sale(request: Request[Sale]) -> ProductView:
    """Put a product on sale or take it off."""
    store = wiring.catalogue()
    store.set_on_sale(store.product(request.path["product_id"]), on_sale=request.body.on_sale)
    return product_view(store.product(request.path["product_id"]))


@api.route(
    "POST",
    "/staff/products/{product_id}/skus/{sku_id}/stock",
    "调整库存",
    Auth.STAFF,
    roles=_OPERATORS,
    body=StockChange,
    returns=StockView,
    idempotent=True,
)
def stock(request: Request[StockChange]) -> StockView:
    """Add to or take from a SKU's stock."""
    sku_id = request.path["sku_id"]
    adjustment = Adjustment(
        sku_id=sku_id, delta=request.body.delta, staff_id=request.principal.id, key=request.idempotency_key
    )
    change_stock(request.path["product_id"], adjustment, wiring.catalogue(), wiring.clock())
    return stock_view(sku_id, wiring.catalogue())


lambda_handler = api.handler
