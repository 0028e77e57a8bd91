"""The workers of the two state machines: one action per step."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fenxiao import wiring
from fenxiao.observability import logger
from fenxiao.review import decisions
from fenxiao.withdrawal import flow
from fenxiao.withdrawal.model import ReturnReason

ACTIONS: Final[Mapping[str, Callable[[Any], object]]] = {
    "assess_risk": lambda task: flow.assess_risk(wiring.withdrawal_desk(), task["withdrawal_id"]),
    "await_review": lambda task: flow.await_review(
        wiring.withdrawal_books(), task["withdrawal_id"], task["task_token"]
    ),
    "apply_review": lambda task: flow.apply_review(wiring.withdrawal_books(), task["withdrawal_id"]),
    "prepare": lambda task: flow.prepare(wiring.withdrawal_desk(), task["withdrawal_id"]),
    "create": lambda task: flow.create(wiring.withdrawal_desk(), task["withdrawal_id"]),
    "await_end": lambda task: flow.await_end(wiring.withdrawal_books(), task["withdrawal_id"], task["task_token"]),
    "return_funds": lambda task: flow.return_funds(
        wiring.withdrawal_books(), task["withdrawal_id"], ReturnReason(task["reason"])
    ),
    "await_round": lambda task: decisions.await_round(wiring.cases(), task["case_id"], task["task_token"]),
    "close_case": lambda task: decisions.close(wiring.cases(), task["case_id"], wiring.clock(), wiring.case_effects()),
}


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(task: dict[str, Any], _context: object) -> object:
    """Do one step; a fault is raised for the machine to try again."""
    return ACTIONS[task["action"]](task)
