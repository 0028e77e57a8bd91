from datetime import timedelta

import pytest

from fenxiao.commission.follow import follow
from fenxiao.commission.settlement import Settler
from fenxiao.commission.store import RuleStore
from fenxiao.ledger.model import Wallet, WalletKey
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.delivery import confirm_receipt
from fenxiao.order.model import Order, OrderStatus, Work
from fenxiao.wechat.facts import ShippedOrder
from tests.support.world import NOW, released, rule_set
from tests.unit.order.shopfloor import ShippingSide, ShopFloor

pytestmark = pytest.mark.usefixtures("tables")


class Shipping(ShippingSide):
    """WeChat has released the funds of every order, except that it fails for the sick one."""

    sick = ""

    def status(self, order_id: str) -> ShippedOrder | None:
        if order_id == self.sick:
            raise RuntimeError("no answer that anybody understands")
        return ShippedOrder(out_trade_no=order_id, settled_at=NOW)


@pytest.fixture
def floor() -> ShopFloor:
    floor = ShopFloor()
    floor.family()
    return floor


@pytest.fixture
def settler(floor: ShopFloor) -> Settler:
    rules = RuleStore()
    rules.publish(released(rule_set()))
    return Settler(floor.orders, LedgerStore(), rules, floor.members, Shipping(), floor.clock)


def received(floor: ShopFloor, settler: Settler) -> Order:
    order = floor.paid([(floor.product(10_000), 1)])
    follow(order.order_id, floor.orders, settler.ledger, settler.rules)
    floor.shipped(order)
    return confirm_receipt(floor.orders, "MD", order.order_id, floor.clock.now())


def test_an_order_settles_once_its_hold_has_passed(floor: ShopFloor, settler: Settler) -> None:
    order = received(floor, settler)
    assert settler.run() == 0
    assert settler.ledger.wallet(WalletKey("MC")) == Wallet(held_fen=1000)
    floor.clock.advance(days=7)
    for _ in range(2):
        assert settler.run() == 0
    assert settler.ledger.wallet(WalletKey("MC")) == Wallet(available_fen=1000)
    assert floor.orders.order(order.order_id).status is OrderStatus.SETTLED
    assert list(floor.orders.due(Work.SETTLE, floor.clock.now() + timedelta(days=99), 10)) == []


def test_one_orders_fault_holds_up_no_other_and_is_tried_again(floor: ShopFloor, settler: Settler) -> None:
    sick, healthy = received(floor, settler), received(floor, settler)
    floor.clock.advance(days=7)
    assert isinstance(settler.shipping, Shipping)
    settler.shipping.sick = sick.order_id
    assert settler.run() == 1
    assert floor.orders.order(healthy.order_id).status is OrderStatus.SETTLED
    assert settler.run() == 0, "it would stand before those that can be done"
    settler.shipping.sick = ""
    floor.clock.advance(minutes=15)
    assert settler.run() == 0
    assert floor.orders.order(sick.order_id).status is OrderStatus.SETTLED
