"""Rule sets: immutable, numbered documents that say who earns what.

Precedence of a beneficiary's rate on a line, the most particular first: product and tier, product, category and tier,
category, tier, base.

Decoding a document checks its types only, so that `faults` can name everything that breaks a limit at once. What the
fields say in Chinese, and the limits beside it, is for the published JSON Schema.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import asdict

from fenxiao.config import MAX_LEVELS_LIMIT
from fenxiao.errors import BadRequestError
from fenxiao.money import BPS
from fenxiao.order.model import FREIGHT_CATEGORY
from fenxiao.relation.model import Tier

PUBLISHING_LEAD: Final = timedelta(minutes=5)
"""A version takes effect at the earliest so long after publishing, so that every cache knows it by then (M10)."""

_HALF_BPS: Final = 5_000
_HOLD_DAYS: Final = range(91)
_MAX_ORDER_FEN: Final = 100_000_000
_MAX_MONTH_FEN: Final = 10_000_000_000
"""Net sales of a month that nobody passes: a step above it cannot be reached."""
_MAX_STEPS: Final = 20
_MAX_OVERRIDES: Final = 500
_NAME_LENGTH: Final = range(1, 65)
_PRECEDENCE: Final = "商品且等级 > 商品 > 类目且等级 > 类目 > 等级 > 基础费率"
_RATES_TEXT: Final = "单位：基点（万分之一）；第一项为一级，依次类推；未列出的级别不计佣金；各级之和不得超过单笔上限"

type RateBps = Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": _HALF_BPS})]

type Rates = tuple[RateBps, ...]
"""Basis points by level, level 1 first; a level that is missing earns nothing."""

type _Name = Annotated[
    str, Meta(extra_json_schema={"minLength": _NAME_LENGTH.start, "maxLength": _NAME_LENGTH.stop - 1})
]


def _says(title: str, description: str, **limits: object) -> Meta:
    """Return what the published schema says of a field."""
    return Meta(title=title, description=description, extra_json_schema=limits or None)


class SelfPurchase(StrEnum):
    """Whether a promoter earns on their own orders (M11)."""

    NONE = "none"
    LEVEL_1 = "level_1"


class Override(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates for a product or a category, for promoters of a tier, or for both together."""

    rates_bps: Annotated[Rates, _says("各级费率", _RATES_TEXT, maxItems=MAX_LEVELS_LIMIT)]
    product_id: Annotated[_Name | None, _says("商品", "商品编号；与类目二选一")] = None
    category: Annotated[_Name | None, _says("类目", "商品类目；运费不计佣金，不可填写")] = None
    tier: Annotated[Tier | None, _says("推广员等级", "仅适用于该等级的推广员；不填则适用于所有等级")] = None

    @property
    def selector(self) -> tuple[str | None, str | None, Tier | None]:
        """Return what it applies to."""
        return self.product_id, self.category, self.tier


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From so many fen of a month's net sales on, the whole month earns this rate."""

    from_fen: Annotated[
        int, _says("门槛", "当月净销售额达到此值，单位：分；须逐级升高", minimum=1, maximum=_MAX_MONTH_FEN)
    ]
    rate_bps: Annotated[
        int, _says("奖励比例", "按当月全部净销售额计，单位：基点；须逐级升高", minimum=1, maximum=_HALF_BPS)
    ]


class TeamBonus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A leader's reward on the net sales of their team, which is at most three levels deep."""

    steps: Annotated[
        tuple[Step, ...], _says("团队奖励阶梯", "按团队当月净销售额；至少一级", minItems=1, maxItems=_MAX_STEPS)
    ]
    leader_tiers: Annotated[
        tuple[Tier, ...], _says("团队长等级", "哪些等级的推广员可得团队奖励；为空则不限", uniqueItems=True)
    ] = ()


class Breaker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Commissions as a share of a month's net sales: above `park_bps` they wait for a person (M16)."""

    park_bps: Annotated[int, _says("熔断线", "超过此比例时，佣金留待人工核准，单位：基点", minimum=1, maximum=BPS)] = (
        3_000
    )
    alarm_bps: Annotated[
        int, _says("报警线", "超过此比例时同时报警，不得低于熔断线，单位：基点", minimum=1, maximum=BPS)
    ] = 3_000


class RuleTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule set says. Virtual goods and freight never earn, whatever it says (M12)."""

    base_bps: Annotated[Rates, _says("各级基础费率", _RATES_TEXT, maxItems=MAX_LEVELS_LIMIT)]
    cap_bps: Annotated[
        int,
        _says("单笔上限", "每个商品行的佣金与返现合计占其计佣金额的上限，单位：基点", minimum=1, maximum=_HALF_BPS),
    ]
    """M14."""
    hold_days: Annotated[
        int, _says("冻结天数", "确认收货后多少天结算", minimum=_HOLD_DAYS.start, maximum=_HOLD_DAYS.stop - 1)
    ]
    """M17."""
    max_levels: Annotated[
        int, _says("分销层级", "计佣的级数；法律不允许超过三级", minimum=1, maximum=MAX_LEVELS_LIMIT)
    ] = MAX_LEVELS_LIMIT
    overrides: Annotated[
        tuple[Override, ...],
        _says(
            "例外费率",
            f"按商品、类目、推广员等级另定费率；优先级：{_PRECEDENCE}；适用对象相同的例外只能有一条",
            maxItems=_MAX_OVERRIDES,
        ),
    ] = ()
    self_purchase: Annotated[
        SelfPurchase, _says("自购政策", "none：推广员自购不计佣；level_1：自购者为一级，其余依次下移，末级不再计佣")
    ] = SelfPurchase.NONE
    """M11."""
    min_order_fen: Annotated[
        int,
        _says("最低订单金额", "退款后剩余商品金额低于此值的订单不计佣，单位：分", minimum=0, maximum=_MAX_ORDER_FEN),
    ] = 0
    """M14."""
    cashback_bps: Annotated[
        int,
        _says(
            "首单返现", "新客首单返还买家的比例，与基础费率合计不超过单笔上限，单位：基点", minimum=0, maximum=_HALF_BPS
        ),
    ] = 0
    """M18."""
    breaker: Annotated[Breaker, _says("熔断", "当月佣金、返现与奖励合计占净销售额的比例")] = Breaker()
    """M16."""
    ladder: Annotated[
        tuple[Step, ...], _says("个人阶梯奖励", "按推广员本人（一级）当月净销售额", maxItems=_MAX_STEPS)
    ] = ()
    """M19."""
    team_bonus: Annotated[TeamBonus | None, _says("团队管理奖", "按团队（至多三级）当月净销售额；不填则没有")] = None
    """M19."""


class RuleSet(RuleTerms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published version of the rules."""

    version: int
    effective_from: datetime


class Fault(Struct, frozen=True):
    """What is wrong with a document, and where: a JSONPath such as `$.overrides[2].rates_bps` (RFC 9535)."""

    path: str
    message: str


class RuleFaultError(BadRequestError):
    """The document breaks limits; detail and extension member `faults` list every fault with its place."""

    code = "invalid_rules"
    title = "佣金规则不符合要求"

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Take all faults."""
        super().__init__("；".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)

    @property
    def extensions(self) -> Mapping[str, object]:
        """Return the faults for programs."""
        return {"faults": self.faults}


def faults(terms: RuleTerms) -> list[Fault]:
    """Return everything in which a document breaks a limit."""
    return [
        *_general_faults(terms),
        *_rate_faults("$.base_bps", terms.base_bps, terms),
        *_override_faults(terms),
        *_step_faults("$.ladder", terms.ladder, terms.cap_bps),
        *(_team_faults(terms.team_bonus, terms.cap_bps) if terms.team_bonus else ()),
    ]


def check(terms: RuleTerms) -> None:
    """Refuse a document that breaks a limit.

    Raises:
        RuleFaultError: with every fault.
    """
    found = faults(terms)
    if found:
        raise RuleFaultError(found)


def in_force[R: RuleSet](versions: Sequence[R], moment: datetime) -> R | None:
    """Return the version in force at a moment: the last published of those that took effect by then (M10).

    What was published last holds even against an earlier version that takes effect later, so a rollback is final.
    """
    effective = [rules for rules in versions if rules.effective_from <= moment]
    return max(effective, key=lambda rules: rules.version, default=None)


def terms_of(rules: RuleSet) -> RuleTerms:
    """Return what a version says, without its number and time."""
    return RuleTerms(**{name: getattr(rules, name) for name in RuleTerms.__struct_fields__})


def rule_set(terms: RuleTerms, version: int, effective_from: datetime) -> RuleSet:
    """Return a document as the version of that number."""
    return RuleSet(**asdict(terms), version=version, effective_from=effective_from)


def step_rate_bps(steps: Sequence[Step], sales_fen: int) -> int:
    """Return the rate of the highest step that a month's net sales reach, 0 below the first."""
    reached = [step.rate_bps for step in steps if step.from_fen <= sales_fen]
    return reached[-1] if reached else 0


def _general_faults(terms: RuleTerms) -> Iterator[Fault]:
    if not 1 <= terms.max_levels <= MAX_LEVELS_LIMIT:
        yield Fault("$.max_levels", f"分销层级应为 1 至 {MAX_LEVELS_LIMIT} 级，不得超过 {MAX_LEVELS_LIMIT} 级")
    if not 0 < terms.cap_bps <= _HALF_BPS:
        yield Fault("$.cap_bps", f"单笔上限应为 1 至 {_HALF_BPS}")
    if terms.hold_days not in _HOLD_DAYS:
        yield Fault("$.hold_days", f"冻结天数应为 {_HOLD_DAYS.start} 至 {_HOLD_DAYS.stop - 1}")
    if not 0 <= terms.min_order_fen <= _MAX_ORDER_FEN:
        yield Fault("$.min_order_fen", f"最低订单金额应为 0 至 {_MAX_ORDER_FEN} 分")
    if not 0 <= terms.cashback_bps <= max(0, terms.cap_bps - sum(terms.base_bps)):
        yield Fault("$.cashback_bps", "首单返现与各级基础费率之和不得超过单笔上限")
    if not 0 < terms.breaker.park_bps <= BPS:
        yield Fault("$.breaker.park_bps", f"熔断线应为 1 至 {BPS}")
    if not terms.breaker.park_bps <= terms.breaker.alarm_bps <= BPS:
        yield Fault("$.breaker.alarm_bps", f"报警线不得低于熔断线，不得高于 {BPS}")


def _rate_faults(path: str, rates: Rates, terms: RuleTerms) -> Iterator[Fault]:
    if len(rates) > MAX_LEVELS_LIMIT:
        yield Fault(path, f"分销最多 {MAX_LEVELS_LIMIT} 级")
    elif len(rates) > terms.max_levels:
        yield Fault(path, f"费率多于规则允许的 {terms.max_levels} 级")
    for level, rate in enumerate(rates[:MAX_LEVELS_LIMIT]):
        if rate < 0:
            yield Fault(f"{path}[{level}]", "费率不能为负")
        elif rate > terms.cap_bps:
            yield Fault(f"{path}[{level}]", f"费率 {rate} 超过单笔上限 {terms.cap_bps}")
    if sum(rates) > terms.cap_bps:
        yield Fault(path, f"各级费率之和 {sum(rates)} 超过单笔上限 {terms.cap_bps}")


def _override_faults(terms: RuleTerms) -> Iterator[Fault]:
    if len(terms.overrides) > _MAX_OVERRIDES:
        yield Fault("$.overrides", f"例外最多 {_MAX_OVERRIDES} 条")
    first: dict[tuple[str | None, str | None, Tier | None], int] = {}
    for i, override in enumerate(terms.overrides[:_MAX_OVERRIDES]):
        path = f"$.overrides[{i}]"
        yield from _rate_faults(f"{path}.rates_bps", override.rates_bps, terms)
        if override.selector == (None, None, None):
            yield Fault(path, "须指定商品、类目或推广员等级")
        if override.product_id is not None and override.category is not None:
            yield Fault(f"{path}.category", "已指定商品，不得再指定类目")
        if override.category == FREIGHT_CATEGORY:
            yield Fault(f"{path}.category", "运费不计佣金")
        for name, value in (("product_id", override.product_id), ("category", override.category)):
            if value is not None and len(value) not in _NAME_LENGTH:
                yield Fault(f"{path}.{name}", f"长度应为 {_NAME_LENGTH.start} 至 {_NAME_LENGTH.stop - 1} 个字符")
        if override.selector in first:
            yield Fault(path, f"与第 {first[override.selector] + 1} 条例外重叠")
        first.setdefault(override.selector, i)


def _team_faults(team: TeamBonus, cap_bps: int) -> Iterator[Fault]:
    yield from _step_faults("$.team_bonus.steps", team.steps, cap_bps)
    if not team.steps:
        yield Fault("$.team_bonus.steps", "至少需要一个阶梯")
    if len(set(team.leader_tiers)) != len(team.leader_tiers):
        yield Fault("$.team_bonus.leader_tiers", "等级重复")


def _step_faults(path: str, steps: Sequence[Step], cap_bps: int) -> Iterator[Fault]:
    """Find steps that are never reached as such: not above the one before, above every sale, or paying no more."""
    if len(steps) > _MAX_STEPS:
        yield Fault(path, f"阶梯最多 {_MAX_STEPS} 级")
    before: Step | None = None
    for i, step in enumerate(steps[:_MAX_STEPS]):
        if not 0 < step.from_fen <= _MAX_MONTH_FEN:
            yield Fault(f"{path}[{i}].from_fen", f"门槛应为 1 至 {_MAX_MONTH_FEN} 分，否则无法达到")
        if before and step.from_fen <= before.from_fen:
            yield Fault(f"{path}[{i}].from_fen", "门槛须高于上一级，否则无法达到")
        if not 0 < step.rate_bps <= cap_bps:
            yield Fault(f"{path}[{i}].rate_bps", f"奖励比例应为 1 至 {cap_bps}")
        if before and step.rate_bps <= before.rate_bps:
            yield Fault(f"{path}[{i}].rate_bps", "奖励比例须高于上一级，否则达到该级没有意义")
        before = step
