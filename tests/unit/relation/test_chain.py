from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from fenxiao.relation.chain import BindingPolicy, hop_is_valid, line_under, uplines_at
from fenxiao.relation.model import BindingMode, Hop, Member, Standing, StandingChange, Upline

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = BindingPolicy(mode=BindingMode.DAYS, days=30, max_levels=3)
PERMANENT = replace(DAYS, mode=BindingMode.PERMANENT)
FIRST_ORDER = replace(DAYS, mode=BindingMode.FIRST_ORDER)
SECOND = timedelta(seconds=1)


def member(member_id: str, *line: Hop, first_paid_at: datetime | None = None) -> Member:
    return Member(member_id=member_id, openid="", joined_at=NOW, line=line, first_paid_at=first_paid_at)


def hop(member_id: str, valid_until: datetime | None = None) -> Hop:
    return Hop(member_id=member_id, valid_until=valid_until)


def chain(*members: Member, policy: BindingPolicy = PERMANENT, at: datetime = NOW) -> list[tuple[str, bool]]:
    """The uplines of the first member, among the others."""
    buyer, *others = members
    uplines = uplines_at(buyer, {one.member_id: one for one in others}, at, policy)
    return [(upline.member_id, upline.counts) for upline in uplines]


def test_a_line_is_cut_at_three() -> None:
    upline = member("C", hop("B", NOW), hop("A"), hop("Z"))

    assert line_under(hop("C"), upline) == (hop("C"), hop("B", NOW), hop("A"))
    assert line_under(hop("C"), member("C")) == (hop("C"),)


def test_a_binding_is_valid_until_its_moment() -> None:
    bound = member("B", hop("A", NOW))

    assert hop_is_valid(bound, DAYS, NOW - SECOND)
    assert not hop_is_valid(bound, DAYS, NOW)
    assert hop_is_valid(member("B", hop("A")), DAYS, NOW)
    assert not hop_is_valid(member("B"), DAYS, NOW)


@pytest.mark.parametrize(
    ("mode", "until"), [("permanent", None), ("days", NOW + timedelta(days=30)), ("first_order", None)]
)
def test_how_long_a_binding_lasts_is_the_deployments_choice(mode: str, until: datetime | None) -> None:
    assert replace(DAYS, mode=BindingMode(mode)).valid_until(NOW) == until


def test_until_first_order_ends_when_the_first_order_is_paid() -> None:
    bound = member("B", hop("A"), first_paid_at=NOW)

    assert hop_is_valid(bound, FIRST_ORDER, NOW - SECOND)
    assert not hop_is_valid(bound, FIRST_ORDER, NOW)
    assert hop_is_valid(bound, PERMANENT, NOW)
    assert FIRST_ORDER.first_order_only
    assert not PERMANENT.first_order_only


def test_a_chain_is_nearest_first_and_no_longer_than_the_levels() -> None:
    family = [member("D", hop("C")), member("C", hop("B")), member("B", hop("A")), member("A", hop("Z")), member("Z")]

    assert chain(*family) == [("C", True), ("B", True), ("A", True)]
    for levels in (1, 2):
        assert chain(*family, policy=replace(PERMANENT, max_levels=levels)) == chain(*family)[:levels]
    assert chain(member("D")) == []


def test_nothing_above_an_expired_hop_counts_and_nobody_moves_up() -> None:
    family = [member("D", hop("C")), member("C", hop("B", NOW)), member("B", hop("A"))]

    assert chain(*family) == [("C", True), ("B", False), ("A", False)]
    assert chain(*family, at=NOW - SECOND) == [("C", True), ("B", True), ("A", True)]


def test_a_first_order_of_somebody_in_between_ends_the_hop_above_them() -> None:
    family = [member("D", hop("C")), member("C", hop("B"), first_paid_at=NOW), member("B", hop("A"))]

    assert chain(*family, policy=FIRST_ORDER) == [("C", True), ("B", False), ("A", False)]
    assert chain(*family, policy=FIRST_ORDER, at=NOW - SECOND) == [("C", True), ("B", True), ("A", True)]


def test_the_walk_follows_the_live_hops_and_not_the_stored_copies() -> None:
    buyer = member("D", hop("C"), hop("stale", NOW), hop("staler"))

    assert chain(buyer, member("C", hop("B")), member("B")) == [("C", True), ("B", True)]
    assert uplines_at(buyer, {}, NOW, PERMANENT) == (Upline(member_id="C", counts=True),)


def test_standing_is_that_of_the_moment() -> None:
    promoter = StandingChange(since=NOW, standing=Standing.PROMOTER)
    suspended = StandingChange(since=NOW + timedelta(days=1), standing=Standing.SUSPENDED)
    one = replace(member("A"), standings=(promoter, suspended))

    assert one.standing_at(NOW - SECOND) is Standing.SHOPPER
    assert one.standing_at(NOW) is Standing.PROMOTER
    assert one.standing_at(NOW + timedelta(days=1)) is Standing.SUSPENDED
