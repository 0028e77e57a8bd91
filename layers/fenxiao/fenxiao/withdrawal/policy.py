"""What may be withdrawn, what becomes of it and who has to agree: pure (M24 to M27, WeChat's limits)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from fenxiao.clock import SHANGHAI
from fenxiao.ledger.model import TaxClass
from fenxiao.money import share_fen
from fenxiao.withdrawal.errors import (
    AboveMaximumError,
    BelowMinimumError,
    PayeeNameRequiredError,
    TooManyWithdrawalsError,
)
from fenxiao.withdrawal.model import RECENT_SPAN, Assessment, Figures, Payee, Recent, ReturnReason, Route, Signal
from fenxiao.withdrawal.tax import MonthSum, TaxMethod, tax_due_fen

MIN_NET_FEN: Final = 10
"""The least that WeChat transfers."""
NAME_REQUIRED_FROM_FEN: Final = 200_000
"""From 2 000 yuan WeChat checks the payee's name against the account."""
NAME_ALLOWED_FROM_FEN: Final = 30
"""Below 0.30 yuan WeChat refuses a name."""

_DAY: Final = timedelta(hours=24)
_MAX_RECENT: Final = 100
_QUIET_END_OF_MONTH: Final = timedelta(hours=25)
"""A payee may confirm for 24 h, and WeChat may say so an hour late: no transfer may pass into the next month (M26)."""


class Policy(Struct, frozen=True, kw_only=True):
    """What a deployment decides about withdrawals."""

    min_fen: int
    max_fen: int
    fee_bps: int
    auto_approve_fen: int
    second_review_fen: int
    tax_method: TaxMethod


def check_request(policy: Policy, payee: Payee, amount_fen: int, now: datetime) -> None:
    """Check an amount against the deployment's limits.

    Raises:
        BelowMinimumError, AboveMaximumError, TooManyWithdrawalsError: it is outside them.
    """
    if amount_fen < policy.min_fen:
        raise BelowMinimumError
    if amount_fen > policy.max_fen:
        raise AboveMaximumError
    if sum(one.requested_at > now - RECENT_SPAN for one in payee.recent) >= _MAX_RECENT:
        raise TooManyWithdrawalsError


def figures(
    policy: Policy, months: Mapping[str, MonthSum], month: str, amount_fen: int, tax_class: TaxClass
) -> Figures:
    """Return tax, fee and net of a gross amount paid in `month` out of one class of wallet (M9, M25).

    Tax is never so much that less than WeChat's least would be left; what falls short stays due and becomes a case
    when the payment succeeds (M26).
    """
    fee_fen = share_fen(amount_fen, policy.fee_bps)
    method = TaxMethod.NONE if tax_class is TaxClass.REBATE else policy.tax_method
    due_fen = tax_due_fen(method, months, month, amount_fen)
    tax_fen = min(due_fen, max(0, amount_fen - fee_fen - MIN_NET_FEN))
    return Figures(
        tax_fen=tax_fen,
        fee_fen=fee_fen,
        net_fen=amount_fen - tax_fen - fee_fen,
        tax_method=method,
    )


def net_problem(net_fen: int, *, has_name: bool) -> ReturnReason | None:
    """Return which of WeChat's limits the net amount breaks (M25)."""
    if net_fen < MIN_NET_FEN:
        return ReturnReason.NET_TOO_SMALL
    if net_fen >= NAME_REQUIRED_FROM_FEN and not has_name:
        return ReturnReason.NAME_REQUIRED
    return None


def check_net(net_fen: int, *, has_name: bool) -> None:
    """Check the quoted net amount against WeChat's limits.

    Raises:
        BelowMinimumError, PayeeNameRequiredError: it breaks one.
    """
    match net_problem(net_fen, has_name=has_name):
        case ReturnReason.NET_TOO_SMALL:
            raise BelowMinimumError
        case ReturnReason.NAME_REQUIRED:
            raise PayeeNameRequiredError
        case _:
            return


def assess(policy: Policy, payee: Payee, own: Recent) -> Assessment:
    """Return who has to agree to a withdrawal (M27).

    One person, if the withdrawals of the 24 hours before it pass the first threshold; two, if those of the 30 days pass
    the second: so neither one large amount nor many small ones get by. What is in flight counts, also what was asked
    for after this one; what was returned does not. Its own amount counts even if a much later request has dropped it
    from what is kept as recent.
    """
    recent = {one.withdrawal_id: one for one in (*payee.recent, own)}.values()
    day_fen = sum(one.amount_fen for one in recent if one.requested_at > own.requested_at - _DAY)
    month_fen = sum(one.amount_fen for one in recent if one.requested_at > own.requested_at - RECENT_SPAN)
    signals = []
    if day_fen > policy.auto_approve_fen:
        signals.append(Signal.DAY_SUM)
    if month_fen > policy.second_review_fen:
        signals.append(Signal.MONTH_SUM)
    route = Route.TWO if Signal.MONTH_SUM in signals else Route.ONE if signals else Route.AUTOMATIC
    return Assessment(route=route, signals=tuple(signals), day_fen=day_fen, month_fen=month_fen)


def quiet_until(method: TaxMethod, now: datetime) -> datetime | None:
    """Return until when no transfer may be created, `None` if one may be now.

    With the cumulative method none is created in a Shanghai month's last 25 hours, so that the month of success is the
    month for which the tax was found (M26).
    """
    if method is not TaxMethod.CUMULATIVE:
        return None
    local = now.astimezone(SHANGHAI)
    year, month = divmod(local.year * 12 + local.month, 12)
    next_month = datetime(year, month + 1, 1, tzinfo=SHANGHAI)
    return next_month.astimezone(now.tzinfo) if now >= next_month - _QUIET_END_OF_MONTH else None
