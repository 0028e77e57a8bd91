"""Member stream → teams: edges, sizes, and the lines of those further down."""

from typing import Any

from fenxiao import wiring
from fenxiao.aws.streams import Change, changes, consume
from fenxiao.observability import logger
from fenxiao.relation.store import member_with_new_line
from fenxiao.relation.team import follow_line


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Follow the lines that changed; raises on a passing fault, so that the batch comes again."""
    followed: set[str] = set()

    def follow(change: Change) -> None:
        member_id = member_with_new_line(change.old, change.new)
        if member_id and member_id not in followed:
            follow_line(member_id, wiring.members(), wiring.teams())
            followed.add(member_id)

    consume(changes(event), follow)
