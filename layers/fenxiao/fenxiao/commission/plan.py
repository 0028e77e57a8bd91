"""Which journals an order still needs: target − posted, for every event that has happened (M1, M2, M5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from fenxiao.clock import shanghai_day
from fenxiao.commission.rules import RuleSet
from fenxiao.commission.sale import Sale, sale_of
from fenxiao.commission.split import split
from fenxiao.ledger.errors import ContradictionError
from fenxiao.ledger.model import Entry, Journal, WalletKey, cause_hash
from fenxiao.ledger.target import Position, position
from fenxiao.order.model import Order, Payment, Refund, RefundStatus

EARN: Final = "earn"
SETTLE: Final = "settle"
DENY: Final = "deny"
_REFUND: Final = "refund#"
_RELEASE: Final = "release#"


class Settlement(Struct, frozen=True):
    """An order is due to settle: when, and for whom not, because the member is suspended (M17)."""

    at: datetime
    withheld: frozenset[str] = frozenset()


class _Course(Struct):
    """An order on its way through its events."""

    order: Order
    payment: Payment
    sale: Sale
    rules: RuleSet | None
    books: Position
    posted: Mapping[str, Journal]
    """What stands in the books, by event."""
    left: list[int]
    denied: bool
    entries: list[Entry]
    contradicted: list[Entry]

    @property
    def target(self) -> Mapping[WalletKey, int]:
        """What everybody should have got of what is left; nobody gets anything of a denied order (M16)."""
        return {} if self.denied else split(self.sale, self.left, self.rules)

    def post(self, event: str, cause: Mapping[str, str | int], at: datetime, sale_fen: int = 0) -> None:
        """Plan the journal that brings the books to the target, unless it stands; then only compare its cause (M3)."""
        standing = self.posted.get(event)
        if standing and standing.hash == cause_hash(event, cause):
            return
        movements, platform = ((), {}) if standing else self.books.move_to(self.target)
        entry = Entry(
            collection=collection_of(self.order.order_id),
            number=standing.number if standing else self.books.next_number,
            event=event,
            cause=cause,
            at=at,
            movements=movements,
            platform=platform,
            may_owe=True,
            sale_fen=sale_fen,
            paid_day=shanghai_day(self.payment.paid_at).isoformat(),
        )
        if standing:
            self.contradicted.append(entry)
        else:
            self.entries.append(self.books.note(entry))


def collection_of(order_id: str) -> str:
    """Return the name of an order's collection of journals."""
    return f"order#{order_id}"


def refund_event(refund_id: str) -> str:
    """Return the event of a refund's journal."""
    return _REFUND + refund_id


def plan(
    order: Order,
    refunds: Sequence[Refund],
    journals: Sequence[Journal],
    rules: RuleSet | None,
    settlement: Settlement | None = None,
) -> list[Entry]:
    """Return the entries that bring the books of an order to where its events have come, in order.

    Earning comes first even when a refund is known before it; then each refund that WeChat reported as successful and
    that is not posted; then the denial of its commissions, if a case rejected them; then, if asked for and no refund is
    pending, the settlement.

    Args:
        order: A paid order that earns.
        refunds: All its refunds.
        journals: Its collection, read consistently.
        rules: The version in force when it was paid.
        settlement: Given when the order is due to settle, or was settled and may release what it withheld.

    Raises:
        ContradictionError: events stand in the books with another cause (M3); nothing is to be posted.
    """
    payment = order.payment
    if payment is None or not payment.earns:
        return []
    posted = {journal.event: journal for journal in journals}
    left = [line.paid_fen for line in order.lines]
    books = position(journals, SETTLE)
    course = _Course(order, payment, sale_of(order), rules, books, posted, left, DENY in posted, [], [])
    course.post(EARN, earn_cause(order, payment, rules), payment.paid_at, order.total_fen)
    _take_back(course, refunds)
    if order.denial:
        course.denied = True
        course.post(DENY, {"case_id": order.denial.case_id}, order.denial.at)
    if course.contradicted:
        raise ContradictionError(course.contradicted)
    pending = any(refund.status is RefundStatus.PENDING for refund in refunds)
    if settlement is not None and not pending:
        _settle(course, settlement)
    return course.entries


def earn_cause(order: Order, payment: Payment, rules: RuleSet | None) -> dict[str, str | int]:
    """Return the canonical cause of the earning: ids, amounts and snapshot versions only (M3)."""
    return {
        "order_id": order.order_id,
        "transaction_id": payment.transaction_id,
        "line_fens": ",".join(str(line.paid_fen) for line in order.lines),
        "chain": ",".join(upline.member_id for upline in order.chain),
        "rule_version": rules.version if rules else 0,
    }


def _take_back(course: _Course, refunds: Sequence[Refund]) -> None:
    """Post what each successful refund takes back; those that are posted already come first."""
    done = [refund for refund in refunds if refund.status is RefundStatus.SUCCEEDED]
    for refund in sorted(done, key=lambda one: (refund_event(one.refund_id) not in course.posted, one.refund_id)):
        course.left = [before - taken for before, taken in zip(course.left, refund.line_fens, strict=True)]
        cause = {"refund_id": refund.refund_id, "line_fens": ",".join(map(str, refund.line_fens))}
        course.post(refund_event(refund.refund_id), cause, refund.ended_at or refund.requested_at, -refund.amount_fen)


def _settle(course: _Course, settlement: Settlement) -> None:
    """Post the settlement, or the release of those whom it withheld and who may be paid now."""
    books, cause = course.books, {"order_id": course.order.order_id}
    if not books.is_settled:
        books.settle(settlement.withheld, course.target)
        course.post(SETTLE, cause, settlement.at)
        return
    holding = {key.member_id for key, fen in books.held.items() if fen}  # refunds may have taken what was withheld
    for member_id in sorted((books.withheld & holding) - settlement.withheld):
        books.withheld.discard(member_id)
        course.post(_RELEASE + member_id, cause, settlement.at)
