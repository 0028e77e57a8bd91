"""The same event with another cause (M3): nothing is posted, a case is opened, an alarm goes off."""

from typing import Final

from fenxiao.ledger.errors import ContradictionError
from fenxiao.ledger.store import LedgerStore
from fenxiao.observability import count
from fenxiao.review.cases import Matter
from fenxiao.review.docket import Docket

CONTRADICTION: Final = "journal_contradiction"
"""The kind of case that this module opens."""


def report_contradiction(error: ContradictionError, ledger: LedgerStore, docket: Docket) -> None:
    """Open a case on each entry that contradicts the books; the same contradiction again finds its case."""
    for entry in error.entries:
        standing = {journal.number: journal for journal in ledger.collection(entry.collection)}[entry.number]
        matter = Matter(
            kind=CONTRADICTION,
            subject_id=f"{entry.collection}/{entry.event}",
            person="",
            facts={
                "collection": entry.collection,
                "number": entry.number,
                "event": entry.event,
                "standing_hash": standing.hash,
                "contradicting_hash": entry.hash,
            },
            required_approvals=1,
        )
        docket.open(matter)
        count("JournalContradiction")
