"""The order stream's consumer: which changes matter to the ledger."""

from collections.abc import Mapping
from typing import Any

from fenxiao.aws.streams import Change, changes, consume, consume_folded, park
from fenxiao.commission.follow import earnings, follow
from fenxiao.commission.store import RuleStore
from fenxiao.ledger.contradiction import report_contradiction
from fenxiao.ledger.errors import ContradictionError
from fenxiao.ledger.model import Entry
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.model import Order, RefundStatus
from fenxiao.order.store import OrderStore, order_from_image, refund_from_image
from fenxiao.review.docket import Docket


def follow_changes(
    event: Mapping[str, Any], orders: OrderStore, ledger: LedgerStore, rules: RuleStore, docket: Docket
) -> None:
    """Post the earnings of all newly paid orders in one batch, then what each ended refund takes back.

    What contradicts the books is not posted: it becomes a case, and its record is parked (M3).

    Raises:
        Exception: a passing fault; the batch is to be delivered again, and what was posted is recognised.
    """
    all_changes = changes(event)
    earned: list[tuple[Change, Entry]] = []
    contradicted: list[Entry] = []

    def earn(change: Change) -> None:
        order = newly_paid(change)
        if order:
            earned.extend((change, entry) for entry in earnings(order, rules))

    def claw_back(change: Change) -> None:
        order_id = newly_refunded(change)
        if order_id:
            try:
                follow(order_id, orders, ledger, rules)
            except ContradictionError as error:
                report_contradiction(error, ledger, docket)
                raise

    consume(all_changes, earn)
    consume_folded(earned, lambda entries: contradicted.extend(post_batch(ledger, entries).contradicted))
    for change, entry in earned:
        if entry in contradicted:
            error = ContradictionError([entry])
            report_contradiction(error, ledger, docket)
            park(change, error)
    consume(all_changes, claw_back)


def newly_paid(change: Change) -> Order | None:
    """Return the order if this change is its payment."""
    new = order_from_image(change.new) if change.new else None
    old = order_from_image(change.old) if change.old else None
    if new is None or new.payment is None or (old is not None and old.payment is not None):
        return None
    return new


def newly_refunded(change: Change) -> str | None:
    """Return the order's id if this change is WeChat's success of one of its refunds."""
    new = refund_from_image(change.new) if change.new else None
    old = refund_from_image(change.old) if change.old else None
    if new is None or new.status is not RefundStatus.SUCCEEDED or (old is not None and old.status is new.status):
        return None
    return new.order_id
