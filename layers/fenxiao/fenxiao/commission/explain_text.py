"""The explanation of a commission in Chinese sentences. Pure: data in, words out."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from fenxiao.clock import SHANGHAI
from fenxiao.commission.explain import Explained, LineSteps, Nothing, Part, RateSource
from fenxiao.ledger.model import TaxClass
from fenxiao.money import BPS, yuan
from fenxiao.relation.model import Tier

TIERS: Final = {Tier.STANDARD: "普通", Tier.SILVER: "银牌", Tier.GOLD: "金牌", Tier.DIAMOND: "钻石"}

_REASONS: Final = {
    Nothing.BINDING_EXPIRED: "下单时，到该级为止的推荐关系已失效，因此不计佣；上级不会顶替该级",
    Nothing.NOT_FIRST_ORDER: "推荐关系仅对买家的首笔付款订单有效，本单不是首单，因此不计佣",
    Nothing.SUSPENDED: "付款时该推广员已被停用，因此不计佣；上级不会顶替该级",
    Nothing.NOT_PROMOTER: "付款时该成员不是推广员，因此不计佣；上级不会顶替该级",
    Nothing.PAID_AFTER_CLOSE: "订单关闭后才收到付款，已全额退款，不计佣",
    Nothing.NO_RULES: "付款时尚无生效的佣金规则，不计佣",
    Nothing.DENIED: "本单佣金经人工审核被驳回",
    Nothing.BELOW_MINIMUM: "订单剩余商品金额低于规则的最低订单金额，不计佣",
    Nothing.BEYOND_LEVELS: "该成员超出规则允许的分销层级，不计佣",
    Nothing.NO_CASHBACK: "规则未设首单返现",
    Nothing.NOT_FIRST_PURCHASE: "不是买家的首笔付款订单，没有首单返现",
    Nothing.FREIGHT: "运费不计佣",
    Nothing.VIRTUAL: "虚拟商品不计佣",
    Nothing.REFUNDED: "已全部退款，不再计佣",
    Nothing.NO_RATE: "规则对该级没有费率",
    Nothing.BELOW_ONE_FEN: "不足一分，舍去",
}

_SOURCES: Final = {
    RateSource.PRODUCT_AND_TIER: "该商品对该等级推广员的费率",
    RateSource.PRODUCT: "该商品的费率",
    RateSource.CATEGORY_AND_TIER: "该类目对该等级推广员的费率",
    RateSource.CATEGORY: "该类目的费率",
    RateSource.TIER: "该等级推广员的费率",
    RateSource.BASE: "基础费率",
    RateSource.CASHBACK: "首单返现比例",
}


def sentences(explained: Explained, part: Part) -> list[str]:
    """Return one part of an order's explanation as sentences, in the order in which it was computed."""
    return [*_opening(explained, part), *_body(part), *_closing(explained, part)]


def _opening(explained: Explained, part: Part) -> Iterator[str]:
    paid = f"订单于 {_moment(explained.paid_at)} 付款"
    if explained.rule_version is None or explained.effective_from is None:
        yield f"{paid}。"
    else:
        yield f"{paid}，适用规则版本 {explained.rule_version}（{_moment(explained.effective_from)} 生效）。"
    if part.level is None:
        yield "买家首单返现。"
    else:
        yield f"第 {part.level} 级推广员，付款时等级为{TIERS[part.tier]}。"
    if explained.min_order_fen:
        yield f"最低订单金额 {yuan(explained.min_order_fen)} 元，订单剩余商品金额 {yuan(explained.goods_left_fen)} 元。"


def _body(part: Part) -> Iterator[str]:
    if part.reason and not part.lines:
        yield f"{_REASONS[part.reason]}。"
    for line in part.lines:
        yield _base(line)
        if line.nothing:
            yield f"第 {line.line} 行{_REASONS[line.nothing]}。"
        else:
            yield from _arithmetic(part, line)


def _base(line: LineSteps) -> str:
    steps = [f"第 {line.line} 行「{line.title}」：原价 {yuan(line.list_fen)} 元"]
    if line.discount_fen:
        steps.append(f"减优惠分摊 {yuan(line.discount_fen)} 元")
    if line.refunded_fen:
        steps.append(f"减已退款 {yuan(line.refunded_fen)} 元")
    return f"{'，'.join(steps)}，计佣基数 {yuan(line.base_fen)} 元。"


def _arithmetic(part: Part, line: LineSteps) -> Iterator[str]:
    level = "" if part.level is None else f"第 {part.level} 级"
    product = f"{yuan(line.base_fen)} × {_percent(line.rate_bps)} = {_exact_yuan(line.base_fen * line.rate_bps)} 元"
    floor = f"，舍去不足一分的部分，得 {yuan(line.share_fen)} 元" if line.floored else ""
    yield f"费率 {_percent(line.rate_bps)}（{_SOURCES[line.rate_source]}{level}）：{product}{floor}。"
    cap = f"上限 {_percent(line.cap_bps)}（{yuan(line.cap_fen)} 元）"
    if line.all_shares_fen > line.cap_fen:
        yield (
            f"本行各级合计 {yuan(line.all_shares_fen)} 元，超过{cap}，"
            f"按比例缩减：{yuan(line.share_fen)} × {yuan(line.cap_fen)} ÷ {yuan(line.all_shares_fen)}，"
            f"得 {yuan(line.amount_fen)} 元。"
        )
    else:
        yield f"本行各级合计 {yuan(line.all_shares_fen)} 元，未超过{cap}。"


def _closing(explained: Explained, part: Part) -> Iterator[str]:
    name = "返现" if part.tax_class is TaxClass.REBATE else "佣金"
    yield f"合计{name} {yuan(part.amount_fen)} 元。"
    if part.posted_fen != part.amount_fen:
        yield f"账上目前为 {yuan(part.posted_fen)} 元，差额正在入账。"
    if part.posted_fen:
        state = "已全部结算" if explained.settled and not part.held_fen else f"其中 {yuan(part.held_fen)} 元尚在冻结期"
        yield f"{state}。"


def _moment(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def _percent(rate_bps: int) -> str:
    return f"{rate_bps * 100 // BPS}.{rate_bps % (BPS // 100):02d}%"


def _exact_yuan(fen_times_bps: int) -> str:
    """Return a product of fen and basis points in yuan with all its decimals, at least two."""
    whole, rest = divmod(fen_times_bps, 100 * BPS)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{decimals}"
