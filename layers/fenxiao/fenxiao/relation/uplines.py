"""Who stands above a member, read from the live records."""

from datetime import datetime

from fenxiao.relation.chain import BindingPolicy, uplines_at
from fenxiao.relation.model import Member, Upline
from fenxiao.relation.store import MemberStore


def chain_of(member: Member, placed_at: datetime, members: MemberStore, policy: BindingPolicy) -> tuple[Upline, ...]:
    """Return the chain that an order placed now snapshots (M10, M21), nearest first.

    One batch read as a rule: the stored line says whose records are needed. Where a job has yet to rewrite that line,
    the walk meets a record that was not read and asks for it.
    """
    return uplines_at(member, uplines_by_id(member, members, policy.max_levels - 1), placed_at, policy)


def uplines_by_id(member: Member, members: MemberStore, levels: int) -> dict[str, Member]:
    """Return the records of the uplines of the first so many levels, found by the live hops."""
    by_id = members.get_many([hop.member_id for hop in member.line[:levels]]) if levels else {}
    above = member
    for _ in range(levels):
        if not above.line:
            break
        upline_id = above.line[0].member_id
        found = by_id.get(upline_id) or members.get(upline_id)
        if found is None:
            break
        by_id[upline_id] = above = found
    return by_id
