from datetime import timedelta

import pytest
from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction
from fenxiao.order.close import cancel
from fenxiao.order.errors import OrderNotFoundError, PaymentMismatchError
from fenxiao.order.mismatch import PAYMENT_MISMATCH
from fenxiao.order.model import OrderStatus, RefundStatus, Work
from fenxiao.order.payment import record_payment
from fenxiao.order.store import order_from_image
from fenxiao.relation.model import Standing, StandingChange, Tier
from fenxiao.relation.tier import set_tier
from fenxiao.wechat.facts import PaymentResult
from tests.unit.order.shopfloor import ShopFloor, meanwhile, raw


def test_payment_freezes_what_its_instant_decides(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])
    floor.clock.advance(minutes=5)
    result = floor.pays(order)
    later = StandingChange(since=floor.clock.now() + timedelta(seconds=1), standing=Standing.SUSPENDED)
    b = floor.members.get("MB")
    assert b
    floor.members.change_standings(b, (*b.standings, later))
    floor.clock.advance(hours=2)

    paid = record_payment(floor.books, result)

    assert paid.status is OrderStatus.PAID
    assert paid.payment
    assert paid.payment.paid_at == result.success_time
    assert [(one.member_id, one.standing) for one in paid.payment.standings] == [
        ("MD", Standing.SHOPPER),
        ("MC", Standing.PROMOTER),
        ("MB", Standing.PROMOTER),
        ("MA", Standing.PROMOTER),
    ]
    assert paid.payment.earns
    assert paid.due
    assert (paid.due.work, paid.due.at) == (Work.EARN, floor.clock.now() + timedelta(minutes=10))
    assert order_from_image(raw(order.order_id, "order")) == floor.orders.order(order.order_id) == paid


@pytest.mark.rule("M10")
def test_payment_freezes_the_tier_of_its_instant(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])
    set_tier("MC", Tier.GOLD, "S1", "业绩达标", floor.members, floor.clock)
    floor.clock.advance(minutes=5)
    result = floor.pays(order)
    floor.clock.advance(hours=2)
    for member_id in ("MC", "MB"):
        set_tier(member_id, Tier.SILVER, "S1", "业绩回落", floor.members, floor.clock)

    paid = record_payment(floor.books, result)

    assert paid.payment
    assert {one.member_id: one.tier for one in paid.payment.standings} == {
        "MD": Tier.STANDARD,
        "MC": Tier.GOLD,
        "MB": Tier.STANDARD,
        "MA": Tier.STANDARD,
    }


@pytest.mark.rule("M18")
def test_only_the_first_paid_order_is_the_first(floor: ShopFloor) -> None:
    tea = floor.product()
    first, second = floor.paid([(tea, 1)]), floor.paid([(tea, 1)])

    assert first.payment
    assert first.payment.first_order
    assert second.payment
    assert not second.payment.first_order
    buyer = floor.members.get("MD")
    assert buyer
    assert (buyer.first_paid_order_id, buyer.first_paid_at) == (first.order_id, first.payment.paid_at)


def test_a_first_order_claimed_by_another_in_the_same_moment_is_not_claimed_twice(
    floor: ShopFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tea = floor.product()
    mine, rival = floor.place([(tea, 1)]), floor.place([(tea, 1)])
    meanwhile(monkeypatch, Transaction, "commit", lambda: record_payment(floor.books, floor.pays(rival)))

    paid = record_payment(floor.books, floor.pays(mine))

    assert paid.payment
    assert not paid.payment.first_order
    rivals = floor.orders.order(rival.order_id).payment
    assert rivals
    assert rivals.first_order


def test_the_same_notification_again_changes_nothing(floor: ShopFloor) -> None:
    paid = floor.paid([(floor.product(), 1)])
    floor.clock.advance(hours=1)

    assert record_payment(floor.books, floor.wechat.payments[paid.order_id]) == paid
    assert floor.orders.order(paid.order_id) == paid


def test_an_unsuccessful_payment_changes_nothing(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])
    unpaid = PaymentResult(out_trade_no=order.order_id, success=False, trade_state="NOTPAY")

    assert record_payment(floor.books, unpaid) == order


def test_an_unknown_order_is_refused_so_that_wechat_tells_again(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])

    with pytest.raises(OrderNotFoundError):
        record_payment(floor.books, replace(floor.pays(order), out_trade_no="T" + "0" * 26))


@pytest.mark.parametrize(
    ("lie", "what"),
    [
        ({"total_fen": 999}, "amount"),
        ({"total_fen": 1001}, "amount"),
        ({"total_fen": None}, "amount"),
        ({"payer_openid": "openid-MC"}, "payer"),
        ({"payer_openid": None}, "payer"),
        ({"transaction_id": None}, "incomplete"),
        ({"success_time": None}, "incomplete"),
    ],
)
def test_a_payment_that_differs_is_refused_and_becomes_a_case(
    floor: ShopFloor, lie: dict[str, object], what: str
) -> None:
    order = floor.place([(floor.product(1000), 1)])
    result = floor.pays(order, **lie)

    for _ in range(2):
        with pytest.raises(PaymentMismatchError):
            record_payment(floor.books, result)

    assert floor.orders.order(order.order_id) == order
    (case,) = floor.mismatches(PAYMENT_MISMATCH)
    assert case.facts == {
        "order_id": order.order_id,
        "reference": result.transaction_id or "unknown",
        "what": what,
        "expected_fen": 1000,
        "reported_fen": result.total_fen or 0,
    }
    buyer = floor.members.get("MD")
    assert buyer
    assert buyer.first_paid_order_id is None


def test_a_second_payment_of_a_paid_order_is_becomes_a_case(floor: ShopFloor) -> None:
    paid = floor.paid([(floor.product(), 1)])

    with pytest.raises(PaymentMismatchError):
        record_payment(floor.books, floor.pays(paid, transaction_id="4200other"))

    assert floor.orders.order(paid.order_id) == paid
    assert [case.facts["reference"] for case in floor.mismatches(PAYMENT_MISMATCH)] == ["4200other"]


def test_a_payment_after_the_close_is_refunded_in_full_and_earns_nothing(floor: ShopFloor) -> None:
    tea = floor.product(1000, stock=10)
    order = floor.place([(tea, 2), (floor.product(500), 1)])
    cancel(floor.closer, "MD", order.order_id)
    result = floor.pays(order)

    for _ in range(2):
        late = record_payment(floor.books, result)

    assert late.status is OrderStatus.CLOSED
    assert late.payment
    assert not late.payment.earns
    assert not late.payment.first_order
    assert [line.refund_pending_fen for line in late.lines] == [2000, 500]
    (refund,) = floor.orders.refunds(order.order_id)
    assert (refund.status, refund.line_fens, refund.amount_fen) == (RefundStatus.PENDING, (2000, 500), 2500)
    assert refund.due
    assert refund.due.work is Work.REFUND
    assert floor.left(tea) == 10
    buyer = floor.members.get("MD")
    assert buyer
    assert buyer.first_paid_order_id is None


def test_an_upline_whose_record_is_gone_counts_as_a_shopper(floor: ShopFloor) -> None:
    floor.member("ME", "MX")
    order = floor.paid([(floor.product(), 1)], "ME")

    assert order.payment
    assert [one.standing for one in order.payment.standings] == [Standing.PROMOTER, Standing.SHOPPER]
