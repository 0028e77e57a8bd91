"""Members, invites and teams: the conditions of M21 and of the first order's claim, as each engine judges them."""

from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction, TransactionCancelledError
from fenxiao.relation.bind import plan
from fenxiao.relation.errors import (
    AlreadyBoundError,
    HasDownlineError,
    InviteUsedError,
    RelationCycleError,
    TooManyInvitesError,
)
from fenxiao.relation.invites import issue
from fenxiao.relation.model import Binding, BindingMode, Edge, Standing, Tier, TierChange, WrittenEdges
from fenxiao.relation.standing import set_standing
from fenxiao.relation.store import MemberItem, TeamStore
from tests.support.engines import Engine, refusal
from tests.unit.relation.village import PERMANENT, Village

BIND_REFUSALS = (AlreadyBoundError, HasDownlineError, RelationCycleError, InviteUsedError)


@pytest.fixture
def village(engine: Engine) -> Village:
    return Village()


def planned(village: Village, member_id: str, upline_id: str) -> Binding:
    """A binding as it was decided and not yet written."""
    code = village.invite(upline_id)
    return plan(member_id, code, village.members, village.invites, village.policy, village.now())


def test_member_comes_back_as_put_and_bound(village: Village) -> None:
    village.born(*"ABCD")
    village.chain(*"ABCD")
    assert village.line("D") == ["C", "B", "A"]
    assert set(village.members.get_many("ABXA")) == {"A", "B"}
    assert village.members.get("X") is None
    with pytest.raises(TransactionCancelledError):
        village.born("A")


def test_of_two_planned_against_each_other_one_is_written(village: Village) -> None:
    village.born(*"AB")
    one, other = planned(village, "A", "B"), planned(village, "B", "A")
    assert village.members.bind(one)
    assert not village.members.bind(other)
    assert (village.line("A"), village.line("B")) == (["B"], [])


def test_of_three_planned_in_a_ring_the_member_who_has_a_downline_by_now_is_refused(village: Village) -> None:
    village.born(*"ABC")
    a_to_b, b_to_c, c_to_a = (planned(village, *pair) for pair in ("AB", "BC", "CA"))
    assert village.members.bind(a_to_b)
    assert not village.members.bind(b_to_c), "nothing but B's mark has changed of what this was decided on"
    assert not village.members.bind(c_to_a)
    assert [village.line(member) for member in "ABC"] == [["B"], [], []]


def test_binding_requires_upline_and_member_as_read(village: Village) -> None:
    village.born(*"ABCXY")
    under_moved = planned(village, "C", "B")
    village.bind("B", "A")
    assert not village.members.bind(under_moved), "the upline's line is another"
    under_suspended = planned(village, "C", "A")
    set_standing("A", Standing.SUSPENDED, "S1", "刷单", village.members, village)
    assert not village.members.bind(under_suspended), "the upline's standing is another"
    bound_elsewhere = planned(village, "C", "X")
    village.bind("C", "Y")
    assert not village.members.bind(bound_elsewhere), "the member's line is another"
    assert village.line("C") == ["Y"]


def test_rebindings_planned_on_one_epoch_exclude_each_other(village: Village) -> None:
    village.policy = replace(PERMANENT, mode=BindingMode.DAYS)
    village.born(*"ABCDXY")
    village.chain(*"XAB")
    village.chain(*"XCD")
    village.pass_days(31)
    one, other = planned(village, "A", "Y"), planned(village, "C", "Y")
    assert (one.epoch, other.epoch) == (0, 0)
    assert village.members.bind(one)
    assert not village.members.bind(other)
    assert village.members.rebinding_epoch() == 1


def test_two_that_bind_to_each_other_at_once_are_bound_once_at_most(engine: Engine, village: Village) -> None:
    for number in range(4):
        a, b = f"A{number}", f"B{number}"
        village.born(a, b)
        codes = village.invite(a), village.invite(b)
        binds = partial(village.use, a, codes[1]), partial(village.use, b, codes[0])
        engine.at_once(*(partial(refusal, bind, *BIND_REFUSALS) for bind in binds))
        assert sorted(len(village.line(member)) for member in (a, b)) == [0, 1]


def test_ring_of_bindings_at_once_never_closes(engine: Engine, village: Village) -> None:
    village.born(*"ABCD")
    codes = {member: village.invite(member) for member in "ABCD"}
    ring = zip("ABCD", "BCDA", strict=True)
    engine.at_once(
        *(partial(refusal, partial(village.use, member, codes[upline]), *BIND_REFUSALS) for member, upline in ring)
    )
    uplines = {member: village.line(member) for member in "ABCD"}
    assert any(not line for line in uplines.values())
    assert all(member not in line for member, line in uplines.items())


def test_invite_for_one_serves_one_of_many_at_once(engine: Engine, village: Village) -> None:
    village.born("A", *"BCDE")
    code = village.invite("A", max_uses=1)
    answers = engine.at_once(*(partial(refusal, partial(village.use, one, code), *BIND_REFUSALS) for one in "BCDE"))
    assert sorted(answers, key=str) == [InviteUsedError] * 3 + [None]
    invite = village.invites.get(code)
    assert invite is not None
    assert invite.uses == 1


def test_invites_have_codes_of_their_own_and_a_limit(village: Village) -> None:
    village.born("A")
    code = village.invite("A", valid_days=3)
    invite = village.invites.get(code)
    assert invite is not None
    assert invite.expires_at == village.now() + timedelta(days=3)
    assert not village.invites.create(invite), "the code is taken"
    transaction = Transaction()
    transaction.update(MemberItem, "A", "member", [MemberItem.invite_count.set(1000)])
    transaction.commit()
    with pytest.raises(TooManyInvitesError):
        issue("A", None, None, village.members, village.invites, village)


def test_tier_is_written_only_on_the_tiers_that_were_read(village: Village) -> None:
    village.born("A")
    before = village.member("A")
    gold, silver = (
        TierChange(since=village.now(), tier=tier, by="S1", reason="业绩") for tier in (Tier.GOLD, Tier.SILVER)
    )
    assert village.members.change_tiers(before, (gold,))
    assert not village.members.change_tiers(before, (silver,)), "it had none when it was read"
    read = village.member("A")
    assert read == replace(before, tiers=(gold,))
    assert village.members.change_tiers(read, (gold, silver))
    assert not village.members.change_tiers(read, (gold,)), "another change came between"
    assert not village.members.change_tiers(replace(before, member_id="X"), (gold,)), "there is no such member"
    assert village.members.get("X") is None


def test_first_order_is_claimed_once_and_by_members_only(engine: Engine, village: Village) -> None:
    village.born("A")

    def claim(order_id: str) -> type[Exception] | None:
        return refusal(lambda: village.pay_first_order("A", order_id), TransactionCancelledError)

    answers = engine.at_once(*(partial(claim, f"T{number}") for number in range(4)))
    assert sorted(answers, key=str) == [TransactionCancelledError] * 3 + [None]
    assert village.member("A").first_paid_order_id == f"T{answers.index(None)}"
    with pytest.raises(TransactionCancelledError):
        village.pay_first_order("X")


def test_standings_and_lines_change_only_as_read(village: Village) -> None:
    village.born("A")
    before = village.member("A")
    assert village.members.change_standings(before, ())
    assert not village.members.change_standings(before, before.standings)
    assert village.members.rewrite_line(before, ())
    assert not village.members.rewrite_line(before, ())
    assert village.member("A").line_version == 1


def test_team_is_paged_newest_first_and_counted_by_level(village: Village) -> None:
    village.born("A", "B", *(f"C{number}" for number in range(5)))
    village.bind("B", "A")
    for number in range(5):
        village.pass_days(1)
        village.bind(f"C{number}", "B")
    everybody = ["B", *(f"C{number}" for number in range(5))]
    village.follow([*everybody, *everybody])

    assert village.teams.counts("A") == (1, 5, 0)
    first = village.teams.page("A", 2, None, 3)
    second = village.teams.page("A", 2, first[-1], 3)
    assert [one.partition("#")[2] for one in first + second] == ["C4", "C3", "C2", "C1", "C0"]
    assert list(village.teams.downline("A")) == [["B"]]
    assert village.teams.counts("C0") == (0, 0, 0)


def test_edges_replaced_at_once_are_counted_once(engine: Engine) -> None:
    teams = TeamStore()
    wanted = frozenset({Edge(ancestor_id="A", level=1, position="1#B"), Edge(ancestor_id="A", level=2, position="1#B")})
    answers = engine.at_once(*[partial(teams.replace, "B", WrittenEdges(), wanted)] * 3)
    assert sorted(answers) == [False, False, True]
    written = teams.written("B")
    assert written == WrittenEdges(edges=wanted, version=1)
    moved = frozenset({Edge(ancestor_id="X", level=1, position="2#B")})
    assert teams.replace("B", written, moved)
    assert (teams.counts("A"), teams.counts("X")) == ((0, 0, 0), (1, 0, 0))
    assert teams.page("A", 1, None, 9) == []
