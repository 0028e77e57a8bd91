"""Ledger stream → statement lines, totals by day and the Merkle log."""

from typing import Any

from fenxiao import wiring
from fenxiao.aws.streams import Change, changes, consume, consume_folded
from fenxiao.ledger.model import Journal
from fenxiao.ledger.store import journal_from_image
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Project the batch's journals together; raises on a passing fault, so that the batch comes again."""
    journals: list[tuple[Change, Journal]] = []

    def note(change: Change) -> None:
        journal = journal_from_image(change.new) if change.new and not change.old else None
        if journal:
            journals.append((change, journal))

    consume(changes(event), note)
    consume_folded(journals, wiring.projection().project)
