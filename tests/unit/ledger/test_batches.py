"""Batches that meet other writers: what is lost takes along what stands on it, conflicts are met by halving (M7)."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fenxiao.aws import dynamodb
from fenxiao.errors import BusyError
from fenxiao.ledger import post as posting
from fenxiao.ledger.model import Entry, Movement, Platform, Wallet, WalletKey
from fenxiao.ledger.post import post, post_batch
from fenxiao.ledger.store import LedgerStore
from tests.support.engines import memory_tables
from tests.support.memory_engine import MemoryEngine
from tests.support.world import NOW, FrozenClock

pytestmark = pytest.mark.rule("M1", "M7")

LEDGER = LedgerStore(FrozenClock())


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryEngine]:
    for module in (dynamodb, posting):
        monkeypatch.setattr(module, "back_off", lambda _: None)
    with memory_tables() as memory:
        yield memory


def entry(order: str, number: int, event: str, member: str, *, held: int = 0, free: int = 0) -> Entry:
    return Entry(
        collection=f"order#{order}",
        number=number,
        event=event,
        cause={"order_id": order},
        at=NOW,
        movements=(Movement(wallet=WalletKey(member), held_fen=held, free_fen=free),),
        platform={Platform.COMMISSION_EXPENSE: -held - free},
        may_owe=True,
    )


class Conflicts:
    """Refuses transactions of more than so many actions, as DynamoDB does while another writes the same items."""

    def __init__(self, most_actions: int) -> None:
        self.most_actions = most_actions
        self.sizes: list[int] = []

    def before(self, operation: str, params: Mapping[str, Any]) -> None:
        if operation != "TransactWriteItems":
            return
        actions = params["TransactItems"]
        self.sizes.append(len(actions))
        if len(actions) > self.most_actions:
            reasons = [{"Code": "None"} for _ in actions[:-1]]
            error = {"Code": "TransactionCanceledException", "Message": "conflict"}
            raise ClientError(
                {"Error": error, "CancellationReasons": [*reasons, {"Code": "TransactionConflict"}]},
                operation,
            )

    def after(self, operation: str, params: Mapping[str, Any]) -> None:
        """Nothing is lost afterwards."""


@pytest.mark.parametrize("blind", [True, False])
def test_what_stands_on_a_lost_place_is_lost_in_later_transactions_too(engine: MemoryEngine, *, blind: bool) -> None:
    """Others took T1's number 1; the batch goes on with T1's number 2 in another transaction."""
    assert post(LEDGER, entry("T1", 0, "earn", "A", held=10))
    assert post(LEDGER, entry("T1", 1, "settle", "A", held=-10, free=10))
    sign = 1 if blind else -1
    between = [entry(f"U{number:02d}", 0, "earn", f"M{number}", held=1) for number in range(60)]
    stale = [entry("T1", number, f"refund#{number}", "A", held=sign) for number in (1, 2)]
    outcome = post_batch(LEDGER, [stale[0], *between, stale[1]])
    assert [one.number for one in outcome.moved] == [1, 2]
    assert len(outcome.posted) == 60
    assert LEDGER.wallet(WalletKey("A")) == Wallet(available_fen=10)
    assert len(LEDGER.collection("order#T1")) == 2


def test_what_stands_on_a_contradiction_is_lost_in_later_transactions_too(engine: MemoryEngine) -> None:
    assert post(LEDGER, entry("T1", 0, "earn", "A", held=10))
    other = Entry(collection="order#T1", number=0, event="earn", cause={"order_id": "x"}, at=NOW, movements=())
    between = [entry(f"U{number:02d}", 0, "earn", f"M{number}", held=1) for number in range(60)]
    outcome = post_batch(LEDGER, [other, *between, entry("T1", 1, "refund#1", "A", held=-5)])
    assert (outcome.contradicted, [one.number for one in outcome.moved]) == ([other], [1])
    assert LEDGER.wallet(WalletKey("A")) == Wallet(held_fen=10)


def test_batch_that_keeps_conflicting_is_halved_until_it_gets_through(engine: MemoryEngine) -> None:
    engine.faults = conflicts = Conflicts(most_actions=12)
    outcome = post_batch(LEDGER, [entry(f"T{number:02d}", 0, "earn", "A", held=1) for number in range(40)])
    engine.faults = None
    assert len(outcome.posted) == 40
    assert LEDGER.wallet(WalletKey("A")) == Wallet(held_fen=40)
    assert sorted(set(conflicts.sizes), reverse=True) == [41, 21, 11]


def test_conflict_that_does_not_cease_is_passed_on_and_what_got_through_stands(engine: MemoryEngine) -> None:
    entries = [entry(f"T{number:02d}", 0, "earn", "A", held=1) for number in range(4)]
    engine.faults = Conflicts(most_actions=1)
    with pytest.raises(BusyError):
        post_batch(LEDGER, entries)
    engine.faults = None
    assert len(post_batch(LEDGER, entries).posted) == 4
    assert LEDGER.wallet(WalletKey("A")) == Wallet(held_fen=4)
