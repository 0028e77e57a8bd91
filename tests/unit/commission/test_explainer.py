"""Who may read which explanation."""

from collections.abc import Callable, Iterator

import pytest

from fenxiao.commission.explain_contract import Explainer, commission_id_of
from fenxiao.commission.follow import follow
from fenxiao.errors import NotFoundError
from fenxiao.http.api import Auth, Principal
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.model import Order
from tests.support.engines import engine_in_memory
from tests.support.world import RulesInForce, rule_set
from tests.unit.order.shopfloor import ShopFloor

STAFF = Principal(Auth.STAFF, "S1", frozenset({"finance"}))


def member(member_id: str) -> Principal:
    return Principal(Auth.MEMBER, member_id)


@pytest.fixture
def floor() -> Iterator[ShopFloor]:
    with engine_in_memory():
        floor = ShopFloor()
        floor.family()
        floor.member("MX")
        yield floor


@pytest.fixture
def explainer(floor: ShopFloor) -> Explainer:
    return Explainer(floor.orders, LedgerStore(floor.clock), RulesInForce(rule_set(cashback_bps=100)))


@pytest.fixture
def order(floor: ShopFloor, explainer: Explainer) -> Order:
    order = floor.paid([(floor.product(10_000), 1)])
    follow(order.order_id, explainer.orders, explainer.ledger, explainer.rules)
    return order


def test_a_member_reads_their_own_part_and_staff_read_all(explainer: Explainer, order: Order) -> None:
    own = explainer.of_order(member("MB"), order.order_id).parts
    assert [(one.member_id, one.amount_fen, one.posted_fen) for one in own] == [("MB", 500, 500)]
    assert explainer.of_commission(member("MB"), own[0].commission_id).parts == own
    buyer = explainer.of_order(member("MD"), order.order_id).parts
    assert [(one.member_id, one.tax_class, one.amount_fen) for one in buyer] == [("MD", "rebate", 100)]
    assert [one.member_id for one in explainer.of_order(STAFF, order.order_id).parts] == ["MC", "MB", "MA", "MD"]
    everybodys = explainer.of_commission(STAFF, commission_id_of(order.order_id, "MA")).parts
    assert [one.amount_fen for one in everybodys] == [200]


def test_what_is_somebody_elses_looks_as_if_it_did_not_exist(
    floor: ShopFloor, explainer: Explainer, order: Order
) -> None:
    unpaid = floor.place([(floor.product(10_000), 1)])
    questions: list[Callable[[], object]] = [
        lambda: explainer.of_order(member("MX"), order.order_id),
        lambda: explainer.of_commission(member("MX"), commission_id_of(order.order_id, "MB")),
        lambda: explainer.of_commission(member("MB"), commission_id_of(order.order_id, "MA")),
        lambda: explainer.of_commission(STAFF, commission_id_of(order.order_id, "MX")),
        lambda: explainer.of_order(member("MB"), unpaid.order_id),
        lambda: explainer.of_order(member("MB"), "T" + "0" * 26),
        lambda: explainer.of_commission(member("MB"), f"{order.order_id}MMB"),
        lambda: explainer.of_commission(member("MB"), "nonsense"),
        lambda: explainer.of_order(member("MB"), "nonsense"),
    ]
    for ask in questions:
        with pytest.raises(NotFoundError):
            ask()
