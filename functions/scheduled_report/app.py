"""Schedule → the daily reports that are due."""

from fenxiao import wiring
from fenxiao.observability import logger
from fenxiao.report.schedule import produce_due


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(_event: object, _context: object) -> dict[str, list[str]]:
    """Produce the reports of all ended days that have none; answers the days."""
    days = produce_due(wiring.statements(), wiring.reports(), wiring.clock())
    return {"produced": [day.isoformat() for day in days]}
