"""The split: who earns how much of what is left of an order. A function of its arguments only."""

from collections.abc import Sequence

from msgspec import Struct

from fenxiao.commission.rules import RuleSet, SelfPurchase
from fenxiao.money import share_fen
from fenxiao.order.model import Order, OrderLine, Payment
from fenxiao.relation.model import Standing


class Level(Struct, frozen=True):
    """A place in the chain: who holds it, and whether the holder may earn on this order."""

    member_id: str
    eligible: bool


def levels(order: Order, payment: Payment, rules: RuleSet) -> tuple[Level, ...]:
    """Return the levels that the split runs over, level 1 first, at most the order's `max_levels`.

    An ineligible level stays in its place and earns nothing: nobody moves up (M11). With self-purchase, a buyer who was
    a promoter when paying is level 1 and the others move down.
    """
    standing = {frozen.member_id: frozen.standing for frozen in payment.standings}
    chain_counts = payment.first_order or not order.first_order_only
    chain = [
        Level(upline.member_id, upline.counts and chain_counts and standing.get(upline.member_id) is Standing.PROMOTER)
        for upline in order.chain
    ]
    if rules.self_purchase is SelfPurchase.LEVEL_1 and standing.get(order.member_id) is Standing.PROMOTER:
        chain.insert(0, Level(order.member_id, eligible=True))
    return tuple(chain[: order.max_levels])


def split(order: Order, left_fens: Sequence[int], rules: RuleSet | None) -> dict[str, int]:
    """Return what each beneficiary earns in fen; who earns nothing is left out.

    Args:
        order: A paid order.
        left_fens: What is left of each line: paid less refunded.
        rules: The version in force when it was paid; `None` before the first version: nobody earns.
    """
    if order.payment is None or rules is None:
        return {}
    chain = levels(order, order.payment, rules)
    total: dict[str, int] = {}
    for line, left_fen in zip(order.lines, left_fens, strict=True):
        for level, fen in zip(chain, _line_shares(line, left_fen, rules, chain), strict=True):
            if fen:
                total[level.member_id] = total.get(level.member_id, 0) + fen
    return total


def _line_shares(line: OrderLine, left_fen: int, rules: RuleSet, chain: Sequence[Level]) -> list[int]:
    """Return each level's share of one line, floored (M13), and brought under the line's cap (M14)."""
    rates = rules.rates(line)
    shares = [
        share_fen(left_fen, rates[i]) if level.eligible and i < len(rates) else 0 for i, level in enumerate(chain)
    ]
    cap_fen, total_fen = share_fen(left_fen, rules.cap_bps), sum(shares)
    if total_fen > cap_fen:
        return [share * cap_fen // total_fen for share in shares]
    return shares
