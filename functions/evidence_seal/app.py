"""Schedule → the day's signed checkpoint of the log."""

from fenxiao import wiring
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(_event: object, _context: object) -> dict[str, int | None]:
    """Seal the log, once a day; answers the size that was signed, if any."""
    return {"sealed": wiring.sealer().seal()}
