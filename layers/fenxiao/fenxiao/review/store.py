"""Cases and decisions in DynamoDB (`CASE_TABLE`).

`C…`/`case` is a case, `C…`/`round#<n>#<staff>` a decision. Index `by_status` is the reviewers' queue, `due` the
sweeper's.
"""

from collections.abc import Callable
from datetime import datetime
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
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.review.model import Case, CaseFile, CaseStatus, Decision

_SK: Final = "case"
_WORK: Final = "case"
_MAX_DECISIONS: Final = 50
_MAX_ATTEMPTS: Final = 8

type Position = tuple[int, str]
"""Where a page of the queue ends: epoch milliseconds of opening, case id."""


class DueIndex(GlobalSecondaryIndex["CaseItem"]):  # type: ignore[no-untyped-call] # pynamodb's __init_subclass__
    """Cases whose deadline or delivery falls due."""

    class Meta:
        """Index."""

        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = MomentAttribute(range_key=True)


class ByStatusIndex(GlobalSecondaryIndex["CaseItem"]):  # type: ignore[no-untyped-call] # as above
    """The queue of a kind and status, by time of opening."""

    class Meta:
        """Index."""

        index_name = "by_status"
        projection = KeysOnlyProjection()

    queue = UnicodeAttribute(hash_key=True)
    opened_at = MomentAttribute(range_key=True)


class CaseItem(Item):
    """A case; written whole each time, under the version that was read."""

    Meta = table("CASE_TABLE")

    version = IntegerAttribute()
    queue = UnicodeAttribute()
    opened_at = MomentAttribute()
    due_shard = UnicodeAttribute(null=True)
    due_at = MomentAttribute(null=True)
    data: JsonAttribute[Case] = JsonAttribute(Case)
    due = DueIndex()
    by_status = ByStatusIndex()


class DecisionItem(Item):
    """A decision; put once."""

    Meta = table("CASE_TABLE")

    data: JsonAttribute[Decision] = JsonAttribute(Decision)


class CaseStore:
    """Reads and writes of cases."""

    def get(self, case_id: str) -> Case | None:
        """Return a case, read consistently, or `None`."""
        try:
            return _case(CaseItem.get(case_id, _SK, consistent_read=True))
        except CaseItem.DoesNotExist:
            return None

    def file(self, case_id: str) -> CaseFile:
        """Return a case and its decisions, read consistently.

        Raises:
            NotFoundError: there is no such case.
        """
        case = self.get(case_id)
        if case is None:
            raise NotFoundError
        items = DecisionItem.query(
            case_id, DecisionItem.sk.startswith("round#"), consistent_read=True, limit=_MAX_DECISIONS
        )
        decisions: list[Decision] = [item.data for item in items]
        return CaseFile(case=case, decisions=tuple(sorted(decisions, key=lambda one: one.decided_at)))

    def open(self, case: Case) -> bool:
        """Put a new case; false if it was opened before."""
        transaction = Transaction()
        put_case(transaction, case)
        try:
            transaction.commit()
        except TransactionCancelledError:
            return False
        return True

    def change(self, case_id: str, do: Callable[[Case], Case]) -> Case:
        """Read, change and write a case under its version; tries again when another write came between.

        Raises:
            NotFoundError: there is no such case.
            BusyError: the contention did not cease.
        """
        for attempt in range(_MAX_ATTEMPTS):
            before = self.get(case_id)
            if before is None:
                raise NotFoundError
            after = do(before)
            if after == before:
                return before
            transaction = Transaction()
            put_case(transaction, after)
            if _committed(transaction):
                return after
            back_off(attempt)
        raise BusyError

    def add_decision(self, case: Case, decision: Decision) -> bool:
        """Write a decision and the case after it; false if the case changed since it was read (M28)."""
        transaction = Transaction()
        item = DecisionItem(pk=case.case_id, sk=f"round#{decision.round}#{decision.staff_id}", data=decision)
        transaction.put(item, DecisionItem.pk.does_not_exist())
        put_case(transaction, case)
        return _committed(transaction)

    def queue(
        self, kind: str, status: CaseStatus, limit: int, after: Position | None
    ) -> tuple[list[Case], Position | None]:
        """Return a page of cases, oldest first, and where the next one begins."""
        queue = _queue(kind, status)
        key = None
        if after:
            key = {
                "queue": {"S": queue},
                "opened_at": {"N": str(after[0])},
                "pk": {"S": after[1]},
                "sk": {"S": _SK},
            }
        page = CaseItem.by_status.query(queue, limit=limit, last_evaluated_key=key)
        ids = [item.pk for item in page]
        last = page.last_evaluated_key
        found = {item.pk: _case(item) for item in CaseItem.batch_get([(one, _SK) for one in ids])} if ids else {}
        # The index may lag behind the item: what has left the queue meanwhile is not shown in it.
        cases = [found[one] for one in ids if one in found and found[one].status is status]
        return cases, (int(last["opened_at"]["N"]), last["pk"]["S"]) if last else None

    def due(self, now: datetime, limit: int) -> list[str]:
        """Return ids of cases that fall due, at most `limit` of each shard."""
        return [
            item.pk
            for shard in due_shards(_WORK)
            for item in CaseItem.due.query(shard, CaseItem.due_at <= now, limit=limit)
        ]


def put_case(transaction: Transaction, case: Case) -> int:
    """Add the writing of a case under the version that was read (0: it must not exist)."""
    item = CaseItem(
        pk=case.case_id,
        sk=_SK,
        version=case.version + 1,
        queue=_queue(case.kind, case.status),
        opened_at=case.opened_at,
        due_shard=due_shard(_WORK, case.case_id) if case.due_at else None,
        due_at=case.due_at,
        data=case,
    )
    condition = CaseItem.version == case.version if case.version else CaseItem.pk.does_not_exist()
    return transaction.put(item, condition)


def case_from_image(image: RawItem) -> Case | None:
    """Return the case of a stream image, `None` for a decision's."""
    if image["sk"]["S"] != _SK:
        return None
    return _case(CaseItem.from_raw_data(image))


def _committed(transaction: Transaction) -> bool:
    try:
        transaction.commit()
    except TransactionCancelledError:
        return False
    return True


def _queue(kind: str, status: CaseStatus) -> str:
    return f"{kind}#{status}"


def _case(item: CaseItem) -> Case:
    case: Case = item.data
    return replace(case, version=item.version)
