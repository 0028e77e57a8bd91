from datetime import timedelta

import pytest
from msgspec.structs import replace

from fenxiao.errors import BusyError, NotFoundError
from fenxiao.relation import bind as bind_module
from fenxiao.relation.errors import (
    AlreadyBoundError,
    HasDownlineError,
    InviteExpiredError,
    InviteNotFoundError,
    InviterUnavailableError,
    InviteUsedError,
    NotNewCustomerError,
    OwnInviteError,
    RelationCycleError,
    RelationTooDeepError,
)
from fenxiao.relation.model import Binding, BindingMode, Hop, Member, Standing
from fenxiao.relation.standing import set_standing
from fenxiao.relation.store import MemberStore
from tests.unit.relation.village import PERMANENT, Village

FOR_30_DAYS = replace(PERMANENT, mode=BindingMode.DAYS)
UNTIL_FIRST_ORDER = replace(PERMANENT, mode=BindingMode.FIRST_ORDER)


def refused(village: Village, member_id: str, code: str, error: type[Exception]) -> None:
    before = village.members.get(member_id)
    with pytest.raises(error):
        village.use(member_id, code)
    assert village.members.get(member_id) == before


def test_a_binding_takes_the_uplines_line(village: Village) -> None:
    village.born(*"ABCDE")
    village.chain(*"ABCDE")

    assert [village.line(member) for member in "ABCDE"] == [
        [],
        ["A"],
        ["B", "A"],
        ["C", "B", "A"],
        ["D", "C", "B"],
    ]
    assert [village.member(member).has_downline for member in "ABCDE"] == [True, True, True, True, False]
    assert village.member("B").bound_at == village.time


def test_hops_carry_until_when_they_are_valid(village: Village) -> None:
    village.policy = FOR_30_DAYS
    village.born(*"ABC")
    village.bind("B", "A")
    village.pass_days(1)
    village.bind("C", "B")

    until = village.time + timedelta(days=30)
    assert village.member("C").line == (
        Hop(member_id="B", valid_until=until),
        Hop(member_id="A", valid_until=until - timedelta(days=1)),
    )


def test_codes_are_read_as_people_type_them(village: Village) -> None:
    village.born(*"AB")
    code = village.invite("A")
    typed = f" {code.lower().replace('1', 'l').replace('0', 'o')} "
    village.use("B", typed)

    assert village.line("B") == ["A"]


def test_an_invite_that_cannot_be_used_is_refused(village: Village) -> None:
    village.born(*"ABCD")
    once, for_a_day = village.invite("A", max_uses=1), village.invite("A", valid_days=1)
    village.use("B", once)
    village.pass_days(1)

    refused(village, "C", once, InviteUsedError)
    refused(village, "C", for_a_day, InviteExpiredError)
    refused(village, "C", "ZZZZZZZZ", InviteNotFoundError)
    refused(village, "A", once, OwnInviteError)
    refused(village, "nobody", village.invite("A"), NotFoundError)


def test_a_refused_binding_does_not_use_the_invite(village: Village) -> None:
    village.born(*"ABC")
    village.chain(*"AB")
    code = village.invite("C", max_uses=1)

    refused(village, "B", code, AlreadyBoundError)
    refused(village, "A", code, HasDownlineError)
    invite = village.invites.get(code)
    assert invite is not None
    assert invite.uses == 0


def test_an_invite_of_somebody_who_may_not_earn_is_refused(village: Village) -> None:
    village.born(*"AB")
    code = village.invite("A")
    set_standing("A", Standing.SUSPENDED, "S1", "刷单", village.members, village)

    refused(village, "B", code, InviterUnavailableError)


def test_a_second_binding_and_a_cycle_are_refused(village: Village) -> None:
    village.born(*"ABCDE")
    village.chain(*"ABCD")
    village.born("X")

    refused(village, "B", village.invite("X"), AlreadyBoundError)
    refused(village, "A", village.invite("X"), HasDownlineError)
    for below in "BCD":
        refused(village, "A", village.invite(below), RelationCycleError)
    village.bind("E", "D")
    refused(village, "A", village.invite("E"), RelationCycleError)


class Interposed(MemberStore):
    """Lets somebody else's binding be written just before the next one."""

    def __init__(self, village: Village, *bindings: tuple[str, str]) -> None:
        self._village = village
        self._bindings = list(bindings)

    def bind(self, binding: Binding) -> bool:
        if self._bindings:
            self._village.bind(*self._bindings.pop())
        return super().bind(binding)


def bind_racing(village: Village, member_id: str, upline_id: str, *others: tuple[str, str]) -> None:
    code = village.invite(upline_id)
    bind_module.bind(member_id, code, Interposed(village, *others), village.invites, village.policy, village)


@pytest.mark.rule("M21")
def test_of_two_who_bind_to_each_other_one_is_refused(village: Village) -> None:
    village.born(*"AB")
    with pytest.raises(RelationCycleError):
        bind_racing(village, "A", "B", ("B", "A"))

    assert (village.line("A"), village.line("B")) == ([], ["A"])


def test_a_ring_of_three_does_not_close(village: Village) -> None:
    village.born(*"ABC")
    plans = [
        bind_module.plan(member, village.invite(upline), village.members, village.invites, PERMANENT, village.time)
        for member, upline in [("A", "C"), ("B", "A"), ("C", "B")]
    ]

    assert [village.members.bind(one) for one in plans] == [True, False, False]
    village.bind("B", "A")
    refused(village, "C", village.invite("B"), RelationCycleError)


def test_a_binding_takes_the_line_that_its_upline_has_when_it_is_written(village: Village) -> None:
    village.born(*"ABC")
    bind_racing(village, "C", "B", ("B", "A"))

    assert village.line("C") == ["B", "A"]


def test_the_last_use_of_an_invite_goes_to_one(village: Village) -> None:
    village.born(*"ABC")
    code = village.invite("A", max_uses=1)
    planned = bind_module.plan("C", code, village.members, village.invites, PERMANENT, village.time)
    village.use("B", code)

    assert not village.members.bind(planned)
    refused(village, "C", code, InviteUsedError)


def test_a_suspension_in_between_is_seen(village: Village) -> None:
    village.born(*"AB")
    planned = bind_module.plan("B", village.invite("A"), village.members, village.invites, PERMANENT, village.time)
    set_standing("A", Standing.SUSPENDED, "S1", "刷单", village.members, village)

    assert not village.members.bind(planned)


class Refusing(MemberStore):
    """Never gets a binding written."""

    def bind(self, binding: Binding) -> bool:  # noqa: ARG002 - nothing is looked at
        return False


def test_endless_contention_is_busy(village: Village) -> None:
    village.born(*"AB")
    with pytest.raises(BusyError):
        bind_module.bind("B", village.invite("A"), Refusing(), village.invites, PERMANENT, village)


def test_after_expiry_a_member_binds_anew_even_with_a_downline(village: Village) -> None:
    village.policy = FOR_30_DAYS
    village.born(*"ABCX")
    village.chain(*"ABC")
    village.follow("BC")
    refused(village, "B", village.invite("X"), AlreadyBoundError)
    village.pass_days(31)
    village.bind("B", "X")
    village.follow("B")

    assert village.line("B") == ["X"]
    assert village.line("C") == ["B", "X"]


def test_after_expiry_nobody_binds_under_their_own_downline_however_deep(village: Village) -> None:
    village.policy = FOR_30_DAYS
    village.born(*"RABCDEF")
    village.chain(*"RABCDEF")
    village.pass_days(31)

    for below in "BCDEF":
        refused(village, "A", village.invite(below), RelationCycleError)


def test_two_members_with_downlines_cannot_bind_anew_into_a_ring(village: Village) -> None:
    village.policy = FOR_30_DAYS
    village.born(*"RABCD")
    village.chain("R", "A", "C")
    village.chain("R", "B", "D")
    village.pass_days(31)
    plans = [
        bind_module.plan(member, village.invite(upline), village.members, village.invites, FOR_30_DAYS, village.time)
        for member, upline in [("A", "D"), ("B", "C")]
    ]

    assert [village.members.bind(one) for one in plans] == [True, False]
    refused(village, "B", village.invite("C"), RelationCycleError)


def test_a_chain_too_long_to_be_walked_is_refused(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bind_module, "MAX_ANCESTORS", 2)
    village.policy = FOR_30_DAYS
    village.born(*"ABCRXY")
    village.chain(*"ABC")
    village.chain(*"RXY")
    village.pass_days(31)

    refused(village, "X", village.invite("C"), RelationTooDeepError)
    village.bind("X", "B")


def test_until_first_order_is_for_new_customers(village: Village) -> None:
    village.policy = UNTIL_FIRST_ORDER
    village.born(*"ABC")
    village.bind("B", "A")
    refused(village, "B", village.invite("C"), AlreadyBoundError)
    village.pay_first_order("B")
    village.pay_first_order("C", "T2")

    refused(village, "B", village.invite("C"), AlreadyBoundError)
    refused(village, "C", village.invite("A"), NotNewCustomerError)


def test_an_upline_who_left_no_record_is_unavailable(village: Village) -> None:
    village.born(*"AB")
    code = village.invite("A")

    class Without(MemberStore):
        def get(self, member_id: str) -> Member | None:
            return None if member_id == "A" else super().get(member_id)

    with pytest.raises(InviterUnavailableError):
        bind_module.bind("B", code, Without(), village.invites, PERMANENT, village)
