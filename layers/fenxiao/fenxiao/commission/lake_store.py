"""The order lake in S3 (`LAKE_BUCKET`): `orders/<YYYY-MM-DD>/<part>.jsonl`, at most 5 000 orders a part.

The item `lake#<YYYY-MM>` / `<YYYY-MM-DD>` of `STATEMENT_TABLE` says what the lake has of a day. It is written after the
day's parts, so a crash in between only lets the day be exported again.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from botocore.exceptions import ClientError
from msgspec import Struct

from fenxiao.aws.clients import client
from fenxiao.aws.dynamodb import Item, JsonAttribute, table
from fenxiao.clock import Clock
from fenxiao.commission.lake import LakeDay, LakeOrder, Part, cut, is_current, lake_order, orders_in
from fenxiao.errors import BusyError, PassingError
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.order.model import OrderStatus
from fenxiao.order.store import OrderStore

_ORDERS: Final = "orders"
_REVISION: Final = "revision"


class LakeMovedError(PassingError):
    """A part is not any more as it was listed: its day was exported again meanwhile."""

    code = "lake_moved"
    title = "订单数据已更新，请重试"


class LakeDayItem(Item):
    """What the lake has of a day."""

    Meta = table("STATEMENT_TABLE")

    day: JsonAttribute[LakeDay] = JsonAttribute(LakeDay)


class Lake(Struct, frozen=True):
    """The order lake, and where its orders come from."""

    bucket: str
    orders: OrderStore
    statements: StatementStore
    clock: Clock

    def refresh(self, from_day: date, to_day: date, max_orders: int, settled_since: datetime | None = None) -> bool:
        """Export the days whose orders have moved since they were exported; return whether all are done.

        It stops after the day with which `max_orders` are exported; the next call goes on from there. A day follows its
        orders as the ledger's read models do, a second or so behind.

        Args:
            from_day: The first Shanghai day of payments.
            to_day: The last one, inclusive.
            max_orders: How many orders to export at most, but for what the last day has more.
            settled_since: Given to see which orders are settled: days with doubtful ones that were exported before this
                moment are exported again.

        Raises:
            BusyError: the index of a day's orders is behind their journals; nothing was noted of that day.
        """
        exported = 0
        for month in months(from_day, to_day):
            known = _days(month)
            for day, figures in sorted(self.statements.paid_days(month).items()):
                if not from_day <= day <= to_day or is_current(known.get(day), figures[_REVISION], settled_since):
                    continue
                if exported >= max_orders:
                    return False
                exported += self._export(day, figures[_REVISION], figures[_ORDERS]).orders
        return True

    def days(self, from_day: date, to_day: date) -> list[LakeDay]:
        """Return what the lake has of a period, by day; a day without orders is left out."""
        found = [one for month in months(from_day, to_day) for one in _days(month).values()]
        return [one for one in found if from_day <= one.day <= to_day and one.parts]

    def orders_of(self, day: LakeDay) -> Iterator[LakeOrder]:
        """Yield the orders of a day.

        Raises:
            LakeMovedError: the day was exported again since.
        """
        for part in day.parts:
            yield from orders_in(self._content(part))

    def _export(self, day: date, revision: int, expected: int) -> LakeDay:
        """Write a day's parts, remove those that it does not have any more, then note what there is.

        Orders are read consistently and after the revision, so what moved it is in them.
        """
        now = self.clock.now()
        kept, unsettled = list[LakeOrder](), False
        for order in self.orders.find_many(self.orders.paid_on(day), consistent=True):
            if found := lake_order(order):
                kept.append(found)
                unsettled |= order.status is OrderStatus.RECEIVED
        if len(kept) < expected:
            raise BusyError
        prefix = f"orders/{day}/"
        parts = []
        for number, content in enumerate(cut(kept)):
            key = f"{prefix}{number:04d}.jsonl"
            etag = client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)["ETag"]
            parts.append(Part(key, etag, content.count(b"\n")))
        self._remove_others(prefix, {part.key for part in parts})
        exported = LakeDay(day=day, revision=revision, parts=tuple(parts), exported_at=now, unsettled=unsettled)
        LakeDayItem(_pk(f"{day:%Y-%m}"), day.isoformat(), day=exported).save()
        return exported

    def _remove_others(self, prefix: str, keys: set[str]) -> None:
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        for key in [found["Key"] for page in pages for found in page.get("Contents", [])]:
            if key not in keys:
                client("s3").delete_object(Bucket=self.bucket, Key=key)

    def _content(self, part: Part) -> bytes:
        try:
            answer = client("s3").get_object(Bucket=self.bucket, Key=part.key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise LakeMovedError from error
            raise
        if answer["ETag"] != part.etag:
            raise LakeMovedError
        content: bytes = answer["Body"].read()
        return content


def months(from_day: date, to_day: date) -> list[str]:
    """Return the months, as `YYYY-MM`, that a period touches."""
    first, last = (day.year * 12 + day.month - 1 for day in (from_day, to_day))
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(first, last + 1)]


def _days(month: str) -> dict[date, LakeDay]:
    items: Iterator[LakeDayItem] = LakeDayItem.query(_pk(month), consistent_read=True)
    return {item.day.day: item.day for item in items}


def _pk(month: str) -> str:
    return f"lake#{month}"
