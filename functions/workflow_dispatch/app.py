"""Withdrawal, case and rule streams → the state machines: start executions, complete what waits."""

from typing import Any

from fenxiao import wiring
from fenxiao.aws.stepfunctions import complete
from fenxiao.aws.streams import Change, changes, consume
from fenxiao.commission.simulation_store import simulation_from_image
from fenxiao.observability import logger
from fenxiao.review.dispatch import follow_case
from fenxiao.review.store import case_from_image
from fenxiao.withdrawal.dispatch import follow_withdrawal
from fenxiao.withdrawal.store import withdrawal_from_image


def follow(change: Change) -> None:
    """Follow a written withdrawal or case, or a simulation that was asked for."""
    if change.new is None:
        return
    is_new = change.old is None
    withdrawal, case = withdrawal_from_image(change.new), case_from_image(change.new)
    simulation = simulation_from_image(change.new)
    if withdrawal:
        follow_withdrawal(withdrawal, is_new=is_new, start=wiring.start_withdrawal, complete=complete)
    if case:
        follow_case(case, is_new=is_new, start=wiring.start_review, complete=complete)
    if simulation and is_new:
        wiring.start_simulation(simulation.simulation_id, {"simulation_id": simulation.simulation_id})


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Follow the batch; raises on a passing fault, so that the batch comes again."""
    consume(changes(event), follow)
