"""`python -m tests.bench [name …]`: measure, write `.local/bench.json`, fail where a bar is missed.

The bars are those of the project's budgets; every figure is a ratio taken in one run, a size or a count.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import bundle, cold_init, flash_sale, handler_cpu

RESULT: Final = Path(__file__).parents[2] / ".local" / "bench.json"

type Figures = dict[str, float]


@dataclass(frozen=True)
class Bar:
    """The most that a figure may be."""

    key: str
    at_most: float


SUITES: Final[dict[str, tuple[Callable[[], Figures], tuple[Bar, ...]]]] = {
    "bundle": (bundle.measure, (Bar("bundle_mb", 10),)),
    "cold_init": (cold_init.measure, (Bar("cold_init_ratio", 1.15),)),
    "handler_cpu": (handler_cpu.measure, (Bar("handler_cpu_ratio", 1.5),)),
    "flash_sale": (flash_sale.measure, (Bar("oversold", 0),)),
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
        missed += [bar for bar in bars if not measured[bar.key] <= bar.at_most]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for bar in missed:
        print(f"missed: {bar.key} is {figures[bar.key]:.3f}, the bar is {bar.at_most}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
