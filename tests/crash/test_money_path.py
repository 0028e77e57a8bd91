"""The process stops before the k-th call to the database, or after it with the answer lost, for every k of an order's
whole life: earn, refund, settle, withdraw, payout. Lived again, the books are those of a life that never stopped.
"""

from collections.abc import Iterator

import pytest

from tests.crash.life import WITHDRAWN_FEN, Life
from tests.support.engines import memory_tables
from tests.support.memory_engine import MemoryEngine
from tests.support.memory_engine.engine import Params

CHUNKS = 8
"""Shares of the crash points, so that workers take them side by side."""


class StoppedError(BaseException):
    """The process is gone; nothing in it gets to see this."""


class StopAt:
    """Stops at one call; counts them all."""

    def __init__(self, call: int, *, answer_lost: bool) -> None:
        self.call, self.answer_lost, self.calls = call, answer_lost, 0

    def before(self, _operation: str, _params: Params) -> None:
        self.calls += 1
        if self.calls == self.call and not self.answer_lost:
            raise StoppedError

    def after(self, _operation: str, _params: Params) -> None:
        if self.calls == self.call and self.answer_lost:
            raise StoppedError


def lived(memory: MemoryEngine, fault: StopAt) -> Life:
    """Live until it stops, and again without a fault."""
    memory.clear()
    life = Life(memory)
    memory.faults = fault
    try:
        life.live()
    except StoppedError:
        memory.faults = None
        life.live()
    memory.faults = None
    return life


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryEngine]:
    with memory_tables() as memory:
        yield memory


@pytest.mark.rule("M1", "M2", "M5", "M22")
@pytest.mark.parametrize("answer_lost", [False, True])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_life_that_stops_at_any_call_ends_as_one_that_never_stopped(
    memory: MemoryEngine,
    chunk: int,
    answer_lost: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    untouched = StopAt(0, answer_lost=answer_lost)
    whole = lived(memory, untouched)
    wallets, journals = whole.wallets(), whole.journals()
    assert untouched.calls > 100, "the life is long enough to be worth stopping"
    assert list(map(len, journals.values())) == [4, 2], "earn, refund, settle, refund; reserve, paid"

    for call in range(chunk + 1, untouched.calls + 1, CHUNKS):
        life = lived(memory, StopAt(call, answer_lost=answer_lost))
        assert life.wallets() == wallets, call
        assert list(life.journals().values()) == list(journals.values()), call
        assert len(set(life.transfers.sent)) == 1, call
        assert life.audit().differences == (), call


def test_the_life_moves_what_was_worked_out_by_hand(memory: MemoryEngine) -> None:
    """D pays 100.00: C 10 %, B 5 %, A 2 %, D 1 % back; 55.00 are refunded, 8.00 of C's 8.50 are withdrawn before."""
    life = lived(memory, StopAt(0, answer_lost=False))
    assert {name: (one.available_fen, one.debt_fen) for name, one in life.wallets().items()} == {
        "MC": (0, WITHDRAWN_FEN - 450),
        "MB": (225, 0),
        "MA": (90, 0),
        "rebate of MD": (45, 0),
    }
