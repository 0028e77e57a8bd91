"""Teams follow the lines: edges, sizes, and the lines of those further down.

This is a job on the table's stream. It always works from the records as they are, so that a record which comes twice,
late or out of order does no harm, and a job that was stopped goes on where it was when its record comes again.

Each handling of a member whose line changed (1) makes the edges equal to the line, (2) brings the member's own line in
step with the upline's, (3) brings the lines of those directly below in step with the member's. A line that (2) or (3)
changes arrives on the stream in its turn; lines are cut at three, so the recursion ends three levels down.

Nobody is missed: someone who binds under a member takes the member's line as it stands (the binding requires it), and
whoever has an edge when (3) lists the edges is seen there. One whose edge comes later does (1) after that listing, and
so sees in (2) the change that caused it.
"""

from collections.abc import Iterable
from typing import Final

from fenxiao.aws.dynamodb import back_off
from fenxiao.clock import to_millis
from fenxiao.errors import BusyError
from fenxiao.relation.chain import line_under
from fenxiao.relation.model import Edge, Member
from fenxiao.relation.store import MemberStore, TeamStore, position_of

_MAX_ATTEMPTS: Final = 6


def follow_line(member_id: str, members: MemberStore, teams: TeamStore) -> None:
    """Bring everything that depends on a member's line in step with it; changes nothing where it is already so.

    Raises:
        BusyError: other writers kept coming between; the record is to be delivered again.
    """
    member = _write_edges(member_id, members, teams)
    if member is None:
        return
    _refresh_lines([member_id], members)
    if member.has_downline:
        for below in teams.downline(member_id):
            _refresh_lines(below, members)


def edges_of(member: Member) -> frozenset[Edge]:
    """Return the edges that a member's line means: one for each ancestor in it."""
    if member.bound_at is None:
        return frozenset()
    position = position_of(to_millis(member.bound_at), member.member_id)
    return frozenset(
        Edge(ancestor_id=hop.member_id, level=level, position=position) for level, hop in enumerate(member.line, 1)
    )


def _write_edges(member_id: str, members: MemberStore, teams: TeamStore) -> Member | None:
    for attempt in range(_MAX_ATTEMPTS):
        # In this order: a line that changes after it is read here has a record of its own still to come, while edges
        # that change after they are read here make the replacement fail.
        written = teams.written(member_id)
        member = members.get(member_id)
        if member is None:
            return None
        wanted = edges_of(member)
        if wanted == written.edges or teams.replace(member_id, written, wanted):
            return member
        back_off(attempt)
    raise BusyError


def _refresh_lines(member_ids: Iterable[str], members: MemberStore) -> None:
    """Bring lines in step with those of the uplines."""
    # A refused rewriting needs no second try: what changed the line in between has a record of its own on the stream,
    # whose handling checks that line again.
    below = members.get_many(member_ids)
    above = members.get_many(member.line[0].member_id for member in below.values() if member.line)
    for member in below.values():
        upline = above.get(member.line[0].member_id) if member.line else None
        if upline is None:
            continue
        line = line_under(member.line[0], upline)
        if line != member.line:
            members.rewrite_line(member, line)
