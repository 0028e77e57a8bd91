"""Rule sets: immutable, numbered documents that say what each level earns.

Precedence: a product's own rates, else its category's, else the base rates.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from fenxiao.config import MAX_LEVELS_LIMIT
from fenxiao.errors import BadRequestError
from fenxiao.order.model import FREIGHT_CATEGORY, OrderLine

PUBLISHING_LEAD: Final = timedelta(minutes=5)
"""A version takes effect at the earliest so long after publishing, so that every cache knows it by then (M10)."""

_HALF_BPS: Final = 5_000
_HOLD_DAYS: Final = range(91)

type Rates = tuple[int, ...]
"""Basis points by level, level 1 first; a level that is missing earns nothing."""


class SelfPurchase(StrEnum):
    """Whether a promoter earns on their own orders (M11)."""

    NONE = "none"
    LEVEL_1 = "level_1"


class RuleFaultError(BadRequestError):
    """The rule set breaks a limit; the detail lists every fault with its place."""

    code = "invalid_rules"
    title = "佣金规则不符合要求"


class RuleSet(Struct, frozen=True, kw_only=True):
    """One version of the rules."""

    version: int
    effective_from: datetime
    base_bps: Rates
    category_bps: Mapping[str, Rates] = field(default_factory=dict)
    product_bps: Mapping[str, Rates] = field(default_factory=dict)
    cap_bps: int
    """The most that all shares of a line may take of its base (M14)."""
    hold_days: int
    self_purchase: SelfPurchase = SelfPurchase.NONE

    def rates(self, line: OrderLine) -> Rates:
        """Return the rates of a line; freight and virtual goods earn nothing (M12)."""
        if line.category == FREIGHT_CATEGORY or line.is_virtual:
            return ()
        return self.product_bps.get(line.product_id) or self.category_bps.get(line.category) or self.base_bps


def check(rules: RuleSet) -> None:
    """Refuse a rule set that breaks a limit.

    Raises:
        RuleFaultError: every fault, each with the JSON path at which it stands.
    """
    faults = list(_rate_faults("base_bps", rules.base_bps, rules.cap_bps))
    for place, table in (("category_bps", rules.category_bps), ("product_bps", rules.product_bps)):
        for name, rates in table.items():
            faults += _rate_faults(f"{place}.{name}", rates, rules.cap_bps)
    if FREIGHT_CATEGORY in rules.category_bps:
        faults.append(f"category_bps.{FREIGHT_CATEGORY}: 运费不计佣金")
    if not 0 < rules.cap_bps <= _HALF_BPS:
        faults.append(f"cap_bps: 应为 1 至 {_HALF_BPS}")
    if rules.hold_days not in _HOLD_DAYS:
        faults.append(f"hold_days: 应为 {_HOLD_DAYS.start} 至 {_HOLD_DAYS.stop - 1}")
    if faults:
        raise RuleFaultError("；".join(faults))


def in_force(versions: Sequence[RuleSet], moment: datetime) -> RuleSet | None:
    """Return the version in force at a moment: the newest of those that took effect by then (M10)."""
    effective = [rules for rules in versions if rules.effective_from <= moment]
    return max(effective, key=lambda rules: (rules.effective_from, rules.version), default=None)


def _rate_faults(place: str, rates: Rates, cap_bps: int) -> list[str]:
    faults = []
    if len(rates) > MAX_LEVELS_LIMIT:
        faults.append(f"{place}: 分销最多 {MAX_LEVELS_LIMIT} 级")
    if any(rate < 0 for rate in rates):
        faults.append(f"{place}: 费率不能为负")
    if sum(rates) > cap_bps:
        faults.append(f"{place}: 各级费率之和 {sum(rates)} 超过上限 {cap_bps}")
    return faults
