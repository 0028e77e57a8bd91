"""Schedule → the days of which WeChat has made the bills."""

from fenxiao import wiring
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(_event: object, _context: object) -> dict[str, dict[str, int]]:
    """Reconcile what is due; answers the number of differences by day."""
    return {"differences": {one.day.isoformat(): one.differences for one in wiring.reconciler().run()}}
