"""`python -m tests.bench [name …]`: measure, write `.local/bench.json`, fail where a bar is missed.

The bars are those of the project's budgets; every figure is a ratio taken in one run, a size or a count.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import bundle, cold_init, flash_sale, handler_cpu, money_path, simulate_speed, split_speed

RESULT: Final = Path(__file__).parents[2] / ".local" / "bench.json"

type Figures = dict[str, float]


@dataclass(frozen=True)
class Bar:
    """The most or the least that a figure may be."""

    key: str
    at_most: float | None = None
    at_least: float | None = None

    def misses(self, value: float) -> str | None:
        """Say what is wrong with a value, if anything."""
        if self.at_most is not None and not value <= self.at_most:
            return f"{self.key} is {value:.3f}, it may be {self.at_most} at most"
        if self.at_least is not None and not value >= self.at_least:
            return f"{self.key} is {value:.3f}, it must be {self.at_least} at least"
        return None


SUITES: Final[dict[str, tuple[Callable[[], Figures], tuple[Bar, ...]]]] = {
    "bundle": (bundle.measure, (Bar("bundle_mb", at_most=10),)),
    "cold_init": (cold_init.measure, (Bar("cold_init_ratio", at_most=1.15),)),
    "handler_cpu": (handler_cpu.measure, (Bar("handler_cpu_ratio", at_most=1.5),)),
    "flash_sale": (flash_sale.measure, (Bar("oversold", at_most=0),)),
    "split": (split_speed.measure, (Bar("split_per_s", at_least=100_000), Bar("split_vs_decimal", at_least=3))),
    "simulate": (simulate_speed.measure, (Bar("simulate_orders_per_s", at_least=50_000),)),
    "money_path": (
        money_path.measure,
        (Bar("earn_wru_single", at_most=8), Bar("earn_wru_folded", at_most=2.2), Bar("hot_ratio", at_least=2)),
    ),
}


def main() -> int:
    """Measure the named suites, or all."""
    wanted = sys.argv[1:] or list(SUITES)
    figures: Figures = {}
    missed = []
    for name in wanted:
        measure, bars = SUITES[name]
        print(f"{name} …", flush=True)
        measured = measure()
        figures |= measured
        for key, value in measured.items():
            print(f"  {key:<28}{value:>10.3f}")
        missed += [words for bar in bars if (words := bar.misses(measured[bar.key]))]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for words in missed:
        print(f"missed: {words}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
