"""Orders, rules and books made for tests: small builders with the defaults that a test does not care about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fenxiao.commission.drafts import Release, Version
from fenxiao.commission.plan import Settlement, collection_of, plan
from fenxiao.commission.rules import Breaker, Override, RuleSet, SelfPurchase, Step, TeamBonus
from fenxiao.commission.sale import sale_of
from fenxiao.commission.split import split
from fenxiao.commission.store import RuleStore
from fenxiao.ledger.apply import apply
from fenxiao.ledger.model import Entry, Journal, TaxClass, Wallet, WalletKey
from fenxiao.order.model import (
    FrozenStanding,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    Refund,
    RefundStatus,
)
from fenxiao.relation.model import Standing, Tier, Upline

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


class FrozenClock:
    """Time that stands still until it is moved."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def rule_set(
    *,
    base_bps: tuple[int, ...] = (1000, 500, 200),
    cap_bps: int = 5000,
    hold_days: int = 7,
    self_purchase: SelfPurchase = SelfPurchase.NONE,
    category_bps: dict[str, tuple[int, ...]] | None = None,
    product_bps: dict[str, tuple[int, ...]] | None = None,
    tier_bps: dict[Tier, tuple[int, ...]] | None = None,
    version: int = 1,
    min_order_fen: int = 0,
    cashback_bps: int = 0,
    breaker: Breaker | None = None,
    ladder: tuple[Step, ...] = (),
    team_bonus: TeamBonus | None = None,
) -> RuleSet:
    return RuleSet(
        version=version,
        effective_from=NOW - timedelta(days=30),
        base_bps=base_bps,
        overrides=(
            *(Override(category=name, rates_bps=rates) for name, rates in (category_bps or {}).items()),
            *(Override(product_id=name, rates_bps=rates) for name, rates in (product_bps or {}).items()),
            *(Override(tier=tier, rates_bps=rates) for tier, rates in (tier_bps or {}).items()),
        ),
        cap_bps=cap_bps,
        hold_days=hold_days,
        self_purchase=self_purchase,
        min_order_fen=min_order_fen,
        cashback_bps=cashback_bps,
        breaker=breaker or Breaker(),
        ladder=ladder,
        team_bonus=team_bonus,
    )


def released(rules: RuleSet, published_by: str = "S1") -> Version:
    return Version(rules, Release(title="佣金规则", published_by=published_by, published_at=rules.effective_from))


def shares(order: Order, left_fens: Sequence[int], rules: RuleSet | None) -> dict[str, int]:
    """What each member earns as commission of what is left."""
    return {
        key.member_id: fen
        for key, fen in split(sale_of(order), left_fens, rules).items()
        if key.tax_class is TaxClass.COMMISSION
    }


def line(paid_fen: int, category: str = "tea", product_id: str = "P1", *, is_virtual: bool = False) -> OrderLine:
    return OrderLine(
        product_id=product_id,
        sku_id=f"{product_id}-1",
        title="龙井",
        category=category,
        is_virtual=is_virtual,
        quantity=1,
        unit_price_fen=paid_fen,
        paid_fen=paid_fen,
    )


def paid_order(
    *paid_fens: int,
    chain: Sequence[str] = ("C", "B", "A"),
    buyer: str = "D",
    buyer_standing: Standing = Standing.SHOPPER,
    standings: dict[str, Standing] | None = None,
    tiers: dict[str, Tier] | None = None,
    lines: Sequence[OrderLine] | None = None,
    first_order: bool = True,
    first_order_only: bool = False,
    max_levels: int = 3,
    order_id: str = "T1",
) -> Order:
    standing = dict.fromkeys(chain, Standing.PROMOTER) | {buyer: buyer_standing} | (standings or {})
    order_lines = tuple(lines or [line(fen) for fen in paid_fens])
    return Order(
        order_id=order_id,
        member_id=buyer,
        openid=f"openid-{buyer}",
        status=OrderStatus.PAID,
        lines=order_lines,
        total_fen=sum(one.paid_fen for one in order_lines),
        chain=tuple(Upline(member_id=member_id, counts=True) for member_id in chain),
        placed_at=NOW,
        max_levels=max_levels,
        first_order_only=first_order_only,
        payment=Payment(
            transaction_id="4200000001",
            paid_at=NOW,
            first_order=first_order,
            standings=tuple(
                FrozenStanding(
                    member_id=member_id, standing=standing[member_id], tier=(tiers or {}).get(member_id, Tier.STANDARD)
                )
                for member_id in (buyer, *chain)
            ),
            earns=True,
        ),
    )


def refund(
    order: Order, *line_fens: int, refund_id: str = "R1", status: RefundStatus = RefundStatus.SUCCEEDED
) -> Refund:
    return Refund(
        refund_id=refund_id,
        order_id=order.order_id,
        line_fens=line_fens,
        reason="七天无理由",
        status=status,
        requested_at=NOW,
        ended_at=NOW if status is RefundStatus.SUCCEEDED else None,
    )


class RulesInForce(RuleStore):
    """Versions that are in force without having been published."""

    def __init__(self, *versions: RuleSet) -> None:
        super().__init__()
        self.known = versions

    def versions(self, *, fresh: bool = False) -> tuple[RuleSet, ...]:  # noqa: ARG002 - as the store has it
        return self.known


class Books:
    """A ledger in memory over the real planning and applying."""

    def __init__(self) -> None:
        self.journals: dict[str, list[Journal]] = {}
        self.wallets: dict[WalletKey, Wallet] = {}

    def follow(
        self, order: Order, refunds: Sequence[Refund], rules: RuleSet | None, settlement: Settlement | None = None
    ) -> list[Journal]:
        return self.post(*plan(order, refunds, self.collection(collection_of(order.order_id)), rules, settlement))

    def post(self, *entries: Entry) -> list[Journal]:
        keys = {move.wallet for entry in entries for move in entry.movements}
        journals, changes = apply(entries, {key: self.wallets.get(key, Wallet()) for key in keys}, NOW)
        for journal in journals:
            collection = self.journals.setdefault(journal.collection, [])
            assert journal.number == len(collection)
            collection.append(journal)
        self.wallets |= {key: change.after for key, change in changes.items()}
        return journals

    def collection(self, name: str) -> list[Journal]:
        return self.journals.get(name, [])

    def wallet(self, member_id: str, tax_class: TaxClass = TaxClass.COMMISSION) -> Wallet:
        return self.wallets.get(WalletKey(member_id, tax_class), Wallet())
