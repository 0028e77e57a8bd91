from datetime import timedelta
from functools import partial

import pytest

from fenxiao.errors import IdempotencyKeyReusedError
from fenxiao.order.contract import LineRefund, RequestRefund
from fenxiao.order.errors import (
    BadRefundError,
    NotRefundableError,
    OrderNotFoundError,
    RefundMismatchError,
    RefundNotFoundError,
    RefundTooLargeError,
)
from fenxiao.order.mismatch import REFUND_MISMATCH
from fenxiao.order.model import Order, Refund, RefundStatus, Work
from fenxiao.order.refunding import MAX_REFUNDS, create_refund, record_refund
from fenxiao.order.store import OrderStore
from tests.unit.order.shopfloor import ShopFloor, meanwhile


@pytest.fixture
def order(floor: ShopFloor) -> Order:
    """Paid: 2 000 and 1 000 fen."""
    return floor.paid([(floor.product(1000), 2), (floor.product(1000), 1)])


def by_line(*amounts: tuple[int, int]) -> RequestRefund:
    return RequestRefund(reason="破损", lines=[LineRefund(line, fen) for line, fen in amounts])


def by_amount(amount_fen: int) -> RequestRefund:
    return RequestRefund(reason="破损", amount_fen=amount_fen)


ALL = RequestRefund(reason="破损", all=True)


def pending_fens(floor: ShopFloor, order: Order) -> list[int]:
    return [line.refund_pending_fen for line in floor.orders.order(order.order_id).lines]


def create(floor: ShopFloor, order: Order, request: RequestRefund, key: str = "refund-1") -> Refund:
    return create_refund(floor.books, order.order_id, key, request)


def test_a_refund_is_allocated_when_created_and_sets_its_amounts_aside(floor: ShopFloor, order: Order) -> None:
    refund = create(floor, order, by_amount(1001))

    assert refund.line_fens == (667, 334)
    assert refund.status is RefundStatus.PENDING
    assert refund.due
    assert (refund.due.work, refund.due.at) == (Work.REFUND, floor.clock.now() + timedelta(minutes=15))
    assert pending_fens(floor, order) == [667, 334]
    assert floor.orders.order_with_refunds(order.order_id)[1] == [refund]


def test_lines_and_all_take_what_they_say(floor: ShopFloor, order: Order) -> None:
    assert create(floor, order, by_line((1, 400)), "key-line-1").line_fens == (0, 400)
    assert create(floor, order, ALL, "key-rest-1").line_fens == (2000, 600)
    with pytest.raises(RefundTooLargeError):
        create(floor, order, ALL, "key-rest-2")


def test_the_same_key_gives_the_same_refund_and_another_content_is_refused(floor: ShopFloor, order: Order) -> None:
    first = create(floor, order, by_amount(300))

    assert create(floor, order, by_amount(300)) == first
    with pytest.raises(IdempotencyKeyReusedError):
        create(floor, order, by_amount(301))
    assert sum(pending_fens(floor, order)) == 300


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (by_amount(3001), RefundTooLargeError),
        (by_line((0, 2001)), RefundTooLargeError),
        (by_line((2, 1)), BadRefundError),
        (by_line((0, 1), (0, 2)), BadRefundError),
        (RequestRefund(reason="破损"), BadRefundError),
        (RequestRefund(reason="破损", amount_fen=1, all=True), BadRefundError),
    ],
)
def test_bad_refunds_are_refused_and_set_nothing_aside(
    floor: ShopFloor, order: Order, request_: RequestRefund, error: type[Exception]
) -> None:
    with pytest.raises(error):
        create(floor, order, request_)
    assert pending_fens(floor, order) == [0, 0]


def test_what_was_not_paid_or_does_not_exist_is_not_refunded(floor: ShopFloor) -> None:
    with pytest.raises(NotRefundableError):
        create(floor, floor.place([(floor.product(), 1)]), ALL)
    with pytest.raises(OrderNotFoundError):
        create_refund(floor.books, "nonsense", "refund-1", ALL)


def test_more_refunds_than_wechat_allows_are_refused(floor: ShopFloor, order: Order) -> None:
    for number in range(MAX_REFUNDS):
        create(floor, order, by_amount(1), f"refund-{number:03d}")

    with pytest.raises(NotRefundableError):
        create(floor, order, by_amount(1), "one-too-many")


def test_success_moves_the_amounts_once_and_keeps_wechats_time(floor: ShopFloor, order: Order) -> None:
    refund = create(floor, order, by_line((0, 500)))
    result = floor.refund_result(refund)
    floor.clock.advance(minutes=3)

    for _ in range(2):
        ended = record_refund(floor.books, result)

    assert ended.status is RefundStatus.SUCCEEDED
    assert ended.ended_at == result.success_time
    assert ended.due
    assert (ended.due.work, ended.due.at) == (Work.CLAWBACK, floor.clock.now() + timedelta(minutes=10))
    line = floor.orders.order(order.order_id).lines[0]
    assert (line.refunded_fen, line.refund_pending_fen, line.left_fen) == (500, 0, 1500)


def test_a_closed_refund_gives_its_amounts_back(floor: ShopFloor, order: Order) -> None:
    refund = create(floor, order, ALL)

    failed = record_refund(floor.books, floor.refund_result(refund, "CLOSED"))

    assert (failed.status, failed.ended_at, failed.due) == (RefundStatus.FAILED, None, None)
    assert floor.orders.order(order.order_id).refundable_fen == 3000
    assert create(floor, order, ALL, "refund-2").amount_fen == 3000


@pytest.mark.parametrize("status", ["PROCESSING", "ABNORMAL"])
def test_what_is_not_over_stays_pending(floor: ShopFloor, order: Order, status: str) -> None:
    refund = create(floor, order, ALL)

    assert record_refund(floor.books, floor.refund_result(refund, status)) == refund
    assert record_refund(floor.books, floor.refund_result(refund)).status is RefundStatus.SUCCEEDED


@pytest.mark.rule("M15")
def test_an_unknown_refund_is_refused_and_becomes_a_case(floor: ShopFloor, order: Order) -> None:
    refund = create(floor, order, ALL)

    with pytest.raises(RefundNotFoundError):
        record_refund(floor.books, floor.refund_result(refund, out_refund_no="by-hand-1"))

    assert [case.facts["reference"] for case in floor.mismatches(REFUND_MISMATCH)] == ["by-hand-1"]
    assert pending_fens(floor, order) == [2000, 1000]


def test_a_refund_of_another_amount_or_with_another_end_is_refused(floor: ShopFloor, order: Order) -> None:
    refund = create(floor, order, by_amount(300))

    with pytest.raises(RefundMismatchError):
        record_refund(floor.books, floor.refund_result(refund, refund_fen=301))
    record_refund(floor.books, floor.refund_result(refund))
    before = floor.orders.order(order.order_id)
    with pytest.raises(RefundMismatchError):
        record_refund(floor.books, floor.refund_result(refund, "CLOSED"))
    assert floor.orders.order(order.order_id) == before


def test_two_refunds_at_once_never_take_more_than_there_is(
    floor: ShopFloor, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    rival = partial(create, floor, order, by_amount(2500), "the-rival")
    meanwhile(monkeypatch, OrderStore, "refunds", rival, after=True)

    with pytest.raises(RefundTooLargeError):
        create(floor, order, by_amount(2500))
    assert sum(pending_fens(floor, order)) == 2500


def test_refunds_work_before_and_after_the_receipt(floor: ShopFloor, order: Order) -> None:
    received = floor.received(order)
    floor.orders.mark_settled(order.order_id, floor.clock.now())

    refund = create(floor, received, by_amount(1))

    assert record_refund(floor.books, floor.refund_result(refund)).status is RefundStatus.SUCCEEDED
    assert floor.orders.order(order.order_id).settled_at
