from datetime import timedelta

import pytest

from fenxiao.errors import NotFoundError
from fenxiao.relation import standing as standing_module
from fenxiao.relation.errors import NotSuspendedError, SuspendedError
from fenxiao.relation.model import Member, Standing, StandingChange
from fenxiao.relation.standing import become_promoter, set_standing
from fenxiao.relation.store import MemberStore
from tests.unit.relation.village import Village


def suspend(village: Village, member_id: str = "A") -> Standing:
    return set_standing(member_id, Standing.SUSPENDED, "S1", "刷单", village.members, village)


def reinstate(village: Village, member_id: str = "A") -> Standing:
    return set_standing(member_id, Standing.PROMOTER, "S2", "申诉成立", village.members, village)


def test_a_shopper_becomes_a_promoter_once(village: Village) -> None:
    village.born("A", standing=Standing.SHOPPER)
    joined = village.time
    assert become_promoter("A", village.members, village) is Standing.PROMOTER
    village.pass_days(1)
    assert become_promoter("A", village.members, village) is Standing.PROMOTER

    assert village.member("A").standings == (StandingChange(since=joined, standing=Standing.PROMOTER),)


def test_a_suspension_says_who_and_why_and_lasts_until_reinstated(village: Village) -> None:
    village.born("A")
    village.pass_days(1)
    suspended_at = village.time
    suspend(village)
    suspend(village)
    with pytest.raises(SuspendedError):
        become_promoter("A", village.members, village)
    village.pass_days(1)
    reinstate(village)

    member = village.member("A")
    assert member.standings[1:] == (
        StandingChange(since=suspended_at, standing=Standing.SUSPENDED, by="S1", reason="刷单"),
        StandingChange(since=village.time, standing=Standing.PROMOTER, by="S2", reason="申诉成立"),
    )
    assert member.standing_at(suspended_at - timedelta(seconds=1)) is Standing.PROMOTER
    assert member.standing_at(suspended_at) is Standing.SUSPENDED


def test_staff_make_nobody_a_promoter(village: Village) -> None:
    village.born("A", standing=Standing.SHOPPER)
    with pytest.raises(NotSuspendedError):
        reinstate(village)
    assert suspend(village) is Standing.SUSPENDED


def test_nobody_has_no_standing(village: Village) -> None:
    with pytest.raises(NotFoundError):
        become_promoter("A", village.members, village)
    with pytest.raises(NotFoundError):
        suspend(village)


def test_a_record_keeps_the_last_changes(village: Village) -> None:
    village.born("A")
    for _ in range(15):
        village.pass_days(1)
        suspend(village)
        village.pass_days(1)
        reinstate(village)

    standings = village.member("A").standings
    assert len(standings) == 20
    assert standings[-1] == StandingChange(since=village.time, standing=Standing.PROMOTER, by="S2", reason="申诉成立")


def test_a_clock_that_is_behind_does_not_disorder_the_changes(village: Village) -> None:
    village.born("A")
    village.pass_days(-1)
    suspend(village)

    assert [change.since for change in village.member("A").standings] == [village.time + timedelta(days=1)] * 2
    assert village.member("A").standing_at(village.time + timedelta(days=1)) is Standing.SUSPENDED


def test_a_change_in_between_is_not_overwritten(village: Village) -> None:
    village.born("A", standing=Standing.SHOPPER)

    class Late(MemberStore):
        def change_standings(self, member: Member, standings: tuple[StandingChange, ...]) -> bool:
            suspend(village)
            return super().change_standings(member, standings)

    with pytest.raises(SuspendedError):
        standing_module.become_promoter("A", Late(), village)
    assert village.member("A").standing_at(village.time) is Standing.SUSPENDED
