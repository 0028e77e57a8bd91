"""Closed and previewed months in DynamoDB (`STATEMENT_TABLE`).

`months` / `<YYYY-MM>#<view>` is a month's result, `month#<YYYY-MM>#<view>` / `<promoter>` what it gives one promoter.
A line of a close stays for good, with nothing in it when nothing is left: so whoever was ever given something is found.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from pynamodb.attributes import UnicodeAttribute

from fenxiao.aws.dynamodb import IntegerAttribute, Item, JsonAttribute, MomentAttribute, condition_failed, table
from fenxiao.clock import Clock
from fenxiao.commission.month import Bonus
from fenxiao.commission.month_plan import Award
from fenxiao.commission.month_result import Line, LineState, MonthResult, View
from fenxiao.errors import BusyError

_MONTHS: Final = "months"
_MAX_RUN: Final = timedelta(minutes=16)
"""Longer than any run can last, since Lambda ends it after 15 minutes: after that, whoever held a month is gone."""


class MonthTakenError(BusyError):
    """Another run is at the month; nothing was done."""


class MonthItem(Item):
    """A month's result, and until when a run has it for itself."""

    Meta = table("STATEMENT_TABLE")

    result: JsonAttribute[MonthResult | None] = JsonAttribute(MonthResult, null=True)
    busy_until = MomentAttribute(null=True)


class LineItem(Item):
    """What a month gives one promoter."""

    Meta = table("STATEMENT_TABLE")

    bonus: JsonAttribute[Bonus] = JsonAttribute(Bonus)
    rule_version = IntegerAttribute()
    state = UnicodeAttribute()


class MonthStore:
    """Results of months, and their lines."""

    @contextmanager
    def alone(self, month: str, view: View, clock: Clock) -> Iterator[None]:
        """Have a month for oneself, so that no older figures are written over newer ones.

        Raises:
            MonthTakenError: another run is at it.
        """
        item, now = MonthItem(_MONTHS, _sort_key(month, view)), clock.now()
        free = MonthItem.busy_until.does_not_exist() | (MonthItem.busy_until < now)
        try:
            item.update([MonthItem.busy_until.set(now + _MAX_RUN)], free)
        except Exception as error:
            if condition_failed(error):
                raise MonthTakenError(month) from error
            raise
        try:
            yield
        finally:
            item.update([MonthItem.busy_until.remove()])

    def result(self, month: str, view: View) -> MonthResult | None:
        """Return a month's result, read consistently."""
        try:
            return MonthItem.get(_MONTHS, _sort_key(month, view), consistent_read=True).result
        except MonthItem.DoesNotExist:
            return None

    def results(self, view: View) -> dict[str, MonthResult]:
        """Return the results of all months, oldest first: a dozen a year."""
        items: Iterator[MonthItem] = MonthItem.query(_MONTHS, consistent_read=True)
        return {
            item.result.month: item.result for item in items if item.result is not None and item.result.view is view
        }

    def put(self, result: MonthResult) -> None:
        """Keep a month's result in place of an earlier one."""
        key = _sort_key(result.month, result.view)
        MonthItem(_MONTHS, key).update([MonthItem.result.set(result)])

    def lines(self, month: str, view: View) -> Iterator[Line]:
        """Yield all lines of a month by promoter, read consistently."""
        items: Iterator[LineItem] = LineItem.query(_line_pk(month, view), consistent_read=True)
        return (_line(month, item) for item in items)

    def page(self, month: str, view: View, after: str | None, limit: int) -> list[Line]:
        """Return at most `limit` lines of a month by promoter, from `after` (exclusive) on."""
        condition = LineItem.sk > after if after else None
        return [_line(month, item) for item in LineItem.query(_line_pk(month, view), condition, limit=limit)]

    def put_lines(self, view: View, lines: Iterable[Line]) -> None:
        """Write lines in place of what stands there."""
        with LineItem.batch_write() as batch:
            for line in lines:
                batch.save(_line_item(view, line))

    def drop_lines(self, view: View, lines: Iterable[Line]) -> None:
        """Remove lines."""
        with LineItem.batch_write() as batch:
            for line in lines:
                batch.delete(_line_item(view, line))


def _sort_key(month: str, view: View) -> str:
    return f"{month}#{view}"


def _line_pk(month: str, view: View) -> str:
    return f"month#{month}#{view}"


def _line_item(view: View, line: Line) -> LineItem:
    award = line.award
    return LineItem(
        pk=_line_pk(award.month, view),
        sk=award.promoter_id,
        bonus=award.bonus,
        rule_version=award.rule_version,
        state=line.state,
    )


def _line(month: str, item: LineItem) -> Line:
    award = Award(month=month, promoter_id=item.sk, bonus=item.bonus, rule_version=item.rule_version)
    return Line(award, LineState(item.state))
