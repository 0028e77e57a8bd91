"""What an explanation says, word for word, and who may read it."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from fenxiao.commission.explain import Explained, explain
from fenxiao.commission.explain_text import sentences
from fenxiao.commission.plan import Settlement
from fenxiao.commission.rules import RuleSet, SelfPurchase
from fenxiao.ledger.model import TaxClass
from fenxiao.order.model import Denial, Order, Refund
from fenxiao.relation.model import Standing, Tier, Upline
from tests.support.world import NOW, Books, line, paid_order, refund, rule_set


def explained(
    order: Order, rules: RuleSet | None, refunds: Sequence[Refund] = (), settlement: Settlement | None = None
) -> Explained:
    books = Books()
    books.follow(order, refunds, rules, settlement)
    return explain(order, refunds, books.journals.get("order#T1", []), rules)


def said(of: Explained, member_id: str, tax_class: TaxClass = TaxClass.COMMISSION) -> list[str]:
    (part,) = [one for one in of.parts if (one.member_id, one.tax_class) == (member_id, tax_class)]
    return sentences(of, part)


def reasons(of: Explained) -> dict[str, str | None]:
    return {one.member_id: one.reason for one in of.parts if one.tax_class is TaxClass.COMMISSION}


def test_a_commission_is_told_step_by_step() -> None:
    order = paid_order(lines=[replace(line(38_397), quantity=3, unit_price_fen=13_000)], tiers={"C": Tier.GOLD})
    rules = rule_set(tier_bps={Tier.GOLD: (1250, 500)}, min_order_fen=100)
    assert said(explained(order, rules, [refund(order, 397)]), "C") == [
        "订单于 2026-03-01 12:00:00 付款，适用规则版本 1（2026-01-30 12:00:00 生效）。",
        "第 1 级推广员，付款时等级为金牌。",
        "最低订单金额 1.00 元，订单剩余商品金额 380.00 元。",
        "第 1 行「龙井」：原价 390.00 元，减优惠分摊 6.03 元，减已退款 3.97 元，计佣基数 380.00 元。",
        "费率 12.50%（该等级推广员的费率第 1 级）：380.00 × 12.50% = 47.50 元。",
        "本行各级合计 74.10 元，未超过上限 50.00%（190.00 元）。",
        "合计佣金 47.50 元。",
        "其中 47.50 元尚在冻结期。",
    ]


@pytest.mark.rule("M13", "M14")
def test_floor_and_cap_are_told_with_their_numbers() -> None:
    told = said(
        explained(paid_order(3_333), rule_set(base_bps=(2500, 1000), cap_bps=3000), settlement=Settlement(NOW)), "C"
    )
    assert told[3:] == [
        "费率 25.00%（基础费率第 1 级）：33.33 × 25.00% = 8.3325 元，舍去不足一分的部分，得 8.33 元。",
        "本行各级合计 11.66 元，超过上限 30.00%（9.99 元），按比例缩减：8.33 × 9.99 ÷ 11.66，得 7.13 元。",
        "合计佣金 7.13 元。",
        "已全部结算。",
    ]


@pytest.mark.rule("M18")
def test_cashback_of_a_first_order_is_told_to_the_buyer() -> None:
    told = said(explained(paid_order(10_000), rule_set(cashback_bps=300)), "D", TaxClass.REBATE)
    assert told[1:] == [
        "买家首单返现。",
        "第 1 行「龙井」：原价 100.00 元，计佣基数 100.00 元。",
        "费率 3.00%（首单返现比例）：100.00 × 3.00% = 3.00 元。",
        "本行各级合计 20.00 元，未超过上限 50.00%（50.00 元）。",
        "合计返现 3.00 元。",
        "其中 3.00 元尚在冻结期。",
    ]


@pytest.mark.rule("M11")
def test_everybody_who_earned_nothing_is_told_why() -> None:
    standings = {"C": Standing.SUSPENDED, "B": Standing.SHOPPER}
    order = paid_order(10_000, standings=standings)
    order = replace(order, chain=(*order.chain[:2], Upline(member_id="A", counts=False)))
    assert reasons(explained(order, rule_set())) == {
        "C": "suspended",
        "B": "not_promoter",
        "A": "binding_expired",
    }
    assert "付款时该推广员已被停用，因此不计佣；上级不会顶替该级。" in said(explained(order, rule_set()), "C")


def test_reasons_of_a_whole_order() -> None:
    order = paid_order(10_000)
    assert order.payment
    late = replace(order, payment=replace(order.payment, earns=False))
    denied = replace(order, denial=Denial(case_id="C1", at=NOW))
    of = {
        "paid_after_close": explained(late, rule_set()),
        "no_rules": explained(order, None),
        "denied": explained(denied, rule_set()),
        "below_minimum": explained(order, rule_set(min_order_fen=10_001)),
        "refunded": explained(order, rule_set(), [refund(order, 10_000)]),
        "not_first_order": explained(paid_order(10_000, first_order_only=True, first_order=False), rule_set()),
        "below_one_fen": explained(paid_order(1), rule_set()),
    }
    for reason, one in of.items():
        assert set(reasons(one).values()) == {reason}


def test_whoever_stands_beyond_the_levels_is_told_so() -> None:
    rules = rule_set(self_purchase=SelfPurchase.LEVEL_1)
    order = paid_order(10_000, buyer_standing=Standing.PROMOTER)
    assert reasons(explained(order, rules)) == {"D": None, "C": None, "B": None, "A": "beyond_levels"}


@pytest.mark.rule("M12")
def test_lines_that_never_earn_are_told_so() -> None:
    lines = [line(10_000), line(800, "freight"), line(5_000, is_virtual=True), line(4_000, "ware")]
    told = said(explained(paid_order(lines=lines), rule_set(category_bps={"ware": ()})), "C")
    assert [one for one in told if one.startswith("第 2 行运费")] == ["第 2 行运费不计佣。"]
    assert "第 3 行虚拟商品不计佣。" in told
    assert "第 4 行规则对该级没有费率。" in told
    assert told[-2:] == ["合计佣金 10.00 元。", "其中 10.00 元尚在冻结期。"]
