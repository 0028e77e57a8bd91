"""Individual income tax to withhold, pure and in whole fen (design, section 2; M25, M26).

Both methods are cumulative: what is due now is F(everything paid, this payment included) less what was withheld, never
below zero. F is monotone, and rounded half up to the fen.
"""

from collections.abc import Mapping
from enum import StrEnum
from itertools import takewhile
from typing import Final

from msgspec import Struct

from fenxiao.money import round_half_up

_YUAN: Final = 100
_PERCENT: Final = 100
_EXPENSES_PERCENT: Final = 20
"""A fifth of remuneration counts as expenses."""
_LABOUR_FREE_FEN: Final = 800 * _YUAN
"""Free, and deducted from a month's payments of at most 4 000 yuan."""
_LABOUR_FIXED_DEDUCTION_TO_FEN: Final = 4_000 * _YUAN
_MONTHLY_DEDUCTION_FEN: Final = 5_000 * _YUAN


class TaxMethod(StrEnum):
    """How tax on a payment is found; a deployment chooses one of the first two for income."""

    LABOUR = "labour"
    """Labour remuneration: a month's payments to a person are one payment."""
    CUMULATIVE = "cumulative"
    """The year's payments to a worker of a platform, in force since 2025-10-01."""
    NONE = "none"
    """No income, such as a rebate on the price of one's own purchase: nothing is withheld, and it counts nowhere."""


class MonthSum(Struct, frozen=True, kw_only=True):
    """What a person was paid and had withheld in a Shanghai month, by month of success."""

    gross_fen: int = 0
    withheld_fen: int = 0


class _Bracket(Struct, frozen=True):
    """A rate up to a taxable amount (`None`: without end), with the quick deduction that joins it to the one below."""

    up_to_fen: int | None
    rate_percent: int
    quick_deduction_fen: int


_LABOUR_BRACKETS: Final = (
    _Bracket(20_000 * _YUAN, 20, 0),
    _Bracket(50_000 * _YUAN, 30, 2_000 * _YUAN),
    _Bracket(None, 40, 7_000 * _YUAN),
)
_ANNUAL_BRACKETS: Final = (
    _Bracket(36_000 * _YUAN, 3, 0),
    _Bracket(144_000 * _YUAN, 10, 2_520 * _YUAN),
    _Bracket(300_000 * _YUAN, 20, 16_920 * _YUAN),
    _Bracket(420_000 * _YUAN, 25, 31_920 * _YUAN),
    _Bracket(660_000 * _YUAN, 30, 52_920 * _YUAN),
    _Bracket(960_000 * _YUAN, 35, 85_920 * _YUAN),
    _Bracket(None, 45, 181_920 * _YUAN),
)


def labour_tax_fen(gross_fen: int) -> int:
    """Return the tax on a month's payments to a person: F of the labour method."""
    if gross_fen <= _LABOUR_FREE_FEN:
        return 0
    if gross_fen <= _LABOUR_FIXED_DEDUCTION_TO_FEN:
        return _bracket_tax_fen((gross_fen - _LABOUR_FREE_FEN) * _PERCENT, _LABOUR_BRACKETS)
    return _bracket_tax_fen(gross_fen * (_PERCENT - _EXPENSES_PERCENT), _LABOUR_BRACKETS)


def cumulative_tax_fen(gross_fen: int, months: int) -> int:
    """Return the tax on a year's payments to a person, with the monthly deduction for `months`: F of that method."""
    taxable_percent = gross_fen * (_PERCENT - _EXPENSES_PERCENT) - _MONTHLY_DEDUCTION_FEN * months * _PERCENT
    return _bracket_tax_fen(max(0, taxable_percent), _ANNUAL_BRACKETS)


def months_in_a_row(months: Mapping[str, MonthSum], month: str) -> int:
    """Return for how many months the 5 000 yuan are deducted from a payment in `month` (`YYYY-MM`).

    That month itself, and the months directly before it in the same year in each of which this platform paid the person
    something. A month without payment ends the row: only what comes after it counts, while income and tax withheld are
    those of the whole year.
    """
    year, number = month.split("-")
    before = (f"{year}-{n:02d}" for n in range(int(number) - 1, 0, -1))
    return 1 + sum(1 for _ in takewhile(lambda one: _paid_fen(months, one) > 0, before))


def tax_due_fen(method: TaxMethod, months: Mapping[str, MonthSum], month: str, gross_fen: int) -> int:
    """Return what is to be withheld from a payment of `gross_fen` in `month`, after the payments in `months`."""
    cumulative_fen, withheld_fen = _so_far(method, months, month)
    return max(0, _tax_fen(method, months, month, cumulative_fen + gross_fen) - withheld_fen)


def shortfall_fen(method: TaxMethod, months: Mapping[str, MonthSum], month: str) -> int:
    """Return by how much what was withheld falls short of the tax on the payments in `months`, as of `month`."""
    return tax_due_fen(method, months, month, 0)


def _so_far(method: TaxMethod, months: Mapping[str, MonthSum], month: str) -> tuple[int, int]:
    if method is TaxMethod.NONE:
        return 0, 0
    if method is TaxMethod.LABOUR:
        one = months.get(month, MonthSum())
        return one.gross_fen, one.withheld_fen
    of_year = [one for name, one in months.items() if name[:4] == month[:4]]
    return sum(one.gross_fen for one in of_year), sum(one.withheld_fen for one in of_year)


def _tax_fen(method: TaxMethod, months: Mapping[str, MonthSum], month: str, cumulative_fen: int) -> int:
    if method is TaxMethod.NONE:
        return 0
    if method is TaxMethod.LABOUR:
        return labour_tax_fen(cumulative_fen)
    return cumulative_tax_fen(cumulative_fen, months_in_a_row(months, month))


def _bracket_tax_fen(taxable_percent: int, brackets: tuple[_Bracket, ...]) -> int:
    """Return the tax on a taxable amount given in hundredths of a fen, so that nothing is rounded before the end."""
    bracket = next(one for one in brackets if one.up_to_fen is None or taxable_percent <= one.up_to_fen * _PERCENT)
    exact = taxable_percent * bracket.rate_percent - bracket.quick_deduction_fen * _PERCENT * _PERCENT
    return round_half_up(exact, _PERCENT * _PERCENT)


def _paid_fen(months: Mapping[str, MonthSum], month: str) -> int:
    return months.get(month, MonthSum()).gross_fen
