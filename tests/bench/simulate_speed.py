"""`simulate_orders_per_s`: orders of a year per second of CPU, counted under a draft and under what was in force.

Also reported: the same with ladders on both sides, and with the parts of the lake read from their JSON lines.
"""

from typing import Final

from msgspec.structs import replace

from fenxiao.commission.lake import cut, orders_in
from fenxiao.commission.rules import RuleSet, RuleTerms
from fenxiao.commission.simulate import simulate
from tests.bench import year
from tests.bench.split_speed import cpu_seconds

_ROUNDS: Final = 7


def measure() -> dict[str, float]:
    """Return the rates, each the best of several rounds."""
    orders = year.orders()
    parts = list(cut(orders))

    def per_second(draft: RuleTerms, versions: tuple[RuleSet, ...]) -> float:
        return year.ORDERS / min(cpu_seconds(lambda: simulate(orders, draft, versions)) for _ in range(_ROUNDS))

    def from_lake() -> None:
        simulate((order for part in parts for order in orders_in(part)), year.DRAFT, year.VERSIONS)

    with_ladder = tuple(replace(rules, ladder=year.LADDER) for rules in year.VERSIONS)
    return {
        "simulate_orders_per_s": per_second(year.DRAFT, year.VERSIONS),
        "simulate_ladder_per_s": per_second(replace(year.DRAFT, ladder=year.LADDER), with_ladder),
        "simulate_lake_per_s": year.ORDERS / min(cpu_seconds(from_lake) for _ in range(3)),
    }
