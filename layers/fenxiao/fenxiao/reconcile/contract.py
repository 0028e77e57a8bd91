"""What staff see of a reconciled day."""

from msgspec.structs import replace

from fenxiao.clock import SHANGHAI
from fenxiao.reconcile.model import Reconciliation


def reconciliation_view(reconciliation: Reconciliation) -> Reconciliation:
    """Return it with its time as people in Shanghai read it."""
    return replace(reconciliation, reconciled_at=reconciliation.reconciled_at.astimezone(SHANGHAI))
