from datetime import timedelta

import pytest

from fenxiao.errors import BusyError, NotFoundError
from fenxiao.relation.model import Member, Tier, TierChange
from fenxiao.relation.store import MemberStore
from fenxiao.relation.tier import set_tier
from tests.unit.relation.village import Village


def give(village: Village, tier: Tier, member_id: str = "A", members: MemberStore | None = None) -> None:
    set_tier(member_id, tier, "S1", "业绩达标", members or village.members, village)


@pytest.mark.rule("M10")
def test_a_tier_counts_from_its_second_on_and_says_who_gave_it_and_why(village: Village) -> None:
    village.born("A")
    assert village.member("A").tiers == ()
    village.pass_days(1)
    given_at = village.time
    give(village, Tier.GOLD)
    village.pass_days(1)
    give(village, Tier.GOLD)
    give(village, Tier.STANDARD)

    member = village.member("A")
    assert member.tiers == (
        TierChange(since=given_at, tier=Tier.GOLD, by="S1", reason="业绩达标"),
        TierChange(since=village.time, tier=Tier.STANDARD, by="S1", reason="业绩达标"),
    )
    assert member.tier_at(given_at - timedelta(seconds=1)) is Tier.STANDARD
    assert member.tier_at(given_at) is Tier.GOLD
    assert member.tier_at(village.time) is Tier.STANDARD


def test_everybody_begins_in_the_standard_tier(village: Village) -> None:
    village.born("A")
    give(village, Tier.STANDARD)
    assert village.member("A").tiers == ()
    assert village.member("A").tier_at(village.time) is Tier.STANDARD


def test_nobody_has_no_tier(village: Village) -> None:
    with pytest.raises(NotFoundError):
        give(village, Tier.GOLD)
    assert village.members.get("A") is None


def test_a_record_keeps_the_last_changes(village: Village) -> None:
    village.born("A")
    for number in range(25):
        village.pass_days(1)
        give(village, (Tier.GOLD, Tier.SILVER)[number % 2])
    tiers = village.member("A").tiers
    assert (len(tiers), tiers[-1].tier, tiers[-1].since) == (20, Tier.GOLD, village.time)


def test_a_clock_that_is_behind_does_not_disorder_the_changes(village: Village) -> None:
    village.born("A")
    give(village, Tier.GOLD)
    village.pass_days(-1)
    give(village, Tier.SILVER)
    assert [change.since for change in village.member("A").tiers] == [village.time + timedelta(days=1)] * 2


def test_a_change_in_between_is_not_overwritten(village: Village) -> None:
    village.born("A")

    class Late(MemberStore):
        def change_tiers(self, member: Member, tiers: tuple[TierChange, ...]) -> bool:
            if not member.tiers:
                give(village, Tier.DIAMOND)
            return super().change_tiers(member, tiers)

    give(village, Tier.GOLD, members=Late())
    assert [change.tier for change in village.member("A").tiers] == [Tier.DIAMOND, Tier.GOLD]


def test_contention_without_end_is_told(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    village.born("A")
    monkeypatch.setattr("fenxiao.relation.tier.back_off", lambda _: None)
    monkeypatch.setattr(MemberStore, "change_tiers", lambda *_: False)
    with pytest.raises(BusyError):
        give(village, Tier.GOLD)
