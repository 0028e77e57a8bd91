"""Orders, rules and books made for tests: small builders with the defaults that a test does not care about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from fenxiao.commission.plan import Settlement, collection_of, plan
from fenxiao.commission.rules import RuleSet, SelfPurchase
from fenxiao.ledger.apply import apply
from fenxiao.ledger.model import Journal, Wallet, WalletKey
from fenxiao.order.model import (
    FrozenStanding,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    Refund,
    RefundStatus,
)
from fenxiao.relation.model import Standing, Upline

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def rule_set(
    base_bps: tuple[int, ...] = (1000, 500, 200),
    cap_bps: int = 5000,
    hold_days: int = 7,
    self_purchase: SelfPurchase = SelfPurchase.NONE,
    category_bps: dict[str, tuple[int, ...]] | None = None,
    product_bps: dict[str, tuple[int, ...]] | None = None,
    version: int = 1,
) -> RuleSet:
    return RuleSet(
        version=version,
        effective_from=NOW - timedelta(days=30),
        base_bps=base_bps,
        category_bps=category_bps or {},
        product_bps=product_bps or {},
        cap_bps=cap_bps,
        hold_days=hold_days,
        self_purchase=self_purchase,
    )


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
                FrozenStanding(member_id=member_id, standing=standing[member_id]) for member_id in (buyer, *chain)
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


class Books:
    """A ledger in memory over the real planning and applying."""

    def __init__(self) -> None:
        self.journals: dict[str, list[Journal]] = {}
        self.wallets: dict[WalletKey, Wallet] = {}

    def follow(
        self, order: Order, refunds: Sequence[Refund], rules: RuleSet | None, settlement: Settlement | None = None
    ) -> list[Journal]:
        collection = self.journals.setdefault(collection_of(order.order_id), [])
        entries = plan(order, refunds, collection, rules, settlement)
        keys = {move.wallet for entry in entries for move in entry.movements}
        journals, changes = apply(entries, {key: self.wallets.get(key, Wallet()) for key in keys})
        collection += journals
        self.wallets |= {key: change.after for key, change in changes.items()}
        return journals

    def wallet(self, member_id: str) -> Wallet:
        return self.wallets.get(WalletKey(member_id), Wallet())

    def draw(self, member_id: str, amount_fen: int) -> None:
        """Take from what is available as a payout would."""
        key = WalletKey(member_id)
        wallet = self.wallets[key]
        assert wallet.available_fen >= amount_fen
        self.wallets[key] = replace(wallet, available_fen=wallet.available_fen - amount_fen)
