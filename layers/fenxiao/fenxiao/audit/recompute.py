"""Computing collections again from the orders and withdrawals that they belong to. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from fenxiao.audit.model import Difference
from fenxiao.commission.plan import DENY, EARN, SETTLE, collection_of, earn_cause, refund_event
from fenxiao.commission.rules import RuleSet
from fenxiao.commission.sale import sale_of
from fenxiao.commission.split import split
from fenxiao.ledger.model import Bucket, Journal, Platform, TaxClass, WalletKey, cause_hash
from fenxiao.ledger.target import Position, position
from fenxiao.order.model import Order, Refund, RefundStatus
from fenxiao.withdrawal.model import Status, Withdrawal

GRACE: Final = timedelta(minutes=30)
"""What happened less long ago may still be on its way into the books."""

_REFUND: Final = refund_event("")
_RELEASE: Final = "release#"

type _Moves = dict[tuple[str, str], int]
"""Fen by wallet and side (`held`, `free`, `reserved`), or by platform account."""


def order_differences(
    order: Order, refunds: Sequence[Refund], journals: Sequence[Journal], rules: RuleSet | None, now: datetime
) -> list[Difference]:
    """Compute every journal of an order again, and say which do not follow and which are missing (M2).

    Args:
        order: The order.
        refunds: All its refunds.
        journals: Its collection, or the part that was known at the moment in question.
        rules: The version in force when it was paid.
        now: The moment in question.
    """
    collection = collection_of(order.order_id)
    if order.payment is None or not order.payment.earns:
        return [Difference(collection, "journals", "0", str(len(journals)))] if journals else []
    return [*_replayed(order, refunds, journals, rules), *_missing(order, refunds, journals, now)]


def withdrawal_differences(withdrawal: Withdrawal | None, journals: Sequence[Journal]) -> list[Difference]:
    """Compare a withdrawal with its journals: what was reserved, and how it ended (M22, M25)."""
    collection = journals[0].collection
    if withdrawal is None:
        return [Difference(collection, "withdrawal", "exists", "none")]
    gross_fen, final = withdrawal.amount_fen, withdrawal.final
    expected: dict[str, dict[str, int]] = {"reserve": {Bucket.RESERVED: gross_fen}}
    if withdrawal.status is Status.PAID and final:
        accounts = {
            Platform.PAID_OUT: final.net_fen,
            Platform.TAX_PAYABLE: final.tax_fen,
            Platform.FEE_INCOME: final.fee_fen,
        }
        expected["paid"] = {Bucket.RESERVED: -gross_fen, **{name: fen for name, fen in accounts.items() if fen}}
    if withdrawal.status is Status.RETURNED:
        expected["returned"] = {Bucket.RESERVED: -gross_fen}
    free = {Bucket.AVAILABLE, Bucket.DEBT}
    actual = {
        journal.event: {one.account: one.amount_fen for one in journal.postings if one.account not in free}
        for journal in journals
    }
    if actual == expected:
        return []
    return [Difference(collection, "postings", _text(expected), _text(actual))]


def _replayed(
    order: Order, refunds: Sequence[Refund], journals: Sequence[Journal], rules: RuleSet | None
) -> Iterator[Difference]:
    """Go through the events in the order in which they were posted, and compare each journal with target − posted."""
    sale, left, denied = sale_of(order), [line.paid_fen for line in order.lines], False
    by_event = {refund_event(one.refund_id): one for one in refunds if one.status is RefundStatus.SUCCEEDED}
    books = position((), SETTLE)
    for journal in journals:
        subject, event = f"{journal.collection}#{journal.number}", journal.event
        if event.startswith(_REFUND):
            refund = by_event.get(event)
            if refund is None:
                yield Difference(subject, "refund", "succeeded", "unknown")
                continue
            left = [fen - taken for fen, taken in zip(left, refund.line_fens, strict=True)]
        denied = denied or event == DENY
        target = {} if denied else split(sale, left, rules)
        if event == SETTLE:
            books.settle(_still_held(books, journal), target)
        if event.startswith(_RELEASE):
            books.withheld.discard(event.removeprefix(_RELEASE))
        if (
            event == EARN
            and order.payment
            and journal.hash != cause_hash(EARN, earn_cause(order, order.payment, rules))
        ):
            yield Difference(subject, "cause", "that of the order and its rule version", "another")
        expected = _expected(books, target)
        if expected != _actual(journal):
            yield Difference(subject, "postings", _text(expected), _text(_actual(journal)))
            books = position(journals[: journal.number + 1], SETTLE)  # go on from what the books say


def _missing(
    order: Order, refunds: Sequence[Refund], journals: Sequence[Journal], now: datetime
) -> Iterator[Difference]:
    posted = {journal.event for journal in journals}
    due = [(EARN, order.payment.paid_at)] if order.payment else []
    due += [(refund_event(one.refund_id), one.ended_at) for one in refunds if one.ended_at]
    for event, at in due:
        if event not in posted and at < now - GRACE:
            yield Difference(collection_of(order.order_id), "journal", event, "missing")


def _still_held(books: Position, settlement: Journal) -> set[str]:
    """Return the members of whose commission the settlement left something held (M17)."""
    held = dict(books.held)
    for posting in settlement.postings:
        if posting.account == Bucket.HELD:
            key = WalletKey(posting.member_id, TaxClass(posting.tax_class))
            held[key] = held.get(key, 0) + posting.amount_fen
    return {key.member_id for key, fen in held.items() if fen}


def _expected(books: Position, target: Mapping[WalletKey, int]) -> _Moves:
    movements, platform = books.move_to(target)
    moves: _Moves = {("", account): fen for account, fen in platform.items()}
    for move in movements:
        owner = f"{move.wallet.member_id}#{move.wallet.tax_class}"
        moves |= {(owner, "held"): move.held_fen, (owner, "free"): move.free_fen}
    return {place: fen for place, fen in moves.items() if fen}


def _actual(journal: Journal) -> _Moves:
    moves: _Moves = {}
    for posting in journal.postings:
        owner = f"{posting.member_id}#{posting.tax_class}" if posting.member_id else ""
        side = "free" if posting.account in (Bucket.AVAILABLE, Bucket.DEBT) else posting.account
        moves[owner, side] = moves.get((owner, side), 0) + posting.amount_fen
    return {place: fen for place, fen in moves.items() if fen}


def _text[K](moves: Mapping[K, object]) -> str:
    return ", ".join(f"{place}: {fen}" for place, fen in sorted(moves.items(), key=str))
