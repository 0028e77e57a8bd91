"""A blind batch is cut where few wallets are shared: fewer wallet updates per transaction (M7)."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from fenxiao.ledger import post as posting
from fenxiao.ledger.model import Entry, Movement, Platform, Wallet, WalletKey
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.store import LedgerStore
from tests.support.engines import memory_tables
from tests.support.memory_engine import MemoryEngine
from tests.support.world import NOW, FrozenClock

pytestmark = pytest.mark.rule("M7")

LEDGER = LedgerStore(FrozenClock())
BATCH = 90


class Counted:
    """Counts the wallet updates of all transactions."""

    def __init__(self) -> None:
        self.updates = self.transactions = 0

    def before(self, operation: str, params: Mapping[str, Any]) -> None:
        if operation == "TransactWriteItems":
            self.transactions += 1
            self.updates += sum("Update" in action for action in params["TransactItems"])

    def after(self, operation: str, params: Mapping[str, Any]) -> None:
        """Nothing: counting is done before."""


@pytest.fixture
def engine() -> Iterator[MemoryEngine]:
    with memory_tables() as memory:
        yield memory


def earn(order: str, *members: str, number: int = 0, event: str = "earn") -> Entry:
    return Entry(
        collection=f"order#{order}",
        number=number,
        event=event,
        cause={"order_id": order},
        at=NOW,
        movements=tuple(Movement(wallet=WalletKey(member), held_fen=1) for member in sorted(members)),
        platform={Platform.COMMISSION_EXPENSE: -len(members)},
    )


def traffic(tops: int, seconds: int, firsts: int) -> list[Entry]:
    """A batch of orders, as chance brings them, under chain tops with so many below each, and below each of those."""
    chance = random.Random(7)
    orders = []
    for number in range(BATCH):
        top, second, first = chance.randrange(tops), chance.randrange(seconds), chance.randrange(firsts)
        orders.append(earn(f"T{number:03d}", f"A{top}", f"B{top}.{second}", f"C{top}.{second}.{first}"))
    return orders


def counted(entries: Sequence[Entry], gather: Callable[[Sequence[Entry]], Sequence[Entry]]) -> Counted:
    """Post the batch into empty books."""
    with memory_tables() as engine, pytest.MonkeyPatch.context() as patched:
        patched.setattr(posting, "_gathered", gather)
        engine.faults = counts = Counted()
        assert len(post_batch(LEDGER, entries).posted) == BATCH
        wallets = {move.wallet for entry in entries for move in entry.movements}
        assert LEDGER.wallets(wallets) == {
            key: Wallet(held_fen=sum(key == move.wallet for entry in entries for move in entry.movements))
            for key in wallets
        }
    return counts


@pytest.mark.parametrize(
    ("tops", "seconds", "firsts", "most"),
    [(6, 3, 2, 0.60), (10, 2, 2, 0.60), (30, 1, 1, 0.55), (3, 5, 99, 0.80), (1, 1, 1, 1.0)],
)
def test_mixed_traffic_updates_fewer_wallets(tops: int, seconds: int, firsts: int, most: float) -> None:
    entries = traffic(tops, seconds, firsts)
    as_they_come, gathered = counted(entries, list), counted(entries, posting._gathered)
    assert gathered.updates <= as_they_come.updates * most
    assert gathered.transactions <= as_they_come.transactions


def test_entries_of_a_collection_keep_their_order_and_stay_together(engine: MemoryEngine) -> None:
    """The second entry of T0 shares its wallets with T1, which lies before; it must not overtake the first."""
    busy = [earn(f"T{number}", "A", "B", "C") for number in range(1, 60)]
    entries = [earn("T0", "X", "Y", "Z"), *busy, earn("T0", "A", "B", "C", number=1, event="more")]
    engine.faults = counts = Counted()
    outcome = post_batch(LEDGER, entries)
    assert counts.transactions == 1
    assert [journal.number for journal in outcome.posted if journal.collection == "order#T0"] == [0, 1]
    assert [journal.event for journal in LEDGER.collection("order#T0")] == ["earn", "more"]


def test_other_batches_are_applied_in_the_order_in_which_they_come(engine: MemoryEngine) -> None:
    """Settled before it is taken back, in whatever order their collections would be gathered."""
    key = WalletKey("A")
    post_batch(LEDGER, [earn("T9", "A"), earn("T1", "A")])

    def entry(order: str, event: str, *, held: int = 0, free: int) -> Entry:
        return Entry(
            collection=f"order#{order}",
            number=1,
            event=event,
            cause={},
            at=NOW,
            movements=(Movement(wallet=key, held_fen=held, free_fen=free),),
            platform={Platform.COMMISSION_EXPENSE: -held - free},
        )

    outcome = post_batch(LEDGER, [entry("T9", "settle", held=-1, free=1), entry("T1", "taken", free=-1)])
    assert [journal.event for journal in outcome.posted] == ["settle", "taken"]
    assert LEDGER.wallet(key) == Wallet(held_fen=1)
