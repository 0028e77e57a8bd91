"""Schedule → unpaid orders, overdue receipts, refunds of which nothing was heard."""

from fenxiao import wiring
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(_event: object, _context: object) -> dict[str, int]:
    """Do what is due; answers how many items could not be done."""
    return {"faults": wiring.order_sweeper().run()}
