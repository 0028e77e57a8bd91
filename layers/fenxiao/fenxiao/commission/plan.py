"""Which journals an order still needs: target − posted, for every event that has happened (M1, M2, M5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from fenxiao.commission.rules import RuleSet
from fenxiao.commission.split import split
from fenxiao.ledger.model import Bucket, Entry, Journal, Movement, Platform, WalletKey
from fenxiao.order.model import Order, Refund, RefundStatus

EARN: Final = "earn"
SETTLE: Final = "settle"
_REFUND: Final = "refund#"
_RELEASE: Final = "release#"


class Settlement(Struct, frozen=True):
    """An order is due to settle: when, and for whom not, because the member is suspended (M17)."""

    at: datetime
    withheld: frozenset[str] = frozenset()


class _Books(Struct):
    """What the order's journals, posted and planned, have given each beneficiary so far."""

    held: dict[str, int]
    settled: dict[str, int]
    next_number: int
    is_settled: bool
    withheld: set[str]
    """Beneficiaries whom the settlement passed over and who were not released since (M17)."""

    def is_settled_for(self, member_id: str) -> bool:
        """Tell whether this beneficiary's share is no longer held."""
        return self.is_settled and member_id not in self.withheld


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
    that is not posted; then, if asked for and no refund is pending, the settlement.

    Args:
        order: A paid order that earns.
        refunds: All its refunds.
        journals: Its collection, read consistently.
        rules: The version in force when it was paid.
        settlement: Given when the order is due to settle, or was settled and may release what it withheld.
    """
    if order.payment is None or not order.payment.earns:
        return []
    posted = {journal.event for journal in journals}
    books = _fold(journals)
    left = [line.paid_fen for line in order.lines]
    entries = []
    if EARN not in posted:
        target = split(order, left, rules)
        entries.append(
            _entry(order, books, EARN, _earn_cause(order, rules), order.payment.paid_at, target, order.total_fen)
        )
    done = [refund for refund in refunds if refund.status is RefundStatus.SUCCEEDED]
    for refund in sorted(done, key=lambda one: (refund_event(one.refund_id) not in posted, one.refund_id)):
        left = [before - taken for before, taken in zip(left, refund.line_fens, strict=True)]
        if refund_event(refund.refund_id) in posted:
            continue
        target = split(order, left, rules)
        cause = {"refund_id": refund.refund_id, "line_fens": ",".join(map(str, refund.line_fens))}
        at = refund.ended_at or refund.requested_at
        entries.append(_entry(order, books, refund_event(refund.refund_id), cause, at, target, -refund.amount_fen))
    pending = any(refund.status is RefundStatus.PENDING for refund in refunds)
    if settlement is not None and not pending:
        entries += _settle(order, books, split(order, left, rules), settlement)
    return entries


def _settle(order: Order, books: _Books, target: Mapping[str, int], settlement: Settlement) -> list[Entry]:
    """Return the settlement, or the release of those whom it withheld and who may be paid now."""
    cause = {"order_id": order.order_id}
    if not books.is_settled:
        books.is_settled = True
        books.withheld = {member_id for member_id in settlement.withheld if target.get(member_id)}
        return [_entry(order, books, SETTLE, cause, settlement.at, target, 0)]
    entries = []
    for member_id in sorted(books.withheld - settlement.withheld):
        books.withheld.discard(member_id)
        entries.append(_entry(order, books, _RELEASE + member_id, cause, settlement.at, target, 0))
    return entries


def _fold(journals: Sequence[Journal]) -> _Books:
    books = _Books({}, {}, len(journals), any(journal.event == SETTLE for journal in journals), set())
    for journal in journals:
        for posting in journal.postings:
            if not posting.member_id:
                continue
            side = books.held if posting.account == Bucket.HELD else books.settled
            side[posting.member_id] = side.get(posting.member_id, 0) + posting.amount_fen
    if books.is_settled:
        books.withheld = {member_id for member_id, fen in books.held.items() if fen}
    return books


def _entry(
    order: Order,
    books: _Books,
    event: str,
    cause: Mapping[str, str | int],
    at: datetime,
    target: Mapping[str, int],
    sale_fen: int,
) -> Entry:
    """Return the entry that moves the books to the target, and note it in the books."""
    movements = []
    for member_id in sorted({*books.held, *books.settled, *target}):
        aim = target.get(member_id, 0)
        settled_now = books.is_settled_for(member_id)
        held = (0 if settled_now else aim) - books.held.get(member_id, 0)
        settled = (aim if settled_now else 0) - books.settled.get(member_id, 0)
        if held or settled:
            movements.append(Movement(wallet=WalletKey(member_id), held_fen=held, free_fen=settled))
            books.held[member_id] = books.held.get(member_id, 0) + held
            books.settled[member_id] = books.settled.get(member_id, 0) + settled
    expense_fen = -sum(move.sum_fen for move in movements)
    entry = Entry(
        collection=collection_of(order.order_id),
        number=books.next_number,
        event=event,
        cause=cause,
        at=at,
        movements=tuple(movements),
        platform={Platform.COMMISSION_EXPENSE: expense_fen} if expense_fen else {},
        may_owe=True,
        sale_fen=sale_fen,
    )
    books.next_number += 1
    return entry


def _earn_cause(order: Order, rules: RuleSet | None) -> dict[str, str | int]:
    """The canonical cause of the earning: ids, amounts and snapshot versions only (M3)."""
    payment = order.payment
    return {
        "order_id": order.order_id,
        "transaction_id": payment.transaction_id if payment else "",
        "line_fens": ",".join(str(line.paid_fen) for line in order.lines),
        "chain": ",".join(upline.member_id for upline in order.chain),
        "rule_version": rules.version if rules else 0,
    }
