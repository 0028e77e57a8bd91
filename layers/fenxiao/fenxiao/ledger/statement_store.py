"""Read models of the ledger (`STATEMENT_TABLE`): statement lines by member, and totals by day.

`ledger.projection` writes them, usually within a second after the journals; they can be rebuilt from them (M8).

`statement#<member>` holds lines in the order in which the books learned of them, `day#<day>` the sums of what happened
on a Shanghai day, `paid#<month>` those of the orders that were paid on each day of a month.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.update import Action

from fenxiao.aws.dynamodb import IntegerAttribute, Item, MomentAttribute, Transaction, table
from fenxiao.clock import to_millis
from fenxiao.ledger.model import TaxClass
from fenxiao.ledger.statement import FIGURES, PAID_DAY_FIGURES, StatementLine

_TOTALS: Final = "totals"

type Position = tuple[int, str]
"""Where a line stands in a statement: when posted (epoch milliseconds), and its journal and tax class."""


class LineItem(Item):
    """A statement line."""

    Meta = table("STATEMENT_TABLE")

    tax_class = UnicodeAttribute()
    at = MomentAttribute()
    posted_at = MomentAttribute()
    collection = UnicodeAttribute()
    number = IntegerAttribute()
    event = UnicodeAttribute()
    held_fen = IntegerAttribute()
    available_fen = IntegerAttribute()
    reserved_fen = IntegerAttribute()
    debt_fen = IntegerAttribute()


class TotalsItem(Item):
    """Sums of one Shanghai day: postings by account, credit positive, and sales, refunds and orders."""

    Meta = table("STATEMENT_TABLE")

    held_fen = IntegerAttribute(default=0)
    available_fen = IntegerAttribute(default=0)
    reserved_fen = IntegerAttribute(default=0)
    debt_fen = IntegerAttribute(default=0)
    commission_expense_fen = IntegerAttribute(default=0)
    campaign_expense_fen = IntegerAttribute(default=0)
    tax_payable_fen = IntegerAttribute(default=0)
    fee_income_fen = IntegerAttribute(default=0)
    paid_out_fen = IntegerAttribute(default=0)
    written_off_fen = IntegerAttribute(default=0)
    sales_fen = IntegerAttribute(default=0)
    refunds_fen = IntegerAttribute(default=0)
    orders = IntegerAttribute(default=0)


class PaidDayItem(Item):
    """What became of the orders paid on a Shanghai day; `revision` grows with every change."""

    Meta = table("STATEMENT_TABLE")

    sales_fen = IntegerAttribute(default=0)
    refunds_fen = IntegerAttribute(default=0)
    orders = IntegerAttribute(default=0)
    commission_fen = IntegerAttribute(default=0)
    cashback_fen = IntegerAttribute(default=0)
    revision = IntegerAttribute(default=0)


class StatementStore:
    """Reads of the read models."""

    def lines(self, member_id: str, before: Position | None, page_size: int) -> Iterator[StatementLine]:
        """Yield a member's lines, newest first, reading a page of them whenever the last one is used up.

        Args:
            member_id: Whose lines.
            before: Only those older than the line that stands there; `None` begins with the newest.
            page_size: Lines to read at once.
        """
        older = None if before is None else LineItem.sk < _line_sk(*before)
        items: Iterator[LineItem] = LineItem.query(
            _line_pk(member_id), older, scan_index_forward=False, page_size=page_size
        )
        return (_line(member_id, item) for item in items)

    def totals(self, day: date) -> dict[str, int]:
        """Return the sums of a Shanghai day; zeros when nothing happened."""
        try:
            item = TotalsItem.get(_day_pk(day), _TOTALS, consistent_read=True)
        except TotalsItem.DoesNotExist:
            return dict.fromkeys(FIGURES, 0)
        return {figure: getattr(item, figure) for figure in FIGURES}

    def paid_days(self, month: str) -> dict[date, dict[str, int]]:
        """Return, by day of a Shanghai month (`YYYY-MM`), what became of the orders paid then, with `revision`."""
        items: Iterator[PaidDayItem] = PaidDayItem.query(_paid_pk(month), consistent_read=True)
        figures = (*PAID_DAY_FIGURES, "revision")
        return {date.fromisoformat(item.sk): {name: getattr(item, name) for name in figures} for item in items}


def put_lines(lines: Sequence[StatementLine]) -> None:
    """Write lines; their keys follow from their journals, so writing them again changes nothing."""
    with LineItem.batch_write() as batch:
        for line in lines:
            batch.save(_line_item(line))


def add_totals(transaction: Transaction, day: date, figures: Mapping[str, int]) -> None:
    """Add to the sums of a day."""
    actions: list[Action] = [getattr(TotalsItem, figure).add(value) for figure, value in figures.items()]
    transaction.update(TotalsItem, _day_pk(day), _TOTALS, actions)


def add_paid_day(transaction: Transaction, day: date, figures: Mapping[str, int]) -> None:
    """Add to the figures of the orders that were paid on a day."""
    actions: list[Action] = [getattr(PaidDayItem, figure).add(value) for figure, value in figures.items()]
    actions.append(PaidDayItem.revision.add(1))
    transaction.update(PaidDayItem, _paid_pk(f"{day:%Y-%m}"), day.isoformat(), actions)


def position_of(line: StatementLine) -> Position:
    """Return where a line stands in its statement."""
    return to_millis(line.posted_at), f"{line.collection}#{line.number:06d}#{line.tax_class}"


def _day_pk(day: date) -> str:
    return f"day#{day.isoformat()}"


def _paid_pk(month: str) -> str:
    return f"paid#{month}"


def _line_pk(member_id: str) -> str:
    return f"statement#{member_id}"


def _line_sk(posted_at_millis: int, place: str) -> str:
    return f"{posted_at_millis:014d}#{place}"


def _line_item(line: StatementLine) -> LineItem:
    return LineItem(
        pk=_line_pk(line.member_id),
        sk=_line_sk(*position_of(line)),
        tax_class=line.tax_class,
        at=line.at,
        posted_at=line.posted_at,
        collection=line.collection,
        number=line.number,
        event=line.event,
        held_fen=line.held_fen,
        available_fen=line.available_fen,
        reserved_fen=line.reserved_fen,
        debt_fen=line.debt_fen,
    )


def _line(member_id: str, item: LineItem) -> StatementLine:
    return StatementLine(
        member_id=member_id,
        tax_class=TaxClass(item.tax_class),
        at=item.at,
        posted_at=item.posted_at,
        collection=item.collection,
        number=item.number,
        event=item.event,
        held_fen=item.held_fen,
        available_fen=item.available_fen,
        reserved_fen=item.reserved_fen,
        debt_fen=item.debt_fen,
    )
