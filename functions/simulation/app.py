"""The workers of the simulation machine: one action per step."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from fenxiao import wiring
from fenxiao.commission.tally_store import Batch
from fenxiao.observability import logger

ACTIONS: Final[Mapping[str, Callable[[Any], object]]] = {
    "prepare": lambda task: wiring.simulator().prepare(task["simulation_id"]),
    "count": lambda task: wiring.simulator().count(msgspec.convert(task["batch"], Batch)),
    "finish": lambda task: wiring.simulator().finish(task["simulation_id"]),
    "fail": lambda task: wiring.simulator().fail(task["simulation_id"], task["error"]),
}


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(task: dict[str, Any], _context: object) -> object:
    """Do one step; a fault is raised for the machine to try again."""
    return msgspec.to_builtins(ACTIONS[task["action"]](task))
