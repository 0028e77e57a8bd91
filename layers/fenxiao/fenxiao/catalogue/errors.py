"""Refusals of the catalogue."""

from fenxiao.errors import ConflictError, NotFoundError


class ProductNotFoundError(NotFoundError):
    """There is no such product, or it has no such SKU."""

    code = "product_not_found"
    title = "商品不存在"


class OutOfStockError(ConflictError):
    """Less is left than was asked for; nothing was taken."""

    code = "out_of_stock"
    title = "库存不足"
