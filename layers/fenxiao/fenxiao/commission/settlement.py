"""The settlement run: what is due settles when the hold has passed and WeChat has released the money (M17).

While commissions take too large a share of their month's sales, they wait for a person first (M16).
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from fenxiao.clock import Clock, shanghai_month
from fenxiao.commission.breaker import Answer
from fenxiao.commission.follow import follow, settle, version_of
from fenxiao.commission.parking import Gate
from fenxiao.commission.plan import SETTLE, Settlement
from fenxiao.commission.store import RuleStore
from fenxiao.ledger.contradiction import report_contradiction
from fenxiao.ledger.errors import ContradictionError
from fenxiao.ledger.model import Bucket, Journal
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.observability import count, logger
from fenxiao.order.model import Denial, Order, OrderStatus
from fenxiao.order.ports import ShippingPort
from fenxiao.order.store import DueOrder, OrderStore
from fenxiao.relation.model import Standing
from fenxiao.relation.store import MemberStore
from fenxiao.review.docket import Docket

_PAGE: Final = 100
"""Orders taken from each shard and run; what is left is taken by the next run."""
_ASK_AGAIN: Final = timedelta(hours=1)
_TRY_AGAIN: Final = timedelta(minutes=15)
_LOOK_AGAIN: Final = timedelta(days=1)
_LOOK_IN_ON_CASE: Final = timedelta(hours=1)


class Settler(Struct, frozen=True):
    """What the settlement run works with."""

    orders: OrderStore
    ledger: LedgerStore
    rules: RuleStore
    statements: StatementStore
    members: MemberStore
    shipping: ShippingPort
    docket: Docket
    clock: Clock

    def run(self) -> int:
        """Do everything that is due; return how many orders could not be done because of a fault.

        A fault of one order is logged and counted; the order is tried again later and does not hold up the others.
        """
        now, gate = self.clock.now(), Gate(self.statements, self.docket)
        work: dict[str, Callable[[DueOrder], None]] = {
            "earn": self._check_posted,
            "clawback": self._check_posted,
            "settle": lambda due: self._settle(due, now, gate),
        }
        faults = 0
        for kind, do in work.items():
            for due in self.orders.due(kind, now, _PAGE):
                try:
                    self._reporting(do, due)
                except Exception:  # noqa: BLE001 - one order's fault must not hold up the others
                    faults += 1
                    count("SettlementFault")
                    logger.exception("due order failed", extra={"order_id": due.order_id, "work": kind})
                    # Moved on, so that orders which cannot be done do not fill the page for good.
                    self.orders.set_due(due, kind, now + _TRY_AGAIN)
        return faults

    def _reporting(self, do: Callable[[DueOrder], None], due: DueOrder) -> None:
        """Do one thing; what contradicts the books becomes a case (M3)."""
        try:
            do(due)
        except ContradictionError as error:
            report_contradiction(error, self.ledger, self.docket)
            raise

    def _check_posted(self, due: DueOrder) -> None:
        """Post an earning or clawback that the stream's consumer missed (M29)."""
        follow(due.order_id, self.orders, self.ledger, self.rules)
        self.orders.set_due(due, None, None)

    def _settle(self, due: DueOrder, now: datetime, gate: Gate) -> None:
        order = self.orders.order(due.order_id)
        settle_at = self._settle_at(order)
        if settle_at is None or settle_at > now:
            self.orders.set_due(due, "settle", settle_at or now + _ASK_AGAIN)
            return
        if order.status is not OrderStatus.SETTLED and not self._passes(order, now, gate):
            self.orders.set_due(due, "settle", now + _LOOK_IN_ON_CASE)
            return
        withheld = self._suspended(order)
        journals = settle(order.order_id, Settlement(now, withheld), self.orders, self.ledger, self.rules)
        if not _is_settled(journals):
            self.orders.set_due(due, "settle", now + _ASK_AGAIN)
            return
        self.orders.mark_settled(order.order_id, now)
        if _holds(journals):
            self.orders.set_due(due, "settle", now + _LOOK_AGAIN)
        else:
            self.orders.set_due(due, None, None)

    def _passes(self, order: Order, now: datetime, gate: Gate) -> bool:
        """Tell whether the breaker lets the order settle; park it if not, and note it if a case rejected it (M16)."""
        rules = version_of(order, self.rules)
        if rules is None or order.payment is None:
            return True
        month = shanghai_month(order.payment.paid_at)
        match gate.ask(month, rules.breaker, order.parked_case):
            case Answer.SETTLE:
                return True
            case Answer.WAIT:
                return False
            case Answer.DENY:
                self.orders.deny(order.order_id, Denial(case_id=order.parked_case, at=now))
                return True
            case Answer.PARK:
                journals = follow(order.order_id, self.orders, self.ledger, self.rules)
                if _is_settled(journals) or not _holds(journals):
                    return True
                self.orders.park(order.order_id, gate.park(month, rules.breaker))
                return False

    def _settle_at(self, order: Order) -> datetime | None:
        """Return when the order settles, `None` while WeChat has not said when it released the money.

        A settlement event that did not come is asked for, once the hold has passed.
        """
        rules = version_of(order, self.rules)
        if order.received_at is None or order.payment is None:
            return None
        hold_ends = order.received_at + timedelta(days=rules.hold_days if rules else 0)
        if order.wechat_settled_at is not None:
            return max(hold_ends, order.wechat_settled_at)
        if hold_ends > self.clock.now():
            return hold_ends
        shipped = self.shipping.status(order.order_id)
        if shipped is None or shipped.settled_at is None:
            return None
        self.orders.record_wechat_settlement(order.order_id, shipped.settled_at)
        return max(hold_ends, shipped.settled_at)

    def _suspended(self, order: Order) -> frozenset[str]:
        now = self.clock.now()
        ids = [order.member_id, *(upline.member_id for upline in order.chain)]
        members = self.members.get_many(ids)
        return frozenset(one.member_id for one in members.values() if one.standing_at(now) is Standing.SUSPENDED)


def _is_settled(journals: Sequence[Journal]) -> bool:
    return any(journal.event == SETTLE for journal in journals)


def _holds(journals: Sequence[Journal]) -> bool:
    """Tell whether the order still holds something: after its settlement, for a suspended member."""
    postings = [posting for journal in journals for posting in journal.postings]
    return sum(posting.amount_fen for posting in postings if posting.account == Bucket.HELD) > 0
