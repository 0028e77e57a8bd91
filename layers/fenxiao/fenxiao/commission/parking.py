"""Asking the breaker at settlement, and parking what has to wait for a person (M16)."""

from fenxiao.commission.breaker import BREAKER, Answer, Share, answer, share_of
from fenxiao.commission.rules import Breaker
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.observability import count
from fenxiao.review.cases import Matter
from fenxiao.review.docket import Docket


class Gate:
    """The breaker for the length of one run: a month's figures are read once, and alarm once.

    They are a read model and lag the books by a second or so, which days of hold make irrelevant (M8).
    """

    def __init__(self, statements: StatementStore, docket: Docket) -> None:
        """Take where the figures are, and where cases are opened."""
        self._statements = statements
        self._docket = docket
        self._shares: dict[str, Share] = {}
        self._alarmed: set[str] = set()

    def ask(self, month: str, breaker: Breaker, parked_case: str = "") -> Answer:
        """Return what becomes of commissions or a bonus of a month that are due to settle.

        Args:
            month: The Shanghai month of the payment, or of the bonus, `YYYY-MM`.
            breaker: The limits of the rules that they follow from.
            parked_case: The case under which they were parked before; empty if they were not.
        """
        case = self._docket.cases.get(parked_case) if parked_case else None
        return answer(case.status if case else None, self._share(month), breaker)

    def park(self, month: str, breaker: Breaker) -> str:
        """Return the case that decides: the month's open one, or the next.

        Raises:
            BusyError: others kept opening and deciding the month's cases.
        """
        share = self._share(month)
        if share.exceeds(breaker.alarm_bps) and month not in self._alarmed:
            self._alarmed.add(month)
            count("CommissionShareAlarm")
        matter = Matter(
            kind=BREAKER,
            subject_id=month,
            person="",
            facts={
                "month": month,
                "share_bps": share.bps,
                "park_bps": breaker.park_bps,
                "commission_fen": share.commission_fen,
                "sales_fen": share.sales_fen,
            },
            required_approvals=1,
        )
        return self._docket.join(matter)

    def _share(self, month: str) -> Share:
        if month not in self._shares:
            self._shares[month] = share_of(self._statements.paid_days(month).values())
        return self._shares[month]
