"""Limits, figures and the route of a withdrawal."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from fenxiao.ledger.model import TaxClass
from fenxiao.withdrawal.model import Payee, Recent, ReturnReason, Route, Signal
from fenxiao.withdrawal.policy import assess, figures, net_problem, quiet_until
from fenxiao.withdrawal.tax import MonthSum, TaxMethod
from tests.unit.withdrawal.harness import POLICY, START


def payee(*recent: tuple[timedelta, int]) -> Payee:
    """A payee with withdrawals so long ago and of so much."""
    return Payee(
        person="p",
        recent=tuple(
            Recent(withdrawal_id=f"W{i}", requested_at=START - ago, amount_fen=fen)
            for i, (ago, fen) in enumerate(recent)
        ),
    )


NOW, HOUR, DAY = timedelta(), timedelta(hours=1), timedelta(days=1)


@pytest.mark.rule("M27")
@pytest.mark.parametrize(
    ("recent", "route", "signals"),
    [
        ([(NOW, 5_000)], Route.AUTOMATIC, ()),
        ([(NOW, 5_001)], Route.ONE, (Signal.DAY_SUM,)),
        ([(23 * HOUR, 3_000), (NOW, 3_000)], Route.ONE, (Signal.DAY_SUM,)),
        ([(24 * HOUR, 3_000), (NOW, 3_000)], Route.AUTOMATIC, ()),
        ([(NOW, 100_000)], Route.ONE, (Signal.DAY_SUM,)),
        ([(NOW, 100_001)], Route.TWO, (Signal.DAY_SUM, Signal.MONTH_SUM)),
        ([(29 * DAY, 99_000), (NOW, 2_000)], Route.TWO, (Signal.MONTH_SUM,)),
        ([(30 * DAY, 99_000), (NOW, 2_000)], Route.AUTOMATIC, ()),
    ],
)
def test_route_follows_the_rolling_sums(
    recent: list[tuple[timedelta, int]], route: Route, signals: tuple[Signal, ...]
) -> None:
    all_of_them = payee(*recent)
    found = assess(POLICY, all_of_them, all_of_them.recent[-1])
    assert (found.route, found.signals) == (route, signals)


def test_own_amount_counts_though_a_later_request_dropped_it_from_the_recent_ones() -> None:
    own = Recent(withdrawal_id="W0", requested_at=START, amount_fen=5_001)
    assert assess(POLICY, Payee(person="p"), own).route is Route.ONE


def test_fee_is_floored_and_the_net_is_what_is_left() -> None:
    found = figures(replace(POLICY, fee_bps=60), {}, "2026-03", 100_050, TaxClass.COMMISSION)
    assert (found.fee_fen, found.tax_fen, found.net_fen) == (600, 4_010, 95_440)


def test_tax_leaves_at_least_what_wechat_transfers() -> None:
    months = {"2026-03": MonthSum(gross_fen=500_000, withheld_fen=0)}
    found = figures(POLICY, months, "2026-03", 1_000, TaxClass.COMMISSION)
    assert (found.tax_fen, found.net_fen) == (990, 10)


@pytest.mark.parametrize(
    ("net_fen", "has_name", "reason"),
    [
        (9, False, ReturnReason.NET_TOO_SMALL),
        (10, False, None),
        (199_999, False, None),
        (200_000, False, ReturnReason.NAME_REQUIRED),
        (200_000, True, None),
    ],
)
def test_wechats_limits_are_on_the_net(net_fen: int, has_name: bool, reason: ReturnReason | None) -> None:  # noqa: FBT001
    assert net_problem(net_fen, has_name=has_name) is reason


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 3, 30, 14, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 30, 15, 0, tzinfo=UTC), datetime(2026, 3, 31, 16, 0, tzinfo=UTC)),
        (datetime(2026, 12, 31, 15, 59, tzinfo=UTC), datetime(2026, 12, 31, 16, 0, tzinfo=UTC)),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), None),
    ],
)
def test_cumulative_method_rests_in_the_last_25_hours_of_a_shanghai_month(
    now: datetime, until: datetime | None
) -> None:
    assert quiet_until(TaxMethod.CUMULATIVE, now) == until
    assert quiet_until(TaxMethod.LABOUR, now) is None
