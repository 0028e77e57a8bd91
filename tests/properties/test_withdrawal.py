"""A withdrawal's figures and thresholds for any amounts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenxiao.ledger.model import TaxClass
from fenxiao.withdrawal.model import Payee, Recent, Route
from fenxiao.withdrawal.policy import MIN_NET_FEN, Policy, assess, figures
from fenxiao.withdrawal.tax import MonthSum, TaxMethod

START = datetime(2026, 3, 10, tzinfo=UTC)
AMOUNT = st.integers(min_value=100, max_value=2_000_000)
METHOD = st.sampled_from(TaxMethod)
SUM = st.builds(MonthSum, gross_fen=st.integers(0, 10_000_000), withheld_fen=st.integers(0, 3_000_000))
MONTHS = st.dictionaries(st.sampled_from([f"2026-{n:02d}" for n in range(1, 13)]), SUM)
RECENT = st.lists(st.tuples(st.integers(0, 45 * 24), AMOUNT), max_size=20)
ROUTES = list(Route)


def policy(method: TaxMethod, fee_bps: int = 0) -> Policy:
    return Policy(
        min_fen=100,
        max_fen=2_000_000,
        fee_bps=fee_bps,
        auto_approve_fen=5_000,
        second_review_fen=100_000,
        tax_method=method,
    )


@pytest.mark.rule("M25")
@given(AMOUNT, METHOD, MONTHS, st.integers(0, 1_000))
def test_tax_fee_and_net_are_the_whole_amount(
    amount_fen: int, method: TaxMethod, months: dict[str, MonthSum], fee_bps: int
) -> None:
    found = figures(policy(method, fee_bps), months, "2026-06", amount_fen, TaxClass.COMMISSION)
    assert found.tax_fen + found.fee_fen + found.net_fen == amount_fen
    assert min(found.tax_fen, found.fee_fen) >= 0
    assert found.net_fen >= MIN_NET_FEN


@given(RECENT, AMOUNT, AMOUNT)
def test_what_else_was_asked_for_never_eases_the_review(
    recent: list[tuple[int, int]], amount_fen: int, more_fen: int
) -> None:
    asked = [
        Recent(withdrawal_id=f"W{i}", requested_at=START - timedelta(hours=hours), amount_fen=fen)
        for i, (hours, fen) in enumerate([*recent, (0, amount_fen)])
    ]
    other = Recent(withdrawal_id="other", requested_at=START - timedelta(hours=1), amount_fen=more_fen)
    alone = assess(policy(TaxMethod.LABOUR), Payee(person="p", recent=tuple(asked)), asked[-1])
    together = assess(policy(TaxMethod.LABOUR), Payee(person="p", recent=(*asked, other)), asked[-1])
    assert ROUTES.index(alone.route) <= ROUTES.index(together.route)


@given(st.lists(AMOUNT, min_size=1, max_size=40))
def test_no_more_than_the_second_threshold_passes_unseen_in_thirty_days(amounts: list[int]) -> None:
    payee, unseen_fen = Payee(person="p"), 0
    for hours, amount_fen in enumerate(amounts):
        at = START + timedelta(hours=hours * 12)
        own = Recent(withdrawal_id=f"W{hours}", requested_at=at, amount_fen=amount_fen)
        payee = payee.with_request(own)
        if assess(policy(TaxMethod.LABOUR), payee, own).route is Route.AUTOMATIC:
            unseen_fen += amount_fen
    assert unseen_fen <= 100_000
