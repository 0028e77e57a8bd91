"""The audit's course: fold everything, compare everything, look again at what differs, and open cases."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import batched, groupby
from typing import Final

from msgspec import Struct

from fenxiao.audit.fold import Fold, collection_differences, sum_differences, wallet_differences
from fenxiao.audit.model import AuditReport, Counts, Difference, Scope
from fenxiao.audit.recompute import GRACE, order_differences, withdrawal_differences
from fenxiao.clock import Clock, shanghai_day
from fenxiao.commission.follow import version_of
from fenxiao.commission.plan import collection_of
from fenxiao.commission.store import RuleStore
from fenxiao.ledger.model import Journal, Wallet, WalletKey
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.observability import count, logger
from fenxiao.order.store import OrderStore
from fenxiao.review.cases import Matter, opened
from fenxiao.review.store import CaseStore
from fenxiao.withdrawal.store import WithdrawalStore

AUDIT_DIFFERENCE: Final = "audit_difference"
"""Kind of the cases that the audit opens."""

_ORDER: Final = collection_of("")
_WITHDRAWAL: Final = "withdrawal#"
_BATCH: Final = 100
_MAX_PASSES: Final = 3
_PAUSE_SECONDS: Final = 1.0
_MAX_KEPT: Final = 1_000
_MAX_CASES: Final = 100
"""Cases that one audit opens: a broken projection would otherwise open one for every wallet."""
_WINDOW: Final = timedelta(days=45)
"""How far back it looks for paid orders of which the ledger knows nothing; each is looked for in as many nights."""


class Auditor(Struct, frozen=True):
    """What the audit works with."""

    ledger: LedgerStore
    statements: StatementStore
    projection: ProjectionStore
    orders: OrderStore
    withdrawals: WithdrawalStore
    rules: RuleStore
    cases: CaseStore
    clock: Clock
    review_time: timedelta
    sleep: Callable[[float], None]

    def run(self, scope: Scope) -> AuditReport:
        """Audit; what two looks in a row show alike is a difference, and each becomes a case.

        Business goes on meanwhile: what was under way when the first look met it is gone or changed in the second.
        """
        started_at = self.clock.now()
        audit = self._look(scope)
        for _ in range(_MAX_PASSES - 1):
            if not audit.found:
                break
            self.sleep(_PAUSE_SECONDS)
            again = self._look(scope)
            again.found = sorted(set(again.found) & set(audit.found))
            audit = again
        if scope.whole:
            self._open_cases(audit.found)
        return AuditReport(
            scope=scope,
            started_at=started_at,
            ended_at=self.clock.now(),
            counts=audit.counts(),
            figures=audit.fold.figures(),
            difference_count=len(audit.found),
            differences=tuple(audit.found[:_MAX_KEPT]),
        )

    def _look(self, scope: Scope) -> "_Look":
        look = _Look(self, scope, scope.as_of or self.clock.now())
        look.fold_everything()
        look.check_orders_without_journals()
        if scope.whole:
            look.compare_sums()
        return look

    def _open_cases(self, found: Sequence[Difference]) -> None:
        if not found:
            return
        count("AuditDifference", len(found))
        logger.error("the audit found differences", extra={"differences": len(found)})
        now = self.clock.now()
        for one in found[:_MAX_CASES]:
            facts: dict[str, str | int | list[str]] = {
                "subject": one.subject,
                "what": one.what,
                "expected": one.expected,
                "actual": one.actual,
            }
            # The same difference again finds the case that it opened; another figure is another case.
            subject_id = f"{one.subject}/{one.what}/{one.expected}/{one.actual}"
            matter = Matter(kind=AUDIT_DIFFERENCE, subject_id=subject_id, person="", facts=facts, required_approvals=1)
            self.cases.open(opened(matter, now, self.review_time))


class _Look:
    """One look at everything."""

    def __init__(self, auditor: Auditor, scope: Scope, moment: datetime) -> None:
        self._auditor, self._scope, self._moment = auditor, scope, moment
        self.fold = Fold()
        self.found: list[Difference] = []
        self._wallets: dict[WalletKey, Wallet] = {}
        self._seen: set[str] = set()
        self._orders = self._withdrawals = 0

    def counts(self) -> Counts:
        """Return how much was compared."""
        return Counts(
            journals=self.fold.journals,
            wallets=len(self._wallets),
            orders=self._orders,
            withdrawals=self._withdrawals,
            days=len(self.fold.days) if self._scope.whole else 0,
        )

    def fold_everything(self) -> None:
        """Fold every journal, and check every collection against what it belongs to."""
        for batch in batched(self._collections(), _BATCH, strict=False):
            collections = [known for journals in batch if (known := self._in_scope(journals))]
            for journals in collections:
                self.fold.add(journals)
                self.found += collection_differences(journals)
            self._check_orders([one for one in collections if one[0].collection.startswith(_ORDER)])
            self._check_withdrawals([one for one in collections if one[0].collection.startswith(_WITHDRAWAL)])

    def check_orders_without_journals(self) -> None:
        """Find paid orders of which the ledger knows nothing."""
        if self._scope.month:
            first = date.fromisoformat(f"{self._scope.month}-01")
            days = [first + timedelta(days=i) for i in range(31)]
            days = [day for day in days if day.month == first.month]
        else:
            today = shanghai_day(self._moment)
            days = [today - timedelta(days=i) for i in range(_WINDOW.days)]
        for day in days:
            unknown = [one for one in self._auditor.orders.paid_on(day) if collection_of(one) not in self._seen]
            for order in self._auditor.orders.many(unknown).values():
                payment = order.payment
                if payment and payment.earns and payment.paid_at < self._moment - GRACE:
                    self.found.append(Difference(collection_of(order.order_id), "journal", "earn", "missing"))

    def compare_sums(self) -> None:
        """Compare the wallets, the platform's totals by day, and the size of the log with the fold."""
        statements = self._auditor.statements
        self.found += wallet_differences(self.fold.wallets(), self._wallets)
        totals = {day: statements.totals(day) for day in self.fold.days}
        self.found += sum_differences("day", self.fold.days, totals)
        months = sorted({f"{day:%Y-%m}" for day in self.fold.paid_days})
        paid = {day: figures for month in months for day, figures in statements.paid_days(month).items()}
        self.found += sum_differences("paid", self.fold.paid_days, paid)
        log_size = self._auditor.projection.log_size()
        if log_size != self.fold.journals:
            self.found.append(Difference("log", "size", str(self.fold.journals), str(log_size)))

    def _collections(self) -> Iterator[list[Journal]]:
        """Yield each collection whole; wallets are put aside.

        A scan gives the journals of a collection one after another; one that it gave in pieces is read again.
        """
        in_pieces: set[str] = set()
        for name, group in groupby(self._journals(), key=lambda journal: journal.collection):
            journals = sorted(group, key=lambda journal: journal.number)
            if name in self._seen or len(journals) != journals[-1].number + 1:
                in_pieces.add(name)
            self._seen.add(name)
            if name not in in_pieces:
                yield journals
        for name in sorted(in_pieces):
            yield self._auditor.ledger.collection(name)

    def _journals(self) -> Iterator[Journal]:
        for one in self._auditor.ledger.everything():
            if isinstance(one, Journal):
                yield one
            else:
                self._wallets[one[0]] = one[1]

    def _in_scope(self, journals: Sequence[Journal]) -> list[Journal]:
        """Return what of a collection was known at the moment in question, nothing if it is of another month."""
        month, as_of = self._scope.month, self._scope.as_of
        if month and not journals[0].paid_day.startswith(month):
            return []
        return [journal for journal in journals if as_of is None or journal.posted_at <= as_of]

    def _check_orders(self, collections: Sequence[Sequence[Journal]]) -> None:
        self._orders += len(collections)
        auditor = self._auditor
        orders = auditor.orders.many(one[0].collection.removeprefix(_ORDER) for one in collections)
        for journals in collections:
            order = orders.get(journals[0].collection.removeprefix(_ORDER))
            if order is None:
                self.found.append(Difference(journals[0].collection, "order", "exists", "none"))
                continue
            touched = any(line.refunded_fen for line in order.lines) or len(journals) > 1
            refunds = auditor.orders.refunds(order.order_id) if touched else []
            rules = version_of(order, auditor.rules)
            self.found += order_differences(order, refunds, journals, rules, self._moment)

    def _check_withdrawals(self, collections: Sequence[Sequence[Journal]]) -> None:
        self._withdrawals += len(collections)
        if self._scope.as_of:
            return  # a withdrawal's record says where it stands now, not where it stood
        for journals in collections:
            withdrawal = self._auditor.withdrawals.find(journals[0].collection.removeprefix(_WITHDRAWAL))
            self.found += withdrawal_differences(withdrawal, journals)
