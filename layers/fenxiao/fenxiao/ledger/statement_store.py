"""Read models of the ledger (`STATEMENT_TABLE`): statement lines by member and totals by day.

One consumer of the ledger's stream writes them, usually within a second; they can be rebuilt from the journals (M8). A
line is put in the same transaction that adds its journal to the day's totals, so a journal that comes twice counts once
(M30).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.update import Action

from fenxiao.aws.dynamodb import (
    MAX_TRANSACTION_ACTIONS,
    IntegerAttribute,
    Item,
    MomentAttribute,
    Transaction,
    TransactionCancelledError,
    table,
)
from fenxiao.clock import to_millis
from fenxiao.errors import BusyError
from fenxiao.ledger.model import Journal
from fenxiao.ledger.statement import FIGURES, StatementLine, lines_of, totals_of

_TOTALS: Final = "totals"
_MAX_ATTEMPTS: Final = 8


class LineItem(Item):
    """A statement line; journals that touch no member leave one under their own collection, as the mark of M30."""

    Meta = table("STATEMENT_TABLE")

    at = MomentAttribute()
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
    tax_payable_fen = IntegerAttribute(default=0)
    fee_income_fen = IntegerAttribute(default=0)
    paid_out_fen = IntegerAttribute(default=0)
    sales_fen = IntegerAttribute(default=0)
    refunds_fen = IntegerAttribute(default=0)
    orders = IntegerAttribute(default=0)


class StatementStore:
    """Writes and reads of the read models."""

    def project(self, journals: Sequence[Journal]) -> None:
        """Write the lines and totals of journals; those that were projected before are left as they are.

        Raises:
            BusyError: contention did not cease; the stream brings the batch again.
        """
        chunk: list[Journal] = []
        size = 0
        for journal in journals:
            actions = len(lines_of(journal)) + 1  # its lines, and perhaps a day of its own
            if chunk and size + actions > MAX_TRANSACTION_ACTIONS:
                self._project(chunk)
                chunk, size = [], 0
            chunk.append(journal)
            size += actions
        if chunk:
            self._project(chunk)

    def lines(
        self, member_id: str, limit: int, before: tuple[int, str] | None
    ) -> tuple[list[StatementLine], tuple[int, str] | None]:
        """Return a member's lines, newest first, and the position to go on from."""
        pk = _line_pk(member_id)
        start = None if before is None else {"pk": {"S": pk}, "sk": {"S": _line_sk(*before)}}
        results = LineItem.query(pk, scan_index_forward=False, limit=limit, last_evaluated_key=start)
        lines = [_line(item) for item in results]
        more = results.last_evaluated_key is not None and lines
        last = (to_millis(lines[-1].at), f"{lines[-1].collection}#{lines[-1].number:06d}") if more else None
        return lines, last

    def totals(self, day: date) -> dict[str, int]:
        """Return the sums of a Shanghai day; zeros when nothing happened."""
        try:
            item = TotalsItem.get(_day_pk(day), _TOTALS, consistent_read=True)
        except TotalsItem.DoesNotExist:
            return dict.fromkeys(FIGURES, 0)
        return {figure: getattr(item, figure) for figure in FIGURES}

    def _project(self, journals: Sequence[Journal]) -> None:
        pending = list({(one.collection, one.number): one for one in journals}.values())
        for _ in range(_MAX_ATTEMPTS):
            if not pending:
                return
            transaction = Transaction()
            owners: list[Journal] = []
            for journal in pending:
                for owner, line in lines_of(journal).items():
                    transaction.put(_line_item(owner, line), LineItem.pk.does_not_exist())
                    owners.append(journal)
            for day, figures in totals_of(pending).items():
                _add(transaction, day, figures)
            try:
                transaction.commit()
            except TransactionCancelledError as cancelled:
                seen = [one for one, reason in zip(owners, cancelled.reasons, strict=False) if reason]
                pending = [one for one in pending if one not in seen]
            else:
                return
        raise BusyError


def _add(transaction: Transaction, day: date, figures: Mapping[str, int]) -> None:
    actions: list[Action] = [getattr(TotalsItem, figure).add(value) for figure, value in figures.items()]
    transaction.update(TotalsItem, _day_pk(day), _TOTALS, actions)


def _day_pk(day: date) -> str:
    return f"day#{day.isoformat()}"


def _line_pk(owner: str) -> str:
    return f"statement#{owner}"


def _line_sk(at_millis: int, place: str) -> str:
    return f"{at_millis:014d}#{place}"


def _line_item(owner: str, line: StatementLine) -> LineItem:
    return LineItem(
        pk=_line_pk(owner),
        sk=_line_sk(to_millis(line.at), f"{line.collection}#{line.number:06d}"),
        at=line.at,
        collection=line.collection,
        number=line.number,
        event=line.event,
        held_fen=line.held_fen,
        available_fen=line.available_fen,
        reserved_fen=line.reserved_fen,
        debt_fen=line.debt_fen,
    )


def _line(item: LineItem) -> StatementLine:
    return StatementLine(
        at=item.at,
        collection=item.collection,
        number=item.number,
        event=item.event,
        held_fen=item.held_fen,
        available_fen=item.available_fen,
        reserved_fen=item.reserved_fen,
        debt_fen=item.debt_fen,
    )
