import pytest
from msgspec.structs import replace

from fenxiao.relation import store
from fenxiao.relation.contract import mask, relation_view, team_page
from fenxiao.relation.errors import NoSuchLevelError
from fenxiao.relation.model import BindingMode, Edge, Hop, Standing, WrittenEdges
from fenxiao.relation.store import TeamStore, member_of
from fenxiao.relation.team import follow_line
from fenxiao.relation.uplines import chain_of
from tests.unit.relation.village import PERMANENT, Village

FOR_30_DAYS = replace(PERMANENT, mode=BindingMode.DAYS)


def team(village: Village, ancestor: str) -> list[list[str]]:
    return [[member_of(one) for one in village.teams.page(ancestor, level, None, 100)] for level in (1, 2, 3)]


def moved(village: Village) -> None:
    """A ← B ← C ← D ← E, whose bindings have expired, and B has bound anew under X, under Y."""
    village.policy = FOR_30_DAYS
    village.born(*"ABCDEXY")
    village.chain(*"ABCDE")
    village.bind("X", "Y")
    village.follow("BCDEX")
    village.pass_days(31)
    village.bind("B", "X")


def test_teams_and_counts_follow_the_bindings(village: Village) -> None:
    village.born(*"ABCDE")
    village.chain(*"ABCD")
    village.bind("E", "A")
    village.follow("EDCB")

    assert team(village, "A") == [["E", "B"], ["C"], ["D"]]
    assert team(village, "B") == [["C"], ["D"], []]
    assert village.teams.counts("A") == (2, 1, 1)
    assert village.teams.counts("D") == (0, 0, 0)


def test_following_again_changes_nothing(village: Village) -> None:
    village.born(*"ABC")
    village.chain(*"ABC")
    village.follow("BCCBBC")

    assert village.teams.counts("A") == (1, 1, 0)
    assert village.member("C").line_version == 1


def test_the_lines_below_a_rebound_member_are_rewritten_and_no_further_than_they_reach(village: Village) -> None:
    moved(village)
    before = village.member("E")
    village.follow("BCDE")

    assert [village.line(one) for one in "BCDE"] == [["X", "Y"], ["B", "X", "Y"], ["C", "B", "X"], ["D", "C", "B"]]
    assert village.member("E") == before
    assert team(village, "A") == [[], [], []]
    assert team(village, "X") == [["B"], ["C"], ["D"]]
    assert team(village, "Y") == [["X"], ["B"], ["C"]]
    assert village.teams.counts("A") == (0, 0, 0)
    assert village.teams.counts("X") == (1, 1, 1)


def test_the_order_in_which_changes_are_followed_does_not_matter(village: Village) -> None:
    moved(village)
    village.follow("EDCB")
    village.follow("DC")
    village.follow("ED")

    assert team(village, "X") == [["B"], ["C"], ["D"]]
    assert village.line("D") == ["C", "B", "X"]


def test_a_member_whose_edge_was_late_puts_their_own_line_right(village: Village) -> None:
    village.policy = FOR_30_DAYS
    village.born(*"ABCX")
    village.bind("B", "A")
    village.pass_days(31)
    village.bind("C", "B")
    village.bind("B", "X")
    village.follow("B")  # before anybody knows that C is below B
    assert village.line("C") == ["B", "A"]
    village.follow("C")

    assert village.line("C") == ["B", "X"]


def test_until_lines_are_rewritten_orders_walk_the_live_hops(village: Village) -> None:
    moved(village)

    assert village.line("C") == ["B", "A"]
    chain = chain_of(village.member("C"), village.time, village.members, FOR_30_DAYS)
    assert [(upline.member_id, upline.counts) for upline in chain] == [("B", False), ("X", False), ("Y", False)]
    chain = chain_of(village.member("B"), village.time, village.members, FOR_30_DAYS)
    assert [(upline.member_id, upline.counts) for upline in chain] == [("X", True), ("Y", False)]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_chain_is_as_long_as_the_deployment_allows(village: Village, levels: int) -> None:
    village.born(*"ABCDE")
    village.chain(*"ABCDE")
    policy = replace(PERMANENT, max_levels=levels)

    chain = chain_of(village.member("E"), village.time, village.members, policy)
    assert [upline.member_id for upline in chain] == ["D", "C", "B"][:levels]


def test_a_large_downline_is_paged_through(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_TEAM_PAGE", 2)
    village.policy = FOR_30_DAYS
    village.born(*"ARX", *"12345")
    village.bind("A", "R")
    for member in "12345":
        village.bind(member, "A")
        village.follow(member)
    village.pass_days(31)
    village.bind("A", "X")
    village.follow("A")

    assert [village.line(member) for member in "12345"] == [["A", "X"]] * 5
    assert [len(page) for page in village.teams.downline("A")] == [2, 2, 1]


def test_edges_that_changed_meanwhile_are_read_again(village: Village) -> None:
    village.born(*"AB")
    village.bind("B", "A")

    class Late(TeamStore):
        def replace(self, member_id: str, written: WrittenEdges, wanted: frozenset[Edge]) -> bool:
            follow_line(member_id, village.members, village.teams)
            return super().replace(member_id, written, wanted)

    follow_line("B", village.members, Late())
    assert village.teams.counts("A") == (1, 0, 0)


def test_a_line_that_changed_meanwhile_is_left_alone(village: Village) -> None:
    village.born("A")
    old = village.member("A")

    assert village.members.rewrite_line(old, (Hop(member_id="B"),))
    assert not village.members.rewrite_line(old, (Hop(member_id="C"),))
    assert village.line("A") == ["B"]


def test_nobody_is_followed(village: Village) -> None:
    village.follow(["nobody"])

    assert village.teams.written("nobody") == WrittenEdges()


def test_a_team_page_is_newest_first_masked_and_paged(village: Village) -> None:
    village.born("A")
    village.born("1", "2", nickname="小美")
    village.born("3", standing=Standing.SHOPPER)
    for member in "123":
        village.pass_days(1)
        village.bind(member, "A")
    village.follow("123")
    pages = []
    query = {"limit": "2"}
    while True:
        page = team_page("A", query, village.members, village.teams, 3)
        pages.append(page)
        if page.next_cursor is None:
            break
        query["cursor"] = page.next_cursor

    assert [[(item.member_id, item.nickname) for item in page.items] for page in pages] == [
        [("3", "微信用户"), ("2", "小**")],
        [("1", "小**")],
    ]
    assert pages[0].items[0].bound_at == village.time
    assert pages[0].level_counts == [3, 0, 0]


def test_a_full_last_page_has_no_next(village: Village) -> None:
    village.born(*"ABC")
    village.bind("B", "A")
    village.bind("C", "A")
    village.follow("BC")

    assert team_page("A", {"limit": "2"}, village.members, village.teams, 3).next_cursor is None


@pytest.mark.parametrize("level", ["0", "3", "4", "-1", "", "1.0", "一", "²"])
def test_a_level_beyond_the_deployments_is_none(village: Village, level: str) -> None:
    with pytest.raises(NoSuchLevelError):
        team_page("A", {"level": level}, village.members, village.teams, 2)


def test_uplines_are_shown_with_their_validity(village: Village) -> None:
    village.policy = FOR_30_DAYS
    village.born(*"ABC", nickname="王小二")
    village.chain(*"AB")
    village.pass_days(20)
    village.bind("C", "B")
    bound_at = village.time
    village.pass_days(20)
    view = relation_view("C", village.members, FOR_30_DAYS, village)

    assert view.bound_at == bound_at
    assert [(one.level, one.nickname, one.valid) for one in view.uplines] == [(1, "王**", True), (2, "王**", False)]
    assert [one.valid_until for one in view.uplines] == [hop.valid_until for hop in village.member("C").line]


@pytest.mark.parametrize(("nickname", "shown"), [("", "微信用户"), ("a", "a**"), ("张三丰", "张**")])
def test_nicknames_are_masked(nickname: str, shown: str) -> None:
    assert mask(nickname) == shown
