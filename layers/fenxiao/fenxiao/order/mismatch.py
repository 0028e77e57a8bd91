"""What WeChat reports and does not agree with our orders: nothing is booked, a case is opened, an alarm goes off."""

from typing import Final

from fenxiao.observability import count
from fenxiao.order.ports import Bookkeeper

PAYMENT_MISMATCH: Final = "payment_mismatch"
REFUND_MISMATCH: Final = "refund_mismatch"
"""Kinds of cases that this room opens."""

_METRICS: Final = {PAYMENT_MISMATCH: "PaymentMismatch", REFUND_MISMATCH: "RefundMismatch"}


def report_mismatch(
    books: Bookkeeper, kind: str, order_id: str, reference: str, what: str, *, expected_fen: int, reported_fen: int
) -> None:
    """Open the case on a report of WeChat's; the same report again finds the case that it opened.

    Args:
        books: What it takes to take in a report.
        kind: One of this module's kinds.
        order_id: The order that the report names.
        reference: WeChat's number of the payment, or the refund's number.
        what: What does not agree.
        expected_fen: The amount that we know of.
        reported_fen: The amount that WeChat reports.
    """
    from fenxiao.review.cases import Matter, opened  # needed once in a blue moon, paid for by every cold start

    matter = Matter(
        kind=kind,
        subject_id=f"{order_id}/{reference}",
        person="",
        facts={
            "order_id": order_id,
            "reference": reference,
            "what": what,
            "expected_fen": expected_fen,
            "reported_fen": reported_fen,
        },
        required_approvals=1,
    )
    books.cases.open(opened(matter, books.clock.now(), books.review_time))
    count(_METRICS[kind])
