"""Keeping the ledger in step with the orders: earning, clawback and settlement."""

from typing import Final

from fenxiao.commission.plan import Settlement, collection_of, plan
from fenxiao.commission.rules import RuleSet, in_force
from fenxiao.commission.store import RuleStore
from fenxiao.errors import BusyError
from fenxiao.ledger.errors import ContradictionError
from fenxiao.ledger.model import Entry, Journal
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.model import Order
from fenxiao.order.store import OrderStore

_MAX_REPLANS: Final = 5


def earnings(paid: Order, rules: RuleStore) -> list[Entry]:
    """Return the earning of an order that was just paid, without reading anything but cached rules.

    The first journal of an order is always its earning, so the put's own condition recognises a replay.
    """
    return plan(paid, (), (), version_of(paid, rules))


def follow(order_id: str, orders: OrderStore, ledger: LedgerStore, rules: RuleStore) -> list[Journal]:
    """Post whatever an order's events still need: the earning and every refund that WeChat reported as successful.

    Returns the order's journals.

    Raises:
        ContradictionError: an event stands in the books with another cause; nothing was posted.
        BusyError: other writers kept moving the collection on.
    """
    return _bring_up_to_date(order_id, None, orders, ledger, rules)


def settle(
    order_id: str, settlement: Settlement, orders: OrderStore, ledger: LedgerStore, rules: RuleStore
) -> list[Journal]:
    """Settle an order's commissions; return its journals, without a settlement if a refund is pending.

    Raises:
        ContradictionError: an event stands in the books with another cause; nothing was posted.
        BusyError: other writers kept moving the collection on.
    """
    return _bring_up_to_date(order_id, settlement, orders, ledger, rules)


def version_of(order: Order, rules: RuleStore) -> RuleSet | None:
    """Return the rule version in force when the order was paid, however late this runs (M10)."""
    return in_force(rules.versions(), order.payment.paid_at) if order.payment else None


def _bring_up_to_date(
    order_id: str, settlement: Settlement | None, orders: OrderStore, ledger: LedgerStore, rules: RuleStore
) -> list[Journal]:
    """Plan and post until nothing is missing; each round reads anew what another writer may have moved on."""
    for _ in range(_MAX_REPLANS):
        order, refunds = orders.order_with_refunds(order_id)
        journals = ledger.collection(collection_of(order_id))
        entries = plan(order, refunds, journals, version_of(order, rules), settlement)
        if not entries:
            return journals
        outcome = post_batch(ledger, entries)
        if outcome.contradicted:
            raise ContradictionError(outcome.contradicted)
    raise BusyError
