"""Schedule, or an operator's call → the audit of the books."""

from typing import Any

import msgspec

from fenxiao import wiring
from fenxiao.audit.model import Scope
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> object:
    """Audit what `scope` names, everything if nothing does; answers the report.

    Raises:
        msgspec.ValidationError: the scope is not of the contract's form.
    """
    report = wiring.auditor().run(msgspec.convert(event.get("scope", {}), Scope))
    if report.scope.whole:
        wiring.audits().put(report)
    return msgspec.to_builtins(report)
