"""Refusals of the order room."""

from fenxiao.errors import BadRequestError, ConflictError, NotFoundError


class OrderNotFoundError(NotFoundError):
    """There is no such order, or it is somebody else's."""

    code = "order_not_found"
    title = "订单不存在"


class SkuNotFoundError(NotFoundError):
    """A line names a SKU that does not exist."""

    code = "sku_not_found"
    title = "商品规格不存在"


class AddressNotFoundError(NotFoundError):
    """There is no such address, or it is somebody else's."""

    code = "address_not_found"
    title = "收货地址不存在"


class AddressRequiredError(BadRequestError):
    """Goods that are sent need an address."""

    code = "address_required"
    title = "请选择收货地址"


class TooManyAddressesError(ConflictError):
    """The member keeps as many addresses as one may."""

    code = "too_many_addresses"
    title = "收货地址数量已达上限"


class DuplicateSkuError(BadRequestError):
    """Two lines name the same SKU."""

    code = "duplicate_sku"
    title = "同一商品规格只能出现一次"


class OffSaleError(ConflictError):
    """A product is not on sale."""

    code = "off_sale"
    title = "商品已下架"


class OrderTooLargeError(BadRequestError):
    """The total is above the limit of one order."""

    code = "order_too_large"
    title = "订单金额超过上限"


class NotPayableError(ConflictError):
    """The order is paid or closed, or its time to pay is over."""

    code = "order_not_payable"
    title = "订单当前不可支付"


class NotCancellableError(ConflictError):
    """The order is paid: only a refund undoes that."""

    code = "order_not_cancellable"
    title = "订单已支付，无法取消"


class NotShippableError(ConflictError):
    """The order is not paid, is refunded, or was shipped with other details."""

    code = "order_not_shippable"
    title = "订单当前不可发货"


class TrackingRequiredError(BadRequestError):
    """A parcel needs a carrier and a tracking number."""

    code = "tracking_required"
    title = "请填写快递公司和运单号"


class NotReceivableError(ConflictError):
    """The order was not shipped."""

    code = "order_not_receivable"
    title = "订单尚未发货"


class NotRefundableError(ConflictError):
    """The order was never paid, or has had as many refunds as WeChat allows."""

    code = "order_not_refundable"
    title = "订单当前不可退款"


class RefundTooLargeError(ConflictError):
    """The refund would take more than is left."""

    code = "refund_too_large"
    title = "退款金额超过可退金额"


class BadRefundError(BadRequestError):
    """The refund names no amount, several kinds of amounts, or a line twice."""

    code = "bad_refund"
    title = "退款内容有误"


class PaymentMismatchError(ConflictError):
    """WeChat reports a payment that differs from the order; it is kept for a person and not booked."""

    code = "payment_mismatch"
    title = "支付结果与订单不一致"


class RefundMismatchError(ConflictError):
    """WeChat reports a refund that differs from ours; it is kept for a person and not booked."""

    code = "refund_mismatch"
    title = "退款结果与退款单不一致"


class RefundNotFoundError(NotFoundError):
    """WeChat reports a refund under a number that we never gave (M15)."""

    code = "refund_not_found"
    title = "退款单不存在"
