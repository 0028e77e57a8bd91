"""Drafts of rule sets in DynamoDB (`RULE_TABLE`): `drafts` / `<id>`, in one partition, so that they can be listed."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from fenxiao.aws.dynamodb import (
    IntegerAttribute,
    Item,
    JsonAttribute,
    Transaction,
    TransactionCancelledError,
    back_off,
    table,
)
from fenxiao.commission.drafts import Draft, DraftStaleError, Version
from fenxiao.commission.simulation_store import Simulation, put_simulation
from fenxiao.commission.store import VersionTakenError, put_version
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.ids import Kind, is_id

_PARTITION: Final = "drafts"
_MAX_ATTEMPTS: Final = 8


class DraftItem(Item):
    """A draft; written whole each time, under the revision that was read."""

    Meta = table("RULE_TABLE")

    revision = IntegerAttribute()
    data: JsonAttribute[Draft] = JsonAttribute(Draft)


class DraftStore:
    """Reads and writes of drafts; every read is consistent."""

    def get(self, draft_id: str) -> Draft:
        """Return a draft.

        Raises:
            NotFoundError: there is none of that id.
        """
        if not is_id(Kind.DRAFT, draft_id):
            raise NotFoundError
        try:
            draft: Draft = DraftItem.get(_PARTITION, draft_id, consistent_read=True).data
        except DraftItem.DoesNotExist as error:
            raise NotFoundError from error
        return draft

    def page(self, limit: int, before: str | None) -> list[Draft]:
        """Return drafts, the newest first, from the id `before` (exclusive) on."""
        items = DraftItem.query(
            _PARTITION,
            DraftItem.sk < before if before else None,
            consistent_read=True,
            scan_index_forward=False,
            limit=limit,
        )
        return [item.data for item in items]

    def save(self, draft: Draft, *, simulation: Simulation | None = None, version: Version | None = None) -> Draft:
        """Write a draft under the revision that was read (0: it is new), and return it with its next revision.

        In the same transaction goes the simulation that it asks for, or the version that it became.

        Raises:
            DraftStaleError: it changed since it was read; nothing was written.
            VersionTakenError: somebody published in between; nothing was written.
        """
        after = replace(draft, revision=draft.revision + 1)
        as_read = DraftItem.revision == draft.revision if draft.revision else DraftItem.pk.does_not_exist()
        transaction = Transaction()
        transaction.put(DraftItem(pk=_PARTITION, sk=draft.draft_id, revision=after.revision, data=after), as_read)
        published = put_version(transaction, version) if version else None
        if simulation:
            put_simulation(transaction, simulation)
        try:
            transaction.commit()
        except TransactionCancelledError as cancelled:
            if published is not None and cancelled.failed(published):
                raise VersionTakenError from cancelled
            raise DraftStaleError from cancelled
        return after

    def change(self, draft_id: str, do: Callable[[Draft], Draft]) -> Draft:
        """Read, change and write a draft under its revision; tries again when another write came between.

        Raises:
            NotFoundError: there is none of that id.
            BusyError: the contention did not cease.
        """
        for attempt in range(_MAX_ATTEMPTS):
            before = self.get(draft_id)
            after = do(before)
            if after == before:
                return before
            try:
                return self.save(after)
            except DraftStaleError:
                back_off(attempt)
        raise BusyError
