"""Reconciled days in DynamoDB (`STATEMENT_TABLE`): `reconcile` / `<day>`."""

from datetime import date
from typing import Final

from fenxiao.aws.dynamodb import Item, JsonAttribute, table
from fenxiao.errors import NotFoundError
from fenxiao.reconcile.model import Reconciliation

_PK: Final = "reconcile"


class ReconciliationNotFoundError(NotFoundError):
    """That day has not been reconciled (yet)."""

    code = "reconciliation_not_found"
    title = "该日尚未对账"


class ReconciliationItem(Item):
    """A reconciled day."""

    Meta = table("STATEMENT_TABLE")

    reconciliation: JsonAttribute[Reconciliation] = JsonAttribute(Reconciliation)


class ReconciliationStore:
    """Reconciled days; one that is reconciled again replaces itself."""

    def put(self, reconciliation: Reconciliation) -> None:
        """Keep a day."""
        ReconciliationItem(pk=_PK, sk=reconciliation.day.isoformat(), reconciliation=reconciliation).save()

    def get(self, day: date) -> Reconciliation:
        """Return a day.

        Raises:
            ReconciliationNotFoundError: it has not been reconciled.
        """
        try:
            return ReconciliationItem.get(_PK, day.isoformat()).reconciliation
        except ReconciliationItem.DoesNotExist:
            raise ReconciliationNotFoundError(day.isoformat()) from None

    def last_day(self) -> date | None:
        """Return the newest day that is reconciled; all days before it were, as days are taken in their order."""
        for item in ReconciliationItem.query(_PK, scan_index_forward=False, limit=1, consistent_read=True):
            return item.reconciliation.day
        return None
