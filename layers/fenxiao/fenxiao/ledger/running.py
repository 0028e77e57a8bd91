"""Running balances: from the wallets as they are now, back through the statement line by line.

Balances are not stored with the lines. They begin with the wallets, read consistently, and each line is taken back in
turn, newest first; so what stands after the newest line always is the wallet. A journal that the wallets hold but the
projection has not written yet, which it does usually within a second, has no line to be taken back: the balances of all
older lines are then off by it, on the page that was read at that moment and on those that go on from it; read anew,
they are right. What lines say of themselves, and their sums, is right at any time.

Lines stand in the order in which the books learned of them. Journals of one batch share that instant; among them lines
stand in the order of their collections, and so do the balances between them.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final

from msgspec import Struct

from fenxiao.clock import shanghai_day
from fenxiao.errors import BadRequestError
from fenxiao.ledger.model import TaxClass, Wallet
from fenxiao.ledger.statement import LineType, StatementLine

MAX_LOOKED_AT: Final = 1000
"""Lines that one page looks at, whether it shows them or not."""
MAX_EXPORTED: Final = 10_000
"""Lines of one export."""
MAX_READ: Final = 40_000
"""Lines that one export looks at: those of its period, and all newer ones, which lie between it and the wallets."""

type Balances = Mapping[TaxClass, Wallet]
"""A member's wallet of every tax class at one moment."""


class TooManyLinesError(BadRequestError):
    """An export would hold, or look at, more lines than it may."""

    code = "too_many_lines"
    title = "明细过多，请缩短期间"


class Wanted(Struct, frozen=True, kw_only=True):
    """Which lines to show: of one type, and booked on these Shanghai days, both inclusive; `None` is no limit."""

    type: LineType | None = None
    first: date | None = None
    last: date | None = None

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing is filtered out."""
        return self == Wanted()

    def ends_before(self, line: StatementLine) -> bool:
        """Tell whether the line is newer than the period."""
        return self.last is not None and self.last < shanghai_day(line.posted_at)

    def begins_after(self, line: StatementLine) -> bool:
        """Tell whether the line, and with it all that follow, is older than the period."""
        return self.first is not None and shanghai_day(line.posted_at) < self.first


class RunningLine(Struct, frozen=True):
    """A line with all balances before and after it."""

    line: StatementLine
    before: Balances
    after: Balances

    @property
    def wallet(self) -> Wallet:
        """Return the line's own wallet after it."""
        return self.after[self.line.tax_class]


class Stretch(Struct, frozen=True):
    """A page of a statement; the next goes on after the line `last`, which is `None` at the end."""

    shown: list[RunningLine]
    last: RunningLine | None


class Account(Struct, frozen=True):
    """A whole period: what is shown of it, oldest first, and the balances around it, whatever is shown."""

    shown: list[RunningLine]
    opening: Balances
    closing: Balances


def run_back(lines: Iterable[StatementLine], balances: Balances) -> Iterator[RunningLine]:
    """Yield lines with their balances.

    Args:
        lines: Newest first.
        balances: Those after the newest line.
    """
    for line in lines:
        before = {**balances, line.tax_class: _taken_back(balances[line.tax_class], line)}
        yield RunningLine(line, before, balances)
        balances = before


def stretch(lines: Iterable[RunningLine], wanted: Wanted, limit: int) -> Stretch:
    """Return a page of up to `limit` wanted lines.

    It looks at no more than `MAX_LOOKED_AT` lines, and at one more to see whether there is one; so a page that filters
    can be short, or empty, and yet have a next one.
    """
    shown: list[RunningLine] = []
    last: RunningLine | None = None
    for looked_at, running in enumerate(lines):
        if wanted.begins_after(running.line):
            break
        if len(shown) == limit or looked_at == MAX_LOOKED_AT:
            return Stretch(shown, last)
        last = running
        if _is_wanted(running.line, wanted):
            shown.append(running)
    return Stretch(shown, None)


def account(lines: Iterable[StatementLine], balances: Balances, wanted: Wanted) -> Account:
    """Return the wanted lines of a whole period.

    Args:
        lines: All that the member has, newest first.
        balances: The wallets as they are now.
        wanted: Type and period.

    Raises:
        TooManyLinesError: there are more lines than one export holds, or looks at.
    """
    shown: list[RunningLine] = []
    opening = closing = balances
    for looked_at, running in enumerate(run_back(lines, balances)):
        if wanted.begins_after(running.line):
            break
        if looked_at == MAX_READ:
            raise TooManyLinesError(f"所选期间及其后的明细超过 {MAX_READ} 条，请选择更短或更近的期间")
        opening = running.before
        if wanted.ends_before(running.line):
            closing = running.before
        elif _is_wanted(running.line, wanted):
            if len(shown) == MAX_EXPORTED:
                raise TooManyLinesError(f"一次最多导出 {MAX_EXPORTED} 条明细，请缩短期间")
            shown.append(running)
    return Account(shown[::-1], opening, closing)


def _is_wanted(line: StatementLine, wanted: Wanted) -> bool:
    """Tell whether a line that is not older than the period is to be shown."""
    return wanted.type in (None, line.type) and not wanted.ends_before(line)


def _taken_back(wallet: Wallet, line: StatementLine) -> Wallet:
    return Wallet(
        held_fen=wallet.held_fen - line.held_fen,
        available_fen=wallet.available_fen - line.available_fen,
        reserved_fen=wallet.reserved_fen - line.reserved_fen,
        debt_fen=wallet.debt_fen - line.debt_fen,
    )
