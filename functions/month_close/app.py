"""Schedule → months to close, adjust or settle; `{"preview": "2026-03"}` → that month's preview alone."""

from collections.abc import Mapping

from fenxiao import wiring
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: Mapping[str, str], _context: object) -> None:
    """Bring the months to where they should be, or renew a preview."""
    if month := event.get("preview"):
        wiring.month_closer().preview(month)
    else:
        wiring.month_closer().run()
