"""The sweep: what no event has finished in time (M29)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from fenxiao.observability import count, logger
from fenxiao.order.close import Closer, close_unpaid
from fenxiao.order.delivery import receive
from fenxiao.order.model import Work
from fenxiao.order.ports import RefundPort
from fenxiao.order.refunding import record_refund, request_refund
from fenxiao.order.store import DueOrder

_PAGE: Final = 100
"""Items taken from each shard and run; what is left is taken by the next run."""
_AFTER_FAULT: Final = timedelta(minutes=15)
"""What could not be done makes room for the rest, and is tried again."""
_ASK_AGAIN: Final = timedelta(hours=1)
"""WeChat pays most refunds within minutes, some within days."""


class Sweeper(Struct, frozen=True):
    """What the sweep works with."""

    closer: Closer
    refunds: RefundPort

    def run(self) -> int:
        """Do everything that is due; return how many items could not be done because of a fault.

        A fault of one item is logged and counted; the item waits a while and does not hold up the others. Every step is
        conditional, so a run that is cut off, or two that overlap, do no harm.
        """
        now = self.closer.books.clock.now()
        work: dict[Work, Callable[[DueOrder, datetime], None]] = {
            Work.REFUND: self._refund,
            Work.RECEIVE: self._receive,
            Work.CLOSE: self._close,
        }
        return sum(
            not self._done(kind, do, due, now)
            for kind, do in work.items()
            for due in self.closer.books.orders.due(kind, now, _PAGE)
        )

    def _done(self, kind: Work, do: Callable[[DueOrder, datetime], None], due: DueOrder, now: datetime) -> bool:
        try:
            do(due, now)
        except Exception:  # noqa: BLE001 - one item's fault must not hold up the others
            count("OrderSweepFault")
            logger.exception("due order failed", extra={"order_id": due.order_id, "work": kind})
            self.closer.books.orders.set_due(due, kind, now + _AFTER_FAULT)
            return False
        return True

    def _close(self, due: DueOrder, _now: datetime) -> None:
        close_unpaid(self.closer, due.order_id)

    def _receive(self, due: DueOrder, now: datetime) -> None:
        receive(self.closer.books.orders, due.order_id, now)

    def _refund(self, due: DueOrder, now: datetime) -> None:
        """Ask about a refund of which nothing was heard; one that WeChat does not know is asked for again."""
        books = self.closer.books
        result = self.refunds.query(due.refund_id)
        if result is None:
            request_refund(books, self.refunds, due.order_id, due.refund_id)
        else:
            record_refund(books, result)
        books.orders.set_due(due, Work.REFUND, now + _ASK_AGAIN)
