"""Reconciling the days that are due: fetch the bills, look up our side, open the cases, keep the result.

Cases are opened before the day is kept, under ids that follow from the day and the difference: a run that dies between
the two is simply run again and opens nothing twice.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain
from typing import Final, Protocol

from msgspec import Struct

from fenxiao.clock import SHANGHAI, Clock, shanghai_day
from fenxiao.observability import count, logger
from fenxiao.order.store import OrderStore
from fenxiao.reconcile.compare import absent, compare, tally
from fenxiao.reconcile.model import Billed, Difference, Key, Own, Reconciliation, Status, Subject
from fenxiao.reconcile.sides import (
    billed_payouts,
    billed_trades,
    own_payment,
    own_refund,
    own_transfer,
    refund_ids,
)
from fenxiao.reconcile.store import ReconciliationStore
from fenxiao.review.cases import Matter, opened
from fenxiao.review.model import Facts
from fenxiao.review.store import CaseStore
from fenxiao.wechat.facts import FundFlowBill, TradeBill
from fenxiao.withdrawal.store import WithdrawalStore

RECONCILE_DIFFERENCE: Final = "reconcile_difference"
"""The kind of the cases that this room opens."""
MAX_DAYS: Final = 31
"""What one run catches up with, the oldest first."""
MAX_DIFFERENCES: Final = 1_000
"""More than that on one day is one fault and not a matter for a thousand reviews."""

_READY_AT: Final = time(10)
"""From then on WeChat has the bill of the day before; an earlier 'there is none' would say nothing."""
_KEPT: Final = timedelta(days=90)
"""So long WeChat keeps bills."""
_LOOK_BACK: Final = timedelta(days=31)
"""How far before its success something is looked for in bills: a refund to a bank card may take weeks."""


class TooManyDifferencesError(Exception):
    """So many differences that something systematic must be wrong; nothing was opened or kept."""


class BillPort(Protocol):
    """WeChat's daily bills; `None` while one is not made yet.

    Each call raises `WeChatUnavailableError` for a fault that passes, and another error for a refusal or a bill that
    cannot be read.
    """

    def trades(self, day: date) -> TradeBill | None:
        """Return the payments and refunds of a Shanghai day."""
        ...

    def payouts(self, day: date) -> FundFlowBill | None:
        """Return what moved on the account that pays transfers."""
        ...


def due_days(last: date | None, now: datetime) -> list[date]:
    """Return the days to reconcile, oldest first: those since the last one of which WeChat has the bills by now.

    At most 31, and none that is older than what WeChat keeps; the very first run takes the newest day alone.
    """
    local = now.astimezone(SHANGHAI)
    newest = local.date() - timedelta(days=1 if local.time() >= _READY_AT else 2)
    first = newest if last is None else max(last + timedelta(days=1), local.date() - _KEPT)
    return [first + timedelta(days=i) for i in range(min((newest - first).days + 1, MAX_DAYS))]


class Reconciler(Struct, frozen=True):
    """What it takes to reconcile."""

    bills: BillPort
    orders: OrderStore
    withdrawals: WithdrawalStore
    cases: CaseStore
    results: ReconciliationStore
    clock: Clock
    review_time: timedelta

    def run(self) -> list[Reconciliation]:
        """Reconcile what is due and return it; a bill that is not made yet ends the run for today.

        Raises:
            TooManyDifferencesError, WeChatUnavailableError, WeChatRefusedError, BillMalformedError: a day could not be
                reconciled. The days before it are kept, and it is the first of the next run.
        """
        done: list[Reconciliation] = []
        for day in due_days(self.results.last_day(), self.clock.now()):
            try:
                result = self._reconcile(day)
            except Exception:
                count("ReconciliationFault")
                logger.exception("day not reconciled", extra={"day": day.isoformat()})
                raise
            if result is None:
                break
            done.append(result)
        return done

    def _reconcile(self, day: date) -> Reconciliation | None:
        billed = self._billed(day)
        if billed is None:
            return None
        own = self._own(day, billed)
        differences = compare(day, billed, own, self._earlier(day, absent(day, billed, own)))
        self._open_cases(day, differences)
        result = Reconciliation(
            day=day,
            reconciled_at=self.clock.now(),
            status=Status.DIFFERENCES if differences else Status.BALANCED,
            differences=len(differences),
            payments=tally(day, Subject.PAYMENT, billed, own),
            refunds=tally(day, Subject.REFUND, billed, own),
            transfers=tally(day, Subject.TRANSFER, billed, own),
        )
        self.results.put(result)
        return result

    def _billed(self, day: date) -> list[Billed] | None:
        trades = self.bills.trades(day)
        payouts = self.bills.payouts(day) if trades is not None else None
        if trades is None or payouts is None:
            return None
        return [*billed_trades(trades), *billed_payouts(payouts)]

    def _own(self, day: date, billed: Sequence[Billed]) -> dict[Key, Own]:
        """Return our record of each row, and of what succeeded on the day."""
        orders = chain(_references(billed, Subject.PAYMENT), self.orders.paid_on(day))
        refunds = chain(map(refund_ids, _references(billed, Subject.REFUND)), self.orders.refunded_on(day))
        withdrawals = chain(_references(billed, Subject.TRANSFER), self.withdrawals.paid_on(day))
        found = chain(
            map(own_payment, self.orders.find_many(orders)),
            map(own_refund, self.orders.find_refunds(refunds)),
            map(own_transfer, self.withdrawals.find_many(withdrawals)),
        )
        return {one.key: one for one in found}

    def _earlier(self, day: date, wanted: Sequence[Own]) -> set[Key]:
        """Return what stands in the bills of the days before, as far back as one of the wanted can stand."""
        kept_from = shanghai_day(self.clock.now()) - _KEPT
        first = max(min((one.since for one in wanted), default=day), day - _LOOK_BACK, kept_from)
        days = (first + timedelta(days=i) for i in range((day - first).days))
        return {row.key for one in days for row in self._billed(one) or ()}

    def _open_cases(self, day: date, differences: Sequence[Difference]) -> None:
        if not differences:
            return
        count("ReconcileDifference", len(differences))
        if len(differences) > MAX_DIFFERENCES:
            raise TooManyDifferencesError(f"{len(differences)} differences on {day}")
        for one in differences:
            self.cases.open(opened(_matter(day, one), self.clock.now(), self.review_time))


def _references(billed: Sequence[Billed], subject: Subject) -> Iterator[str]:
    return (row.reference for row in billed if row.subject is subject)


def _matter(day: date, difference: Difference) -> Matter:
    subject, reference = difference.key
    billed, own = difference.billed, difference.own
    facts: Facts = {
        "day": day.isoformat(),
        "difference": difference.finding,
        "subject": subject,
        "reference": reference,
    }
    if billed:
        facts |= {"wechat_fen": billed.amount_fen, "wechat_state": billed.state}
    if own:
        facts |= {"our_fen": own.amount_fen, "our_state": own.course}
    return Matter(
        kind=RECONCILE_DIFFERENCE,
        subject_id=f"{day.isoformat()}/{difference.finding}/{subject}/{reference}",
        person=own.person if own else "",
        facts=facts,
        required_approvals=1,
    )
