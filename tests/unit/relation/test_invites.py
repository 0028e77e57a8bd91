import pytest

from fenxiao.errors import BusyError, NotFoundError
from fenxiao.relation import store
from fenxiao.relation.errors import NotPromoterError, TooManyInvitesError
from fenxiao.relation.invites import normalised
from fenxiao.relation.model import Standing
from tests.unit.relation.village import Village


def test_codes_are_eight_letters_and_digits_that_cannot_be_misread(village: Village) -> None:
    village.born("A")
    codes = {village.invite("A") for _ in range(20)}

    assert len(codes) == 20
    assert all(len(code) == 8 and normalised(code) == code for code in codes)


def test_only_an_active_promoter_invites(village: Village) -> None:
    village.born("A", standing=Standing.SHOPPER)
    village.born("B", standing=Standing.SUSPENDED)
    for member_id in "AB":
        with pytest.raises(NotPromoterError):
            village.invite(member_id)
    with pytest.raises(NotFoundError):
        village.invite("C")


def test_a_taken_code_is_drawn_again(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    village.born("A")
    draws = iter("0" * 8 + "0" * 8 + "1" * 8)
    monkeypatch.setattr("secrets.choice", lambda _: next(draws))

    assert [village.invite("A"), village.invite("A")] == ["00000000", "11111111"]


def test_when_every_code_is_taken_something_is_wrong(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    village.born("A")
    monkeypatch.setattr("secrets.choice", lambda _: "0")
    village.invite("A")
    with pytest.raises(BusyError):
        village.invite("A")


def test_a_member_makes_a_limited_number_of_invites(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_MAX_INVITES", 2)
    village.born(*"AB")
    village.invite("A")
    village.invite("A")
    with pytest.raises(TooManyInvitesError):
        village.invite("A")
    village.invite("B")
