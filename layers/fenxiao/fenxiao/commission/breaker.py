"""The period breaker (M16): whether what a month's sales earned may settle. It never changes an amount."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from fenxiao.commission.rules import Breaker
from fenxiao.ledger.statement import CASHBACK, COMMISSION, REFUNDS, SALES
from fenxiao.money import BPS
from fenxiao.review.model import CaseStatus

BREAKER: Final = "commission_breaker"
"""The kind of case on a month whose share is too high; its subject is the month."""


class Share(Struct, frozen=True):
    """What became of the orders that were paid in a month, in fen."""

    commission_fen: int
    """Net commission, cashback and bonuses."""
    sales_fen: int
    """Paid less refunded."""

    @property
    def bps(self) -> int:
        """Return the share in basis points, rounded up, so that it is above a limit whenever `exceeds` says so.

        Commission on no sales counts as if it were on one fen.
        """
        return -(-self.commission_fen * BPS // max(self.sales_fen, 1))

    def exceeds(self, limit_bps: int) -> bool:
        """Tell whether the share is above a limit; any commission on no sales is."""
        return self.commission_fen * BPS > limit_bps * self.sales_fen


class Answer(StrEnum):
    """What becomes of an order's commissions, or of a bonus, that are due to settle."""

    SETTLE = "settle"
    PARK = "park"
    """They wait for the month's open case, or for a new one."""
    WAIT = "wait"
    """The case that they wait for is open."""
    DENY = "deny"
    """Their case was rejected: the target is 0."""


def share_of(days: Iterable[Mapping[str, int]]) -> Share:
    """Return a month's share.

    Args:
        days: The figures of each day of payment, see `statement.PAID_DAY_FIGURES`.
    """
    commission_fen = sales_fen = 0
    for figures in days:
        commission_fen += figures[COMMISSION] + figures[CASHBACK]
        sales_fen += figures[SALES] - figures[REFUNDS]
    return Share(commission_fen, sales_fen)


def answer(case: CaseStatus | None, share: Share, breaker: Breaker) -> Answer:
    """Return what becomes of what is due to settle.

    Once parked, only a person lets it go, whatever the share is by then: a case that nobody decided is followed by
    another.

    Args:
        case: Where the case stands under which it was parked, `None` if it was not.
        share: The month's share now.
        breaker: The limits of the version in force at the payment.
    """
    match case:
        case None:
            return Answer.PARK if share.exceeds(breaker.park_bps) else Answer.SETTLE
        case CaseStatus.OPEN:
            return Answer.WAIT
        case CaseStatus.APPROVED:
            return Answer.SETTLE
        case CaseStatus.REJECTED:
            return Answer.DENY
        case CaseStatus.EXPIRED:
            return Answer.PARK
