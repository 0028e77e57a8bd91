"""Refunds: created by staff, asked for at WeChat, ended by WeChat's word alone (M2, M15)."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from fenxiao.aws.dynamodb import Transaction
from fenxiao.errors import IdempotencyKeyReusedError
from fenxiao.ids import Kind, derived_id
from fenxiao.observability import count
from fenxiao.order.allocation import by_amount, by_line, whole
from fenxiao.order.contract import RequestRefund
from fenxiao.order.course import REFUND_GRACE, failed, pending, refunded, released, succeeded
from fenxiao.order.errors import BadRefundError, NotRefundableError, RefundMismatchError, RefundNotFoundError
from fenxiao.order.mismatch import REFUND_MISMATCH, report_mismatch
from fenxiao.order.model import Due, Order, Refund, RefundStatus, Work
from fenxiao.order.ports import Bookkeeper, RefundPort
from fenxiao.order.reading import named_order
from fenxiao.order.store import Change, OrderStore, end_refund, put_refund
from fenxiao.wechat.facts import RefundResult

MAX_REFUNDS: Final = 50
"""WeChat Pay allows so many refunds of one payment."""


class WeChatStatus(StrEnum):
    """Where a refund stands at WeChat (Pay v3, `refund/domestic/refunds`)."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"
    ABNORMAL = "ABNORMAL"


def create_refund(books: Bookkeeper, order_id: str, key: str, request: RequestRefund) -> Refund:
    """Create a refund; its stream record carries the request to WeChat. The same key and content give the same refund.

    Raises:
        OrderNotFoundError: there is no such order.
        BadRefundError: the request names not exactly one kind of amount, a line twice, or no line of the order.
        NotRefundableError: the order was never paid, or has had as many refunds as WeChat allows.
        RefundTooLargeError: less is left than is to be refunded.
        IdempotencyKeyReusedError: the key stands for another refund.
    """
    order = named_order(books.orders, order_id)
    refund_id = derived_id(Kind.REFUND, order.order_id, key)
    request_hash = hashlib.sha256(msgspec.json.encode(request)).hexdigest()[:32]
    draft = _Draft(refund_id, request_hash, request, books.clock.now())
    books.orders.alter(order_id, lambda order: _creation(books.orders, order, draft))
    refund = books.orders.refund(order_id, refund_id)
    if refund is None:
        raise RefundNotFoundError
    return refund


def request_refund(books: Bookkeeper, port: RefundPort, order_id: str, refund_id: str) -> None:
    """Ask WeChat for a refund that has not ended, and take in the answer; asking again is harmless."""
    order, refund = books.orders.order(order_id), books.orders.refund(order_id, refund_id)
    if refund is None or refund.status is not RefundStatus.PENDING:
        return
    result = port.request(refund_id, order_id, refund.amount_fen, order.total_fen, refund.reason)
    record_refund(books, result)


def record_refund(books: Bookkeeper, result: RefundResult) -> Refund:
    """Take in where a refund stands at WeChat; the same word again changes nothing.

    SUCCESS ends it, CLOSED ends it without effect. ABNORMAL does not: the money is still to be paid out by the merchant
    at WeChat's own desk, after which SUCCESS follows.

    Raises:
        RefundNotFoundError: we gave no such number: it becomes a case, and WeChat will tell again (M15).
        RefundMismatchError: the amount is not ours, or another end stands; it becomes a case and is not booked.
    """
    refund = books.orders.refund(result.out_trade_no, result.out_refund_no)
    if refund is None:
        count("UnknownRefund")
        if books.orders.find(result.out_trade_no):
            _report(books, result, "unknown_refund", 0)
        raise RefundNotFoundError
    if result.refund_fen != refund.amount_fen:
        raise _mismatch(books, result, "refund_amount", refund)
    match result.status:
        case WeChatStatus.SUCCESS:
            end = succeeded(refund, result.success_time or books.clock.now(), books.clock.now())
            _end(books, result, end, refunded)
        case WeChatStatus.CLOSED:
            count("RefundFailed")
            _end(books, result, failed(refund), released)
        case WeChatStatus.ABNORMAL:
            count("RefundAbnormal")
        case _:
            pass
    return books.orders.refund(result.out_trade_no, result.out_refund_no) or refund


class _Draft(Struct, frozen=True):
    refund_id: str
    request_hash: str
    request: RequestRefund
    now: datetime


def _creation(orders: OrderStore, order: Order, draft: _Draft) -> Change:
    refunds = {refund.refund_id: refund for refund in orders.refunds(order.order_id)}
    if draft.refund_id in refunds:
        if refunds[draft.refund_id].request_hash != draft.request_hash:
            raise IdempotencyKeyReusedError
        return Change(order)
    if order.payment is None or len(refunds) >= MAX_REFUNDS:
        raise NotRefundableError
    refund = Refund(
        refund_id=draft.refund_id,
        order_id=order.order_id,
        line_fens=_allocation(order, draft.request),
        reason=draft.request.reason,
        status=RefundStatus.PENDING,
        requested_at=draft.now,
        request_hash=draft.request_hash,
        due=Due(work=Work.REFUND, at=draft.now + REFUND_GRACE),
    )

    def put(transaction: Transaction) -> None:
        put_refund(transaction, refund)

    return Change(pending(order, refund), put)


def _allocation(order: Order, request: RequestRefund) -> tuple[int, ...]:
    given = [request.lines is not None, request.amount_fen is not None, request.all]
    if sum(given) != 1:
        raise BadRefundError("lines、amount_fen 和 all 只能且必须填写一项")
    if request.amount_fen is not None:
        return by_amount(order.lines, request.amount_fen)
    if request.lines is None:
        return whole(order.lines)
    amounts = {line.line: line.amount_fen for line in request.lines}
    if len(amounts) != len(request.lines):
        raise BadRefundError
    return by_line(order.lines, amounts)


def _end(books: Bookkeeper, result: RefundResult, end: Refund, effect: Callable[[Order, Refund], Order]) -> None:
    """Write a refund's end and its effect on the order in one transaction, once."""

    def decide(order: Order) -> Change:
        refund = books.orders.refund(end.order_id, end.refund_id)
        if refund is None or refund.status is end.status:
            return Change(order)
        if refund.status is not RefundStatus.PENDING:
            raise _mismatch(books, result, "refund_end", refund)

        def add(transaction: Transaction) -> None:
            end_refund(transaction, refund, end)

        return Change(effect(order, refund), add)

    books.orders.alter(end.order_id, decide)


def _mismatch(books: Bookkeeper, result: RefundResult, what: str, refund: Refund) -> RefundMismatchError:
    _report(books, result, what, refund.amount_fen)
    return RefundMismatchError(what)


def _report(books: Bookkeeper, result: RefundResult, what: str, expected_fen: int) -> None:
    report_mismatch(
        books,
        REFUND_MISMATCH,
        result.out_trade_no,
        result.out_refund_no,
        what,
        expected_fen=expected_fen,
        reported_fen=result.refund_fen,
    )
