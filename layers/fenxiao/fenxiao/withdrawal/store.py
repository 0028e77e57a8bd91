"""Withdrawals and payees in DynamoDB (`WITHDRAWAL_TABLE`).

`W…`/`withdrawal` is a withdrawal, `tax#<person>`/`payee` what is known of a tax person. Index `by_member` lists a
member's withdrawals, `by_day` those that were paid on a day, `due` is the sweeper's.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from msgspec.structs import replace
from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from fenxiao.aws.due import due_shard, due_shards
from fenxiao.aws.dynamodb import (
    IntegerAttribute,
    Item,
    JsonAttribute,
    MomentAttribute,
    RawItem,
    Transaction,
    TransactionCancelledError,
    back_off,
    table,
)
from fenxiao.clock import shanghai_day
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.withdrawal.model import Payee, Status, Withdrawal

_WITHDRAWAL_SK: Final = "withdrawal"
_PAYEE_SK: Final = "payee"
MAX_ATTEMPTS: Final = 8
"""How often a change is tried again when another write came between."""

type Position = tuple[int, str]
"""Where a page of a member's list ends: epoch milliseconds of the request, withdrawal id."""


class Work(StrEnum):
    """Kinds of due work."""

    STUCK = "stuck"
    """Before the transfer's request is stored: start (again) what should be running."""
    TRANSFER = "transfer"
    """After that: ask WeChat."""


class DueIndex(GlobalSecondaryIndex["WithdrawalItem"]):  # type: ignore[no-untyped-call] # pynamodb's __init_subclass__
    """Withdrawals that fall due."""

    class Meta:
        """Index."""

        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = MomentAttribute(range_key=True)


class ByMemberIndex(GlobalSecondaryIndex["WithdrawalItem"]):  # type: ignore[no-untyped-call] # as above
    """A member's withdrawals by time of request; keys only, so that no later write touches it."""

    class Meta:
        """Index."""

        index_name = "by_member"
        projection = KeysOnlyProjection()

    member_id = UnicodeAttribute(hash_key=True)
    requested_at = MomentAttribute(range_key=True)


class ByDayIndex(GlobalSecondaryIndex["WithdrawalItem"]):  # type: ignore[no-untyped-call] # as above
    """Paid withdrawals by the Shanghai day and the time of their success at WeChat."""

    class Meta:
        """Index."""

        index_name = "by_day"
        projection = KeysOnlyProjection()

    day_shard = UnicodeAttribute(hash_key=True)
    day_at = MomentAttribute(range_key=True)


class WithdrawalItem(Item):
    """A withdrawal; written whole each time, under the version that was read."""

    Meta = table("WITHDRAWAL_TABLE")

    version = IntegerAttribute()
    member_id = UnicodeAttribute()
    requested_at = MomentAttribute()
    due_shard = UnicodeAttribute(null=True)
    due_at = MomentAttribute(null=True)
    day_shard = UnicodeAttribute(null=True)
    day_at = MomentAttribute(null=True)
    data: JsonAttribute[Withdrawal] = JsonAttribute(Withdrawal)
    due = DueIndex()
    by_member = ByMemberIndex()
    by_day = ByDayIndex()


class PayeeItem(Item):
    """A tax person; written whole each time, under the version that was read."""

    Meta = table("WITHDRAWAL_TABLE")

    version = IntegerAttribute()
    data: JsonAttribute[Payee] = JsonAttribute(Payee)


class WithdrawalStore:
    """Reads and writes of withdrawals and payees."""

    def find(self, withdrawal_id: str) -> Withdrawal | None:
        """Return a withdrawal, read consistently, or `None`."""
        try:
            return _withdrawal(WithdrawalItem.get(withdrawal_id, _WITHDRAWAL_SK, consistent_read=True))
        except WithdrawalItem.DoesNotExist:
            return None

    def get(self, withdrawal_id: str) -> Withdrawal:
        """Return a withdrawal, read consistently.

        Raises:
            NotFoundError: there is none.
        """
        found = self.find(withdrawal_id)
        if found is None:
            raise NotFoundError
        return found

    def payee(self, person: str) -> Payee:
        """Return what is known of a tax person, read consistently; empty before the first request."""
        try:
            item = PayeeItem.get(_payee_pk(person), _PAYEE_SK, consistent_read=True)
        except PayeeItem.DoesNotExist:
            return Payee(person=person)
        payee: Payee = item.data
        return replace(payee, version=item.version)

    def change(self, withdrawal_id: str, do: Callable[[Withdrawal], Withdrawal]) -> Withdrawal:
        """Read, change and write a withdrawal under its version; tries again when another write came between.

        Raises:
            NotFoundError: there is none.
            BusyError: the contention did not cease.
        """
        for attempt in range(MAX_ATTEMPTS):
            before = self.get(withdrawal_id)
            after = do(before)
            if after == before:
                return before
            transaction = Transaction()
            put_withdrawal(transaction, after)
            try:
                transaction.commit()
            except TransactionCancelledError:
                back_off(attempt)
            else:
                return replace(after, version=after.version + 1)
        raise BusyError

    def by_member(
        self, member_id: str, limit: int, before: Position | None = None
    ) -> tuple[list[Withdrawal], Position | None]:
        """Return a page of a member's withdrawals, newest first, and where the next one begins."""
        key = None
        if before:
            key = {
                "member_id": {"S": member_id},
                "requested_at": {"N": str(before[0])},
                "pk": {"S": before[1]},
                "sk": {"S": _WITHDRAWAL_SK},
            }
        page = WithdrawalItem.by_member.query(member_id, limit=limit, scan_index_forward=False, last_evaluated_key=key)
        ids = [item.pk for item in page]
        last = page.last_evaluated_key
        keys = [(one, _WITHDRAWAL_SK) for one in ids]
        found = {item.pk: _withdrawal(item) for item in WithdrawalItem.batch_get(keys)} if keys else {}
        position = (int(last["requested_at"]["N"]), last["pk"]["S"]) if last else None
        return [found[one] for one in ids if one in found], position

    def paid_on(self, day: date) -> Iterator[str]:
        """Yield the withdrawals that WeChat paid out on a Shanghai day."""
        for shard in due_shards(_paid_on(day)):
            for item in WithdrawalItem.by_day.query(shard):
                yield item.pk

    def find_many(self, withdrawal_ids: Iterable[str]) -> Iterator[Withdrawal]:
        """Yield those of the withdrawals that there are; what was written within the last seconds may be missed."""
        for item in WithdrawalItem.batch_get([(one, _WITHDRAWAL_SK) for one in set(withdrawal_ids)]):
            yield _withdrawal(item)

    def due(self, work: Work, now: datetime, limit: int) -> list[str]:
        """Return ids of withdrawals that fall due, at most `limit` of each shard."""
        return [
            item.pk
            for shard in due_shards(work)
            for item in WithdrawalItem.due.query(shard, WithdrawalItem.due_at <= now, limit=limit)
        ]


def put_withdrawal(transaction: Transaction, withdrawal: Withdrawal) -> int:
    """Add the writing of a withdrawal under the version that was read (0: it must not exist)."""
    work = Work.TRANSFER if withdrawal.status is Status.TRANSFERRING else Work.STUCK
    paid_at = withdrawal.ended_at if withdrawal.status is Status.PAID else None
    item = WithdrawalItem(
        pk=withdrawal.withdrawal_id,
        sk=_WITHDRAWAL_SK,
        version=withdrawal.version + 1,
        member_id=withdrawal.member_id,
        requested_at=withdrawal.requested_at,
        due_shard=due_shard(work, withdrawal.withdrawal_id) if withdrawal.due_at else None,
        due_at=withdrawal.due_at,
        day_shard=due_shard(_paid_on(shanghai_day(paid_at)), withdrawal.withdrawal_id) if paid_at else None,
        day_at=paid_at,
        data=withdrawal,
    )
    condition = (
        WithdrawalItem.version == withdrawal.version if withdrawal.version else WithdrawalItem.pk.does_not_exist()
    )
    return transaction.put(item, condition)


def put_payee(transaction: Transaction, payee: Payee) -> int:
    """Add the writing of a payee under the version that was read (0: it must not exist)."""
    item = PayeeItem(pk=_payee_pk(payee.person), sk=_PAYEE_SK, version=payee.version + 1, data=payee)
    condition = PayeeItem.version == payee.version if payee.version else PayeeItem.pk.does_not_exist()
    return transaction.put(item, condition)


def withdrawal_from_image(image: RawItem) -> Withdrawal | None:
    """Return the withdrawal of a stream image, `None` for a payee's."""
    if image["sk"]["S"] != _WITHDRAWAL_SK:
        return None
    return _withdrawal(WithdrawalItem.from_raw_data(image))


def _withdrawal(item: WithdrawalItem) -> Withdrawal:
    withdrawal: Withdrawal = item.data
    return replace(withdrawal, version=item.version)


def _paid_on(day: date) -> str:
    """Return the name of a day's partitions, which become such as `2026-03-01#paid#2`."""
    return f"{day.isoformat()}#paid"


def _payee_pk(person: str) -> str:
    return f"tax#{person}"
