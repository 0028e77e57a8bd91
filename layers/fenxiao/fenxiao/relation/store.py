"""Members, invites and teams in DynamoDB (`MEMBER_TABLE`).

`M…` / `member` is a member, `M…` / `edges` which team edges exist for that member, `invite#<code>` / `invite` an
invite, `team#<ancestor>#<level>` / `<position>` an edge, `team#<ancestor>` / `counts` the sizes of a team, and
`relation` / `rebinding-epoch` the lock of the rebindings that could close a cycle.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from pynamodb.attributes import BooleanAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from fenxiao.aws.dynamodb import (
    IntegerAttribute,
    Item,
    JsonAttribute,
    MomentAttribute,
    RawItem,
    Transaction,
    TransactionCancelledError,
    condition_failed,
    table,
)
from fenxiao.relation.errors import TooManyInvitesError
from fenxiao.relation.model import Binding, Edge, Hop, Invite, Member, StandingChange, TierChange, WrittenEdges

MEMBER_SORT_KEY: Final = "member"
_EDGES: Final = "edges"
_INVITE: Final = "invite"
_COUNTS: Final = "counts"
_EPOCH_KEY: Final = ("relation", "rebinding-epoch")
_MAX_INVITES: Final = 1000
"""Invites that one member may ever make."""
_INVITE_KEPT: Final = timedelta(days=90)
"""How long an expired invite still answers 'expired' before the table forgets it."""
_TEAM_PAGE: Final = 100
"""Members that one step of rewriting lines takes: the limit of one batch read."""


class MemberItem(Item):
    """A member."""

    Meta = table("MEMBER_TABLE")

    openid = UnicodeAttribute()
    joined_at = MomentAttribute()
    nickname = UnicodeAttribute()
    line: JsonAttribute[tuple[Hop, ...]] = JsonAttribute(tuple[Hop, ...])
    line_version = IntegerAttribute()
    bound_at = MomentAttribute(null=True)
    has_downline = BooleanAttribute()
    standings: JsonAttribute[tuple[StandingChange, ...]] = JsonAttribute(tuple[StandingChange, ...])
    tiers: JsonAttribute[tuple[TierChange, ...]] = JsonAttribute(tuple[TierChange, ...], null=True)
    """Absent until the first change."""
    first_paid_order_id = UnicodeAttribute(null=True)
    first_paid_at = MomentAttribute(null=True)
    invite_count = IntegerAttribute(null=True)


class InviteItem(Item):
    """An invite."""

    Meta = table("MEMBER_TABLE")

    owner_id = UnicodeAttribute()
    created_at = MomentAttribute()
    expires_at = MomentAttribute(null=True)
    max_uses = IntegerAttribute(null=True)
    uses = IntegerAttribute()
    ttl = IntegerAttribute(null=True)


class EdgeItem(Item):
    """A member in an ancestor's team: the keys say everything."""

    Meta = table("MEMBER_TABLE")


class WrittenEdgesItem(Item):
    """Which edges exist for a member; changes in one transaction with them, so each is counted exactly once."""

    Meta = table("MEMBER_TABLE")

    edges: JsonAttribute[tuple[Edge, ...]] = JsonAttribute(tuple[Edge, ...])
    version = IntegerAttribute()


class CountsItem(Item):
    """Sizes of a team by level."""

    Meta = table("MEMBER_TABLE")

    level_1 = IntegerAttribute(null=True)
    level_2 = IntegerAttribute(null=True)
    level_3 = IntegerAttribute(null=True)


class EpochItem(Item):
    """How many rebindings of members with a downline there have been."""

    Meta = table("MEMBER_TABLE")

    number = IntegerAttribute()


class MemberStore:
    """Member records; every read is consistent unless it says otherwise."""

    def get(self, member_id: str) -> Member | None:
        """Return a member."""
        try:
            return _member(MemberItem.get(member_id, MEMBER_SORT_KEY, consistent_read=True))
        except MemberItem.DoesNotExist:
            return None

    def get_many(self, member_ids: Iterable[str], *, consistent: bool = True) -> dict[str, Member]:
        """Return those of the members that exist, by id."""
        keys = [(member_id, MEMBER_SORT_KEY) for member_id in dict.fromkeys(member_ids)]
        return {item.pk: _member(item) for item in MemberItem.batch_get(keys, consistent_read=consistent)}

    def claim_first_order(self, transaction: Transaction, member_id: str, order_id: str, paid_at: datetime) -> int:
        """Add the claim of the first paid order to the transaction that marks it paid; return the action's index.

        The claim is never given back (M18). Its condition fails when another order has it, or the member is unknown.
        """
        actions = [MemberItem.first_paid_order_id.set(order_id), MemberItem.first_paid_at.set(paid_at)]
        condition = MemberItem.pk.exists() & MemberItem.first_paid_order_id.does_not_exist()
        return transaction.update(MemberItem, member_id, MEMBER_SORT_KEY, actions, condition)

    def change_standings(self, member: Member, standings: tuple[StandingChange, ...]) -> bool:
        """Replace the standings if they are still as read; tell whether they were."""
        return _update(
            member.member_id, [MemberItem.standings.set(standings)], MemberItem.standings == member.standings
        )

    def change_tiers(self, member: Member, tiers: tuple[TierChange, ...]) -> bool:
        """Replace the tiers if they are still as read; tell whether they were."""
        as_read = MemberItem.tiers == member.tiers if member.tiers else MemberItem.tiers.does_not_exist()
        return _update(member.member_id, [MemberItem.tiers.set(tiers)], MemberItem.pk.exists() & as_read)

    def rewrite_line(self, member: Member, line: tuple[Hop, ...]) -> bool:
        """Replace the line if it is still as read; tell whether it was."""
        actions = [MemberItem.line.set(line), MemberItem.line_version.set(member.line_version + 1)]
        return _update(member.member_id, actions, MemberItem.line_version == member.line_version)

    def rebinding_epoch(self) -> int:
        """Return how many rebindings of members with a downline there have been."""
        try:
            return EpochItem.get(*_EPOCH_KEY, consistent_read=True).number
        except EpochItem.DoesNotExist:
            return 0

    def bind(self, binding: Binding) -> bool:
        """Write a binding in one transaction if all that it was decided on still holds; tell whether it did (M21)."""
        member, upline = binding.member, binding.upline
        transaction = Transaction()
        transaction.update(
            MemberItem,
            member.member_id,
            MEMBER_SORT_KEY,
            [
                MemberItem.line.set(binding.line),
                MemberItem.line_version.set(member.line_version + 1),
                MemberItem.bound_at.set(binding.at),
            ],
            (MemberItem.line_version == member.line_version) & (MemberItem.has_downline == member.has_downline),
        )
        as_read = (MemberItem.line_version == upline.line_version) & (MemberItem.standings == upline.standings)
        if upline.has_downline:
            # The mark is never taken back, so the hundredth downline need not write it again.
            transaction.check(MemberItem, upline.member_id, MEMBER_SORT_KEY, as_read)
        else:
            mark = [MemberItem.has_downline.set(True)]
            transaction.update(MemberItem, upline.member_id, MEMBER_SORT_KEY, mark, as_read)
        _count_use(transaction, binding.invite)
        if binding.epoch is not None:
            _advance_epoch(transaction, binding.epoch)
        return _committed(transaction)


def put_member(transaction: Transaction, member: Member) -> int:
    """Add the birth of a member to a transaction; return the action's index."""
    item = MemberItem(
        pk=member.member_id,
        sk=MEMBER_SORT_KEY,
        openid=member.openid,
        joined_at=member.joined_at,
        nickname=member.nickname,
        line=member.line,
        line_version=member.line_version,
        bound_at=member.bound_at,
        has_downline=member.has_downline,
        standings=member.standings,
        tiers=member.tiers or None,
        first_paid_order_id=member.first_paid_order_id,
        first_paid_at=member.first_paid_at,
    )
    return transaction.put(item, MemberItem.pk.does_not_exist())


def member_with_new_line(old: RawItem | None, new: RawItem | None) -> str | None:
    """Return the member whose line a stream's change replaced, `None` for any other change."""
    if new is None or new["sk"]["S"] != MEMBER_SORT_KEY:
        return None
    before = old["line_version"]["N"] if old else "0"
    return new["pk"]["S"] if new["line_version"]["N"] != before else None


class InviteStore:
    """Invites by code."""

    def get(self, code: str) -> Invite | None:
        """Return an invite, read consistently."""
        try:
            item = InviteItem.get(_invite_pk(code), _INVITE, consistent_read=True)
        except InviteItem.DoesNotExist:
            return None
        return Invite(
            code=code,
            owner_id=item.owner_id,
            created_at=item.created_at,
            expires_at=item.expires_at,
            max_uses=item.max_uses,
            uses=item.uses,
        )

    def create(self, invite: Invite) -> bool:
        """Put a new invite and count it to its owner; tell whether its code was free.

        Raises:
            TooManyInvitesError: the owner made as many as one may.
        """
        item = InviteItem(
            pk=_invite_pk(invite.code),
            sk=_INVITE,
            owner_id=invite.owner_id,
            created_at=invite.created_at,
            expires_at=invite.expires_at,
            max_uses=invite.max_uses,
            uses=invite.uses,
            ttl=None if invite.expires_at is None else int((invite.expires_at + _INVITE_KEPT).timestamp()),
        )
        transaction = Transaction()
        transaction.put(item, InviteItem.pk.does_not_exist())
        counted = transaction.update(
            MemberItem,
            invite.owner_id,
            MEMBER_SORT_KEY,
            [MemberItem.invite_count.add(1)],
            MemberItem.pk.exists()
            & (MemberItem.invite_count.does_not_exist() | (MemberItem.invite_count < _MAX_INVITES)),
        )
        try:
            transaction.commit()
        except TransactionCancelledError as cancelled:
            if cancelled.failed(counted):
                raise TooManyInvitesError from cancelled
            return False
        return True


class TeamStore:
    """Edges and sizes of teams."""

    def written(self, member_id: str) -> WrittenEdges:
        """Return which edges exist for a member, read consistently."""
        try:
            item = WrittenEdgesItem.get(member_id, _EDGES, consistent_read=True)
        except WrittenEdgesItem.DoesNotExist:
            return WrittenEdges()
        return WrittenEdges(edges=frozenset(item.edges), version=item.version)

    def replace(self, member_id: str, written: WrittenEdges, wanted: frozenset[Edge]) -> bool:
        """Put and delete edges and count them, all in one transaction; tell whether the record was still as read."""
        gone, new = written.edges - wanted, wanted - written.edges
        transaction = Transaction()
        for edge in gone:
            transaction.delete(EdgeItem, _edge_pk(edge.ancestor_id, edge.level), edge.position)
        for edge in new:
            transaction.put(EdgeItem(pk=_edge_pk(edge.ancestor_id, edge.level), sk=edge.position))
        _count(transaction, gone, new)
        record = WrittenEdgesItem(
            pk=member_id,
            sk=_EDGES,
            edges=tuple(sorted(wanted, key=lambda edge: edge.level)),
            version=written.version + 1,
        )
        as_read = WrittenEdgesItem.version == written.version
        transaction.put(record, as_read if written.version else WrittenEdgesItem.pk.does_not_exist())
        return _committed(transaction)

    def downline(self, ancestor_id: str) -> Iterator[list[str]]:
        """Yield the members directly below, a hundred at a time, read consistently."""
        position: str | None = None
        while True:
            positions = self._positions(ancestor_id, 1, position, _TEAM_PAGE, consistent=True)
            if positions:
                yield [member_of(one) for one in positions]
            if len(positions) < _TEAM_PAGE:
                return
            position = positions[-1]

    def page(self, ancestor_id: str, level: int, before: str | None, limit: int) -> list[str]:
        """Return positions of one level, the newest first, from `before` (exclusive) on."""
        return self._positions(ancestor_id, level, before, limit, consistent=False)

    def counts(self, ancestor_id: str) -> tuple[int, int, int]:
        """Return how many members a team has at levels 1, 2 and 3."""
        try:
            item = CountsItem.get(_counts_pk(ancestor_id), _COUNTS)
        except CountsItem.DoesNotExist:
            return (0, 0, 0)
        return (item.level_1 or 0, item.level_2 or 0, item.level_3 or 0)

    @staticmethod
    def _positions(ancestor_id: str, level: int, before: str | None, limit: int, *, consistent: bool) -> list[str]:
        items = EdgeItem.query(
            _edge_pk(ancestor_id, level),
            EdgeItem.sk < before if before else None,
            consistent_read=consistent,
            scan_index_forward=False,
            limit=limit,
        )
        return [item.sk for item in items]


def position_of(bound_at_millis: int, member_id: str) -> str:
    """Return where a member stands in a team: by the time of binding."""
    return f"{bound_at_millis:013d}#{member_id}"


def member_of(position: str) -> str:
    """Return the member who stands at a position."""
    return position.partition("#")[2]


def bound_at_millis_of(position: str) -> int:
    """Return when the member who stands at a position was bound, in epoch milliseconds."""
    return int(position.partition("#")[0])


def _count_use(transaction: Transaction, invite: Invite) -> None:
    condition: Condition = InviteItem.pk.exists()
    if invite.max_uses is not None:
        condition &= InviteItem.uses < invite.max_uses
    transaction.update(InviteItem, _invite_pk(invite.code), _INVITE, [InviteItem.uses.add(1)], condition)


def _advance_epoch(transaction: Transaction, epoch: int) -> None:
    as_read = EpochItem.number == epoch if epoch else EpochItem.pk.does_not_exist()
    transaction.update(EpochItem, *_EPOCH_KEY, [EpochItem.number.set(epoch + 1)], as_read)


def _count(transaction: Transaction, gone: Iterable[Edge], new: Iterable[Edge]) -> None:
    """Add one update per team: an item can stand only once in a transaction."""
    changes: dict[str, dict[int, int]] = {}
    for edges, step in ((gone, -1), (new, 1)):
        for edge in edges:
            levels = changes.setdefault(edge.ancestor_id, {})
            levels[edge.level] = levels.get(edge.level, 0) + step
    attributes = {1: CountsItem.level_1, 2: CountsItem.level_2, 3: CountsItem.level_3}
    for ancestor_id, levels in changes.items():
        actions = [attributes[level].add(step) for level, step in levels.items() if step]
        if actions:
            transaction.update(CountsItem, _counts_pk(ancestor_id), _COUNTS, actions)


def _update(member_id: str, actions: Sequence[Action], condition: Condition) -> bool:
    try:
        MemberItem(member_id, MEMBER_SORT_KEY).update(list(actions), condition)
    except Exception as error:
        if condition_failed(error):
            return False
        raise
    return True


def _committed(transaction: Transaction) -> bool:
    try:
        transaction.commit()
    except TransactionCancelledError:
        return False
    return True


def _invite_pk(code: str) -> str:
    return f"invite#{code}"


def _edge_pk(ancestor_id: str, level: int) -> str:
    return f"team#{ancestor_id}#{level}"


def _counts_pk(ancestor_id: str) -> str:
    return f"team#{ancestor_id}"


def _member(item: MemberItem) -> Member:
    return Member(
        member_id=item.pk,
        openid=item.openid,
        joined_at=item.joined_at,
        nickname=item.nickname,
        line=item.line,
        line_version=item.line_version,
        bound_at=item.bound_at,
        has_downline=item.has_downline,
        standings=item.standings,
        tiers=item.tiers or (),
        first_paid_order_id=item.first_paid_order_id,
        first_paid_at=item.first_paid_at,
    )
