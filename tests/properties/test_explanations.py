"""An explanation's steps, worked out again by whoever reads them, give exactly what was posted."""

from hypothesis import given
from hypothesis import strategies as st

from fenxiao.commission.explain import Explained, LineSteps, Part, explain
from fenxiao.commission.explain_text import sentences
from fenxiao.commission.plan import Settlement
from fenxiao.commission.rules import RuleSet, SelfPurchase
from fenxiao.commission.sale import left_of, sale_of
from fenxiao.commission.split import split
from fenxiao.ledger.model import WalletKey
from fenxiao.money import yuan
from fenxiao.order.model import Order, Refund
from fenxiao.relation.model import Standing, Tier
from tests.support.world import NOW, Books, line, paid_order, refund, rule_set

rates = st.lists(st.integers(0, 3000), max_size=3).map(tuple)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    paid = draw(st.lists(st.integers(1, 200_000), min_size=1, max_size=4))
    categories = [draw(st.sampled_from(["tea", "ware", "freight"])) for _ in paid]
    virtual = [draw(st.booleans()) and draw(st.booleans()) for _ in paid]
    chain = ("C", "B", "A")[: draw(st.integers(0, 3))]
    return paid_order(
        lines=[line(fen, name, is_virtual=v) for fen, name, v in zip(paid, categories, virtual, strict=True)],
        chain=chain,
        buyer_standing=draw(st.sampled_from([Standing.SHOPPER, Standing.PROMOTER])),
        standings={member: draw(st.sampled_from(Standing)) for member in chain},
        tiers={member: draw(st.sampled_from(Tier)) for member in chain},
        first_order=draw(st.booleans()),
        max_levels=draw(st.integers(1, 3)),
    )


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    return rule_set(
        base_bps=draw(rates),
        category_bps={"ware": draw(rates)},
        tier_bps={Tier.GOLD: draw(rates)},
        cap_bps=draw(st.integers(1, 5000)),
        cashback_bps=draw(st.integers(0, 2000)),
        min_order_fen=draw(st.sampled_from([0, 0, 50_000])),
        self_purchase=draw(st.sampled_from(SelfPurchase)),
    )


@st.composite
def refunds_of(draw: st.DrawFn, order: Order) -> list[Refund]:
    left = [one.paid_fen for one in order.lines]
    refunds = []
    for number in range(draw(st.integers(0, 3))):
        taken = [draw(st.integers(0, fen)) for fen in left]
        left = [fen - part for fen, part in zip(left, taken, strict=True)]
        refunds.append(refund(order, *taken, refund_id=f"R{number}"))
    return refunds


@given(data=st.data(), order=orders(), rules=rule_sets(), settled=st.booleans())
def test_the_steps_recompute_to_the_posted_fen(
    *, data: st.DataObject, order: Order, rules: RuleSet, settled: bool
) -> None:
    refunds = data.draw(refunds_of(order))
    books = Books()
    books.follow(order, refunds, rules, Settlement(NOW) if settled else None)
    explained = explain(order, refunds, books.journals["order#T1"], rules)
    shares = split(sale_of(order), left_of(order, refunds), rules)

    assert {one.member_id for one in explained.parts} == {"D", *(upline.member_id for upline in order.chain)}
    given = {WalletKey(one.member_id, one.tax_class): one.amount_fen for one in explained.parts if one.amount_fen}
    assert given == shares
    for part in explained.parts:
        assert part.posted_fen == part.amount_fen == sum(_worked_out(one) for one in part.lines)
        assert part.held_fen == (0 if settled else part.amount_fen)
        assert (part.reason is None) == (part.amount_fen > 0)
        _assert_tells(explained, part)


def _worked_out(one: LineSteps) -> int:
    """A reader's own arithmetic, from the numbers that the explanation shows."""
    base = one.list_fen - one.discount_fen - one.refunded_fen
    assert base == one.base_fen
    share, floored = divmod(base * one.rate_bps, 10_000)
    assert (share, floored) == (one.share_fen, one.floored)
    cap = base * one.cap_bps // 10_000
    total = one.all_shares_fen
    return share if total <= cap else share * cap // total


def _assert_tells(explained: Explained, part: Part) -> None:
    text = sentences(explained, part)
    assert all(sentence.endswith("。") for sentence in text)
    assert f"{yuan(part.amount_fen)} 元" in "".join(text)
