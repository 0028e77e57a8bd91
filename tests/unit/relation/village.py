from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from fenxiao.aws.dynamodb import Transaction
from fenxiao.relation.bind import bind
from fenxiao.relation.chain import BindingPolicy
from fenxiao.relation.invites import issue
from fenxiao.relation.model import BindingMode, Member, Standing, StandingChange
from fenxiao.relation.store import InviteStore, MemberStore, TeamStore, put_member
from fenxiao.relation.team import follow_line

PERMANENT = BindingPolicy(mode=BindingMode.PERMANENT, days=30, max_levels=3)


class Village:
    """Members, mostly promoters, and a clock that a test moves."""

    def __init__(self) -> None:
        self.members, self.invites, self.teams = MemberStore(), InviteStore(), TeamStore()
        self.time = datetime(2026, 3, 1, 4, tzinfo=UTC)
        self.policy = PERMANENT

    def now(self) -> datetime:
        return self.time

    def pass_days(self, days: float) -> None:
        self.time += timedelta(days=days)

    def born(self, *member_ids: str, standing: Standing = Standing.PROMOTER, nickname: str = "") -> None:
        for member_id in member_ids:
            change = StandingChange(since=self.time, standing=standing)
            birth = Transaction()
            put_member(
                birth,
                Member(
                    member_id=member_id,
                    openid=f"openid-{member_id}",
                    joined_at=self.time,
                    nickname=nickname,
                    standings=() if standing is Standing.SHOPPER else (change,),
                ),
            )
            birth.commit()

    def invite(self, owner_id: str, valid_days: int | None = None, max_uses: int | None = None) -> str:
        return issue(owner_id, valid_days, max_uses, self.members, self.invites, self).code

    def use(self, member_id: str, code: str) -> None:
        bind(member_id, code, self.members, self.invites, self.policy, self)

    def bind(self, member_id: str, upline_id: str) -> None:
        self.use(member_id, self.invite(upline_id))

    def chain(self, *member_ids: str) -> None:
        """Bind each under the one before it."""
        for upline_id, member_id in pairwise(member_ids):
            self.bind(member_id, upline_id)

    def follow(self, member_ids: Sequence[str]) -> None:
        for member_id in member_ids:
            follow_line(member_id, self.members, self.teams)

    def member(self, member_id: str) -> Member:
        member = self.members.get(member_id)
        assert member is not None
        return member

    def line(self, member_id: str) -> list[str]:
        return [hop.member_id for hop in self.member(member_id).line]

    def pay_first_order(self, member_id: str, order_id: str = "T1") -> None:
        transaction = Transaction()
        self.members.claim_first_order(transaction, member_id, order_id, self.time)
        transaction.commit()
