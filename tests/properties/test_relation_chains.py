"""Whatever binds, expires and is followed at the same moment: no cycle, and in the end everything equals the bindings.

The real use cases run on the real store (moto), and, a hundred times as fast, on a model of it in memory that knows
the same conditions. Races are made by holding decided bindings back and committing them later, also between any two
reads of another decision or of the job that follows lines (M21). Histories are made from a seed, which a failing
example prints with its steps.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction
from fenxiao.clock import to_millis
from fenxiao.errors import DomainError
from fenxiao.relation.bind import plan
from fenxiao.relation.chain import BindingPolicy, uplines_at
from fenxiao.relation.model import (
    Binding,
    BindingMode,
    Edge,
    Hop,
    Invite,
    Member,
    Standing,
    StandingChange,
    WrittenEdges,
)
from fenxiao.relation.store import InviteStore, MemberStore, TeamStore, member_of, position_of, put_member
from fenxiao.relation.team import follow_line
from tests.support.engines import memory_tables

START = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = BindingPolicy(mode=BindingMode.DAYS, days=1, max_levels=3)
PEOPLE = 6
EXAMPLES = settings().max_examples

type Interrupted = tuple[int, bool, int] | None
"""Before which read of the operation at hand something happens: a held binding is committed and followed, or only a
changed line followed; and which."""
type Step = tuple[str, tuple[object, ...]]

seeds = st.integers(0, 2**48)


def history(chance: random.Random, length: int) -> Iterator[Step]:
    """Yield steps: first a forest whose bindings expire, so that members with a downline may bind anew."""
    for member in range(1, PEOPLE):
        if chance.random() < 0.9:
            yield "bind", (member, chance.randrange(member))
    yield "expire", ()
    for _ in range(length):
        one, other, third, fourth = (chance.randrange(PEOPLE) for _ in range(4))
        index = chance.randrange(10)
        interrupted = (chance.randrange(7), chance.random() < 0.5, index) if chance.random() < 0.5 else None
        match chance.choice(["race", "race", "decide", "commit", "bind", "expire", "follow", "follow", "repeat"]):
            case "race":
                within = (chance.randrange(6), True, -1) if interrupted else None
                yield from [("expire", ()), ("decide", (one, other)), ("decide", (third, fourth, within))]
                yield from [("commit", (-1,)), ("commit", (-1,))]
            case "decide":
                yield "decide", (one, other, interrupted)
            case "bind":
                yield "bind", (one, other)
            case "expire":
                yield "expire", ()
            case "commit":
                yield "commit", (index,)
            case name:
                yield name, (index, interrupted)


class ModelMembers(MemberStore):
    """Member records in memory, under the conditions of the real store."""

    def __init__(self) -> None:
        self.records: dict[str, Member] = {}
        self.epoch = 0

    def get(self, member_id: str) -> Member | None:
        return self.records.get(member_id)

    def get_many(self, member_ids: Iterable[str], *, consistent: bool = True) -> dict[str, Member]:  # noqa: ARG002
        return {member_id: self.records[member_id] for member_id in member_ids if member_id in self.records}

    def rebinding_epoch(self) -> int:
        return self.epoch

    def rewrite_line(self, member: Member, line: tuple[Hop, ...]) -> bool:
        present = self.records[member.member_id]
        if present.line_version != member.line_version:
            return False
        self.records[member.member_id] = replace(present, line=line, line_version=present.line_version + 1)
        return True

    def bind(self, binding: Binding) -> bool:
        member, upline = self.records[binding.member.member_id], self.records[binding.upline.member_id]
        if (
            member.line_version != binding.member.line_version
            or member.has_downline != binding.member.has_downline
            or upline.line_version != binding.upline.line_version
            or binding.epoch not in {None, self.epoch}
        ):
            return False
        self.records[member.member_id] = replace(
            member, line=binding.line, line_version=member.line_version + 1, bound_at=binding.at
        )
        self.records[upline.member_id] = replace(upline, has_downline=True)
        self.epoch += binding.epoch is not None
        return True


class ModelTeams(TeamStore):
    """Teams in memory."""

    def __init__(self) -> None:
        self.records: dict[str, WrittenEdges] = {}
        self.edges: dict[tuple[str, int], set[str]] = {}

    def written(self, member_id: str) -> WrittenEdges:
        return self.records.get(member_id, WrittenEdges())

    def replace(self, member_id: str, written: WrittenEdges, wanted: frozenset[Edge]) -> bool:
        if self.written(member_id) != written:
            return False
        for edge in written.edges:
            self.edges[edge.ancestor_id, edge.level].remove(edge.position)
        for edge in wanted:
            self.edges.setdefault((edge.ancestor_id, edge.level), set()).add(edge.position)
        self.records[member_id] = WrittenEdges(edges=wanted, version=written.version + 1)
        return True

    def downline(self, ancestor_id: str) -> Iterator[list[str]]:
        yield [member_of(position) for position in self.page(ancestor_id, 1, None, 100)]

    def page(self, ancestor_id: str, level: int, before: str | None, limit: int) -> list[str]:  # noqa: ARG002
        return sorted(self.edges.get((ancestor_id, level), ()), reverse=True)

    def counts(self, ancestor_id: str) -> tuple[int, int, int]:
        one, two, three = (len(self.page(ancestor_id, level, None, 100)) for level in (1, 2, 3))
        return one, two, three


class Interruption:
    """Something that happens before a read."""

    def __init__(self, reads_before: int, happens: Callable[[], None]) -> None:
        self._reads_before = reads_before
        self._happens = happens

    def read(self) -> None:
        if self._reads_before == 0:
            self._happens()
        self._reads_before -= 1


class InterruptedMembers(MemberStore):
    """Member records with an interruption."""

    def __init__(self, within: MemberStore, interruption: Interruption) -> None:
        self._within = within
        self._interruption = interruption

    def get(self, member_id: str) -> Member | None:
        self._interruption.read()
        return self._within.get(member_id)

    def get_many(self, member_ids: Iterable[str], *, consistent: bool = True) -> dict[str, Member]:
        self._interruption.read()
        return self._within.get_many(member_ids, consistent=consistent)

    def rebinding_epoch(self) -> int:
        self._interruption.read()
        return self._within.rebinding_epoch()

    def rewrite_line(self, member: Member, line: tuple[Hop, ...]) -> bool:
        self._interruption.read()
        return self._within.rewrite_line(member, line)


class InterruptedTeams(TeamStore):
    """Teams with an interruption."""

    def __init__(self, within: TeamStore, interruption: Interruption) -> None:
        self._within = within
        self._interruption = interruption

    def written(self, member_id: str) -> WrittenEdges:
        self._interruption.read()
        return self._within.written(member_id)

    def replace(self, member_id: str, written: WrittenEdges, wanted: frozenset[Edge]) -> bool:
        self._interruption.read()
        return self._within.replace(member_id, written, wanted)

    def downline(self, ancestor_id: str) -> Iterator[list[str]]:
        self._interruption.read()
        return self._within.downline(ancestor_id)


class Invites(InviteStore):
    """One invite each, whose code is the owner's id."""

    def get(self, code: str) -> Invite | None:
        return _invite(code)


class World:
    """Some promoters, bindings that are decided and not yet written, and changed lines that are not yet followed."""

    def __init__(self, members: MemberStore, teams: TeamStore) -> None:
        self.members, self.teams = members, teams
        self.ids = [f"M{number}" for number in range(PEOPLE)]
        self.now = START
        self.held: list[Binding] = []
        self.stream: list[str] = []
        self.versions = dict.fromkeys(self.ids, 0)

    def records(self) -> dict[str, Member]:
        return self.members.get_many(self.ids)

    def stores(self, interrupted: Interrupted) -> tuple[MemberStore, TeamStore]:
        if interrupted is None:
            return self.members, self.teams
        reads_before, binds, index = interrupted

        def happens() -> None:
            if binds:
                self.commit(index)
            self.observe()
            self.follow(-1 if binds else index)

        interruption = Interruption(reads_before, happens)
        return InterruptedMembers(self.members, interruption), InterruptedTeams(self.teams, interruption)

    def decide(self, member: int, upline: int, interrupted: Interrupted = None) -> None:
        members, _ = self.stores(interrupted)
        with suppress(DomainError):
            self.held.append(plan(self.ids[member], self.ids[upline], members, Invites(), POLICY, self.now))

    def commit(self, index: int) -> None:
        if self.held:
            self.members.bind(self.held.pop(index % len(self.held)))

    def bind(self, member: int, upline: int) -> None:
        before = len(self.held)
        self.decide(member, upline)
        if len(self.held) > before:
            self.commit(before)

    def expire(self) -> None:
        self.now += timedelta(days=1, minutes=1)

    def follow(self, index: int, interrupted: Interrupted = None) -> None:
        if self.stream:
            follow_line(self.stream.pop(index % len(self.stream)), *self.stores(interrupted))

    def repeat(self, index: int, interrupted: Interrupted = None) -> None:
        """Follow a change that will come once more."""
        if self.stream:
            follow_line(self.stream[index % len(self.stream)], *self.stores(interrupted))

    def observe(self) -> None:
        """Put what changed on the stream, and look at what holds always."""
        records = self.records()
        for member_id, record in records.items():
            assert len(record.line) <= 3
            if record.line_version != self.versions[member_id]:
                self.versions[member_id] = record.line_version
                self.stream.append(member_id)
            _live_line(record, records, limit=PEOPLE + 1)


def _live_line(member: Member, records: dict[str, Member], limit: int) -> tuple[Hop, ...]:
    line: list[Hop] = []
    while member.line and len(line) < limit:
        line.append(member.line[0])
        member = records[member.line[0].member_id]
    assert len(line) <= PEOPLE, "a cycle"
    return tuple(line)


@pytest.mark.rule("M21")
@settings(max_examples=min(5 * EXAMPLES, 20_000), print_blob=True)
@given(seed=seeds)
def test_no_cycle_forms_and_teams_equal_the_bindings(seed: int) -> None:
    members = ModelMembers()
    members.records = {member.member_id: member for member in _people()}
    _play(World(members, ModelTeams()), random.Random(seed), 30)


@settings(max_examples=EXAMPLES // 20, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
@given(seed=seeds)
def test_the_same_on_tables(seed: int) -> None:
    with memory_tables():
        born = Transaction()
        for member in _people():
            put_member(born, member)
        born.commit()
        for member in _people():
            InviteStore().create(_invite(member.member_id))
        _play(World(MemberStore(), TeamStore()), random.Random(seed), 12)


def _invite(owner_id: str) -> Invite:
    return Invite(code=owner_id, owner_id=owner_id, created_at=START, expires_at=None, max_uses=None)


def _people() -> list[Member]:
    promoter = (StandingChange(since=START, standing=Standing.PROMOTER),)
    return [
        Member(member_id=f"M{number}", openid=f"openid-{number}", joined_at=START, standings=promoter)
        for number in range(PEOPLE)
    ]


def _play(world: World, chance: random.Random, length: int) -> None:
    for name, arguments in history(chance, length):
        note(f"{name}{arguments}")
        getattr(world, name)(*arguments)
        world.observe()
    while world.stream:
        world.follow(chance.randrange(10))
        world.observe()
    _assert_quiet(world)


def _assert_quiet(world: World) -> None:
    records = world.records()
    edges: dict[tuple[str, int], list[str]] = {}
    for member in records.values():
        line = _live_line(member, records, limit=3)
        assert member.line == line
        assert [one.member_id for one in uplines_at(member, records, world.now, POLICY)] == [
            hop.member_id for hop in line
        ]
        for level, hop in enumerate(line, 1):
            assert member.bound_at is not None
            position = position_of(to_millis(member.bound_at), member.member_id)
            edges.setdefault((hop.member_id, level), []).append(position)
    for member_id in world.ids:
        wanted = [sorted(edges.get((member_id, level), []), reverse=True) for level in (1, 2, 3)]
        assert [world.teams.page(member_id, level, None, 100) for level in (1, 2, 3)] == wanted
        assert world.teams.counts(member_id) == tuple(len(level) for level in wanted)
        assert [one for page in world.teams.downline(member_id) for one in page] == [
            member_of(position) for position in wanted[0]
        ]
        assert records[member_id].has_downline >= bool(wanted[0])
