"""Income tax: the worked examples, and the edges of the brackets."""

import pytest

from fenxiao.withdrawal.tax import (
    MonthSum,
    TaxMethod,
    cumulative_tax_fen,
    labour_tax_fen,
    months_in_a_row,
    shortfall_fen,
    tax_due_fen,
)

YUAN = 100


@pytest.mark.parametrize(
    ("gross_yuan", "tax_yuan"),
    [(0, 0), (800, 0), (1_000, 40), (4_000, 640), (5_000, 800), (25_000, 4_000), (62_500, 13_000), (100_000, 25_000)],
)
def test_labour_examples(gross_yuan: int, tax_yuan: int) -> None:
    assert labour_tax_fen(gross_yuan * YUAN) == tax_yuan * YUAN


@pytest.mark.parametrize(
    ("gross_fen", "tax_fen"),
    [(80_000, 0), (80_002, 0), (80_003, 1), (400_000, 64_000), (400_003, 64_000), (400_004, 64_001)],
)
def test_labour_tax_is_rounded_half_up_to_the_fen(gross_fen: int, tax_fen: int) -> None:
    assert labour_tax_fen(gross_fen) == tax_fen


@pytest.mark.parametrize(
    ("monthly_yuan", "taxes_yuan"), [(10_000, [90, 90, 90]), (100_000, [4_980, 8_100, 15_000]), (6_250, [0, 0, 0])]
)
def test_cumulative_examples(monthly_yuan: int, taxes_yuan: list[int]) -> None:
    months: dict[str, MonthSum] = {}
    for number, tax_yuan in enumerate(taxes_yuan, start=1):
        month = f"2026-{number:02d}"
        due = tax_due_fen(TaxMethod.CUMULATIVE, months, month, monthly_yuan * YUAN)
        assert due == tax_yuan * YUAN
        months[month] = MonthSum(gross_fen=monthly_yuan * YUAN, withheld_fen=due)


@pytest.mark.parametrize(
    ("taxable_yuan", "tax_yuan"),
    [
        (36_000, 1_080),
        (144_000, 11_880),
        (300_000, 43_080),
        (420_000, 73_080),
        (660_000, 145_080),
        (960_000, 250_080),
        (1_000_000, 268_080),
    ],
)
def test_annual_brackets_meet_at_their_edges(taxable_yuan: int, tax_yuan: int) -> None:
    assert cumulative_tax_fen(taxable_yuan * YUAN * 100 // 80, 0) == tax_yuan * YUAN


def test_months_of_the_labour_method_stand_alone() -> None:
    months = {"2026-02": MonthSum(gross_fen=100_000, withheld_fen=4_000)}
    assert tax_due_fen(TaxMethod.LABOUR, months, "2026-02", 100_000) == 24_000 - 4_000
    assert tax_due_fen(TaxMethod.LABOUR, months, "2026-04", 100_000) == 4_000


@pytest.mark.parametrize(
    ("paid", "month", "row"),
    [
        ([], "2026-03", 1),
        (["2026-01", "2026-02"], "2026-03", 3),
        (["2026-01", "2026-02", "2026-03"], "2026-03", 3),
        (["2026-01"], "2026-03", 1),
        (["2026-01", "2026-03"], "2026-04", 2),
        (["2025-11", "2025-12"], "2026-01", 1),
    ],
)
def test_months_count_in_a_row_within_the_year(paid: list[str], month: str, row: int) -> None:
    assert months_in_a_row({name: MonthSum(gross_fen=1) for name in paid}, month) == row


def test_too_much_withheld_is_never_given_back() -> None:
    months = {"2026-01": MonthSum(gross_fen=100_000, withheld_fen=90_000)}
    assert tax_due_fen(TaxMethod.CUMULATIVE, months, "2026-02", 100_000) == 0


def test_shortfall_is_what_is_due_beyond_what_was_withheld() -> None:
    months = {"2026-01": MonthSum(gross_fen=500_000, withheld_fen=79_000)}
    assert shortfall_fen(TaxMethod.LABOUR, months, "2026-01") == 1_000
