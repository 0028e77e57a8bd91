"""Income tax for any payments: monotone, cumulative, within its rates."""

from hypothesis import given
from hypothesis import strategies as st

from fenxiao.withdrawal.tax import (
    MonthSum,
    TaxMethod,
    cumulative_tax_fen,
    labour_tax_fen,
    shortfall_fen,
    tax_due_fen,
)

FEN = st.integers(min_value=0, max_value=200_000_000)
PAYMENTS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 20_000_000)), min_size=1, max_size=12)


@given(FEN, FEN)
def test_more_income_is_never_taxed_less(one_fen: int, more_fen: int) -> None:
    assert labour_tax_fen(one_fen) <= labour_tax_fen(one_fen + more_fen)
    assert cumulative_tax_fen(one_fen, 1) <= cumulative_tax_fen(one_fen + more_fen, 1)


@given(FEN)
def test_tax_stays_within_the_highest_rate(gross_fen: int) -> None:
    assert 0 <= labour_tax_fen(gross_fen) * 100 <= gross_fen * 32 + 50
    assert 0 <= cumulative_tax_fen(gross_fen, 1) * 100 <= gross_fen * 36 + 50


@given(FEN, st.integers(1, 11))
def test_another_month_never_raises_the_tax(gross_fen: int, months: int) -> None:
    assert cumulative_tax_fen(gross_fen, months + 1) <= cumulative_tax_fen(gross_fen, months)


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=8))
def test_a_months_payments_are_one_payment(payments: list[int]) -> None:
    months: dict[str, MonthSum] = {}
    for gross_fen in payments:
        due = tax_due_fen(TaxMethod.LABOUR, months, "2026-05", gross_fen)
        before = months.get("2026-05", MonthSum())
        months["2026-05"] = MonthSum(gross_fen=before.gross_fen + gross_fen, withheld_fen=before.withheld_fen + due)
    assert months["2026-05"].withheld_fen == labour_tax_fen(sum(payments))
    assert shortfall_fen(TaxMethod.LABOUR, months, "2026-05") == 0


@given(PAYMENTS)
def test_withheld_tax_covers_the_years_tax(payments: list[tuple[int, int]]) -> None:
    months: dict[str, MonthSum] = {}
    for number, gross_fen in sorted(payments):
        month = f"2026-{number:02d}"
        due = tax_due_fen(TaxMethod.CUMULATIVE, months, month, gross_fen)
        assert due >= 0
        before = months.get(month, MonthSum())
        months[month] = MonthSum(gross_fen=before.gross_fen + gross_fen, withheld_fen=before.withheld_fen + due)
        assert shortfall_fen(TaxMethod.CUMULATIVE, months, month) == 0
