"""Publishing a rule version."""

from datetime import datetime

from fenxiao.clock import Clock
from fenxiao.commission.contract import PublishRules
from fenxiao.commission.rules import PUBLISHING_LEAD, RuleFaultError, RuleSet, check
from fenxiao.commission.store import RuleStore


def publish(request: PublishRules, staff_id: str, store: RuleStore, clock: Clock) -> RuleSet:
    """Publish the next version; it takes effect at the asked moment, five minutes from now at the earliest (M10).

    Raises:
        RuleFaultError: the rules break a limit, or would take effect too early.
        VersionTakenError: somebody published in between.
    """
    earliest = clock.now() + PUBLISHING_LEAD
    effective_from: datetime = request.effective_from or earliest
    if effective_from < earliest:
        raise RuleFaultError("effective_from: 规则发布至少 5 分钟后才能生效")
    rules = RuleSet(
        version=max((one.version for one in store.versions(fresh=True)), default=0) + 1,
        effective_from=effective_from,
        base_bps=tuple(request.base_bps),
        category_bps={name: tuple(rates) for name, rates in request.category_bps.items()},
        product_bps={name: tuple(rates) for name, rates in request.product_bps.items()},
        cap_bps=request.cap_bps,
        hold_days=request.hold_days,
        self_purchase=request.self_purchase,
    )
    check(rules)
    store.publish(rules, staff_id)
    return rules
