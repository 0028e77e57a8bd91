"""Order stream → WeChat: refund requests and shipping information."""

from typing import Any

from fenxiao import wiring
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Carry what is new to WeChat; raises on a passing fault, so that the batch comes again."""
    wiring.courier().carry(event)
