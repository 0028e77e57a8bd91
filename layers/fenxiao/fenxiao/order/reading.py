"""Reading an order on somebody's behalf."""

from fenxiao.ids import Kind, is_id
from fenxiao.order.errors import OrderNotFoundError
from fenxiao.order.model import Order
from fenxiao.order.store import OrderStore


def named_order(orders: OrderStore, order_id: str) -> Order:
    """Return the order that a caller names.

    Raises:
        OrderNotFoundError: there is none.
    """
    if not is_id(Kind.ORDER, order_id):
        raise OrderNotFoundError
    return orders.order(order_id)


def own_order(orders: OrderStore, member_id: str, order_id: str) -> Order:
    """Return the order that a member names as theirs.

    Raises:
        OrderNotFoundError: there is none, or it is somebody else's.
    """
    order = named_order(orders, order_id)
    if order.member_id != member_id:
        raise OrderNotFoundError
    return order
