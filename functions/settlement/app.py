"""Schedule → the settlement run."""

from fenxiao import wiring
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(_event: object, _context: object) -> dict[str, int]:
    """Settle what is due; answers how many orders could not be done."""
    return {"faults": wiring.settler().run()}
