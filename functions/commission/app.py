"""Order stream → ledger: earnings of a batch folded into few transactions, clawbacks of refunds."""

from typing import Any

from fenxiao import wiring
from fenxiao.commission.stream import follow_changes
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Follow the orders that changed; raises on a passing fault, so that the batch comes again."""
    follow_changes(event, wiring.orders(), wiring.ledger(), wiring.rules(), wiring.docket())
