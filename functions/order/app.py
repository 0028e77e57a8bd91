"""Orders: members place, pay, cancel and receive; staff ship and refund."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request, Role
from fenxiao.http.pages import PAGE_QUERY, Page
from fenxiao.order.addresses import add_address
from fenxiao.order.close import cancel
from fenxiao.order.contract import (
    AddressView,
    NewAddress,
    OrderDetail,
    OrderView,
    PlaceOrder,
    RefundView,
    RequestRefund,
    Ship,
    address_view,
    order_detail,
    order_page,
    order_view,
    refund_view,
)
from fenxiao.order.delivery import confirm_receipt, ship
from fenxiao.order.place import place
from fenxiao.order.prepay import prepay
from fenxiao.order.reading import named_order, own_order
from fenxiao.order.refunding import create_refund
from fenxiao.wechat.facts import PaymentParameters

api = Api("order")
_OPERATORS = frozenset({Role.OPERATIONS})
_REFUNDERS = frozenset({Role.OPERATIONS, Role.FINANCE})


@api.route("POST", "/addresses", "新增收货地址", Auth.MEMBER, body=NewAddress, returns=AddressView, status=201)
def add(request: Request[NewAddress]) -> AddressView:
    """Keep an address."""
    return add_address(wiring.addresses(), request.principal.id, request.body)


@api.route("GET", "/addresses", "我的收货地址", Auth.MEMBER, returns=list[AddressView])
def addresses(request: Request[None]) -> list[AddressView]:
    """Answer the member's addresses."""
    kept = wiring.addresses().of_member(request.principal.id)
    return [address_view(address_id, address) for address_id, address in kept.items()]


@api.route("POST", "/orders", "下单", Auth.MEMBER, body=PlaceOrder, returns=OrderView, status=201, idempotent=True)
def place_order(request: Request[PlaceOrder]) -> OrderView:
    """Place an order."""
    return order_view(place(wiring.shop(), request.principal.id, request.idempotency_key, request.body))


@api.route("GET", "/orders", "我的订单", Auth.MEMBER, returns=Page[OrderView], query=PAGE_QUERY)
def orders(request: Request[None]) -> Page[OrderView]:
    """Answer a page of the member's orders, newest first."""
    return order_page(request.principal.id, request.query, wiring.orders())


@api.route("GET", "/orders/{order_id}", "订单详情", Auth.MEMBER, returns=OrderDetail)
def order(request: Request[None]) -> OrderDetail:
    """Answer one of the member's orders."""
    found = own_order(wiring.orders(), request.principal.id, request.path["order_id"])
    return order_detail(found, wiring.orders().refunds(found.order_id))


@api.route("POST", "/orders/{order_id}/prepay", "发起支付", Auth.MEMBER, returns=PaymentParameters)
def prepay_order(request: Request[None]) -> PaymentParameters:
    """Answer what `wx.requestPayment` takes."""
    return prepay(wiring.cashier(), request.principal.id, request.path["order_id"])


@api.route("POST", "/orders/{order_id}/cancellation", "取消订单", Auth.MEMBER, returns=OrderView)
def cancel_order(request: Request[None]) -> OrderView:
    """Cancel an order that is not paid."""
    return order_view(cancel(wiring.closer(), request.principal.id, request.path["order_id"]))


@api.route("POST", "/orders/{order_id}/receipt", "确认收货", Auth.MEMBER, returns=OrderView)
def receive_order(request: Request[None]) -> OrderView:
    """Confirm the receipt."""
    now = wiring.clock().now()
    return order_view(confirm_receipt(wiring.orders(), request.principal.id, request.path["order_id"], now))


@api.route("GET", "/staff/orders/{order_id}", "订单详情（员工）", Auth.STAFF, returns=OrderDetail)
def any_order(request: Request[None]) -> OrderDetail:
    """Answer any order."""
    order = named_order(wiring.orders(), request.path["order_id"])
    return order_detail(order, wiring.orders().refunds(order.order_id))


@api.route(
    "POST", "/staff/orders/{order_id}/shipment", "发货", Auth.STAFF, roles=_OPERATORS, body=Ship, returns=OrderView
)
def ship_order(request: Request[Ship]) -> OrderView:
    """Ship a paid order."""
    body = request.body
    return order_view(ship(wiring.dispatch(), request.path["order_id"], body.carrier, body.tracking_number))


@api.route(
    "POST",
    "/staff/orders/{order_id}/refunds",
    "退款",
    Auth.STAFF,
    roles=_REFUNDERS,
    body=RequestRefund,
    returns=RefundView,
    status=202,
    idempotent=True,
)
def refund_order(request: Request[RequestRefund]) -> RefundView:
    """Create a refund; WeChat is asked for it at once, and its word ends it."""
    order_id, key = request.path["order_id"], request.idempotency_key
    return refund_view(create_refund(wiring.bookkeeper(), order_id, key, request.body))


lambda_handler = api.handler
