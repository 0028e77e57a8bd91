"""Play histories from the command line: `python -m tests.simulation --histories 10000`, or one with its story."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import batched
from typing import Final

from tests.simulation.history import HistoryError, play
from tests.simulation.world import stage
from tests.support.engines import MEMORY, MOTO

_BATCH: Final = 50
_SHOWN: Final = 3


def failures(seeds: tuple[int, ...], engine: str) -> list[str]:
    """Return what went wrong in these histories, each with its story and its seed."""
    found = []
    with stage(engine) as (tape, queues):
        for seed in seeds:
            try:
                play(tape, queues, seed)
            except HistoryError as error:
                found.append(str(error))
    return found


def main() -> int:
    """Play them; return how the process ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=1, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first one's; the others follow")
    parser.add_argument("--engine", choices=[MEMORY, MOTO], default=MEMORY)
    parser.add_argument("--story", action="store_true", help="tell the story of one that went well, too")
    given = parser.parse_args()
    if given.story:
        with stage(given.engine) as (tape, queues):
            sys.stdout.write("\n".join([*play(tape, queues, given.seed), ""]))
        return 0
    began = time.monotonic()
    batches = list(batched(range(given.seed, given.seed + given.histories), _BATCH, strict=False))
    done = failed = 0
    with ProcessPoolExecutor(os.process_cpu_count()) as pool:
        for seeds, found in zip(batches, pool.map(failures, batches, [given.engine] * len(batches)), strict=True):
            for story in found[: max(0, _SHOWN - failed)]:
                sys.stdout.write(f"{story}\n\n")
                sys.stdout.flush()
            done, failed = done + len(seeds), failed + len(found)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{done} of {given.histories} ")
    seconds = time.monotonic() - began
    sys.stdout.write(f"{done} histories from seed {given.seed} on, {failed} went wrong, {seconds:.0f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
