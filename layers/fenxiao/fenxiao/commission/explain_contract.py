"""HTTP contracts of explanations, and who may read which."""

from datetime import datetime

import msgspec
from msgspec import Struct

from fenxiao.clock import SHANGHAI
from fenxiao.commission.explain import Explained, LineSteps, Nothing, Part, explain
from fenxiao.commission.explain_text import sentences
from fenxiao.commission.follow import version_of
from fenxiao.commission.plan import collection_of
from fenxiao.commission.store import RuleStore
from fenxiao.errors import NotFoundError
from fenxiao.http.api import Auth, Principal
from fenxiao.ledger.model import TaxClass
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.reading import named_order
from fenxiao.order.store import OrderStore
from fenxiao.relation.model import Tier

_ID_LENGTH = 27


class PartView(Struct, frozen=True, kw_only=True):
    """What one person gets of an order and why: as data, and in sentences."""

    commission_id: str
    member_id: str
    tax_class: TaxClass
    level: int | None
    tier: Tier
    reason: Nothing | None
    lines: tuple[LineSteps, ...]
    amount_fen: int
    posted_fen: int
    held_fen: int
    sentences: list[str]


class ExplanationView(Struct, frozen=True, kw_only=True):
    """The commissions of an order, as far as the asker may see them."""

    order_id: str
    paid_at: datetime
    rule_version: int | None
    effective_from: datetime | None
    max_levels: int
    min_order_fen: int
    goods_left_fen: int
    settled: bool
    parts: list[PartView]


class Explainer(msgspec.Struct, frozen=True):
    """What explanations are computed from."""

    orders: OrderStore
    ledger: LedgerStore
    rules: RuleStore

    def of_order(self, principal: Principal, order_id: str) -> ExplanationView:
        """Explain an order: all of it to staff, their own part to a member.

        Raises:
            NotFoundError: no such order, not paid yet, or the member has no part in it: the three look alike.
        """
        explained = self._explained(order_id)
        parts = [part for part in explained.parts if _may_see(principal, part)]
        return _view(explained, parts)

    def of_commission(self, principal: Principal, commission_id: str) -> ExplanationView:
        """Explain one person's commission, `<order id>-<member id>`.

        Raises:
            NotFoundError: no such commission, or it is somebody else's.
        """
        order_id, member_id = commission_id[:_ID_LENGTH], commission_id[_ID_LENGTH + 1 :]
        if commission_id != commission_id_of(order_id, member_id):
            raise NotFoundError
        explained = self._explained(order_id)
        parts = [part for part in explained.parts if part.member_id == member_id and _may_see(principal, part)]
        return _view(explained, parts)

    def _explained(self, order_id: str) -> Explained:
        order = named_order(self.orders, order_id)
        if order.payment is None:
            raise NotFoundError
        # Read in this order, so that no journal tells of a refund that is not among the refunds.
        journals = self.ledger.collection(collection_of(order_id))
        order, refunds = self.orders.order_with_refunds(order_id)
        return explain(order, refunds, journals, version_of(order, self.rules))


def commission_id_of(order_id: str, member_id: str) -> str:
    """Return the id of what a member earned on an order."""
    return f"{order_id}-{member_id}"


def _may_see(principal: Principal, part: Part) -> bool:
    return principal.kind is Auth.STAFF or principal.id == part.member_id


def _view(explained: Explained, parts: list[Part]) -> ExplanationView:
    if not parts:
        raise NotFoundError
    effective = explained.effective_from
    return ExplanationView(
        order_id=explained.order_id,
        paid_at=explained.paid_at.astimezone(SHANGHAI),
        rule_version=explained.rule_version,
        effective_from=effective.astimezone(SHANGHAI) if effective else None,
        max_levels=explained.max_levels,
        min_order_fen=explained.min_order_fen,
        goods_left_fen=explained.goods_left_fen,
        settled=explained.settled,
        parts=[_part_view(explained, part) for part in parts],
    )


def _part_view(explained: Explained, part: Part) -> PartView:
    return PartView(
        commission_id=commission_id_of(explained.order_id, part.member_id),
        member_id=part.member_id,
        tax_class=part.tax_class,
        level=part.level,
        tier=part.tier,
        reason=part.reason,
        lines=part.lines,
        amount_fen=part.amount_fen,
        posted_fen=part.posted_fen,
        held_fen=part.held_fen,
        sentences=sentences(explained, part),
    )
