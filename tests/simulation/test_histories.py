"""Thousands of seeded histories of the whole product, and proof that they would notice what breaks."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from fenxiao.commission import follow, settlement
from fenxiao.ledger import apply, target
from fenxiao.ledger.model import Wallet
from fenxiao.order import close, fulfilment
from fenxiao.withdrawal import flow
from tests.simulation.history import HistoryError, play
from tests.simulation.model import cumulative_tax_fen, labour_tax_fen
from tests.simulation.world import stage
from tests.support.engines import MEMORY, MOTO

ROOT: Final = Path(__file__).parents[2]
HISTORIES: Final = 2_000
CHUNK: Final = 50
ON_MOTO: Final = 24
MOTO_CHUNK: Final = 4
MOST_SEEDS: Final = 400
"""By then a broken rule must have shown."""


@pytest.mark.parametrize("first", range(0, HISTORIES, CHUNK))
def test_every_history_ends_as_the_model_says(first: int) -> None:
    with stage(MEMORY) as (tape, queues):
        for seed in range(first, first + CHUNK):
            play(tape, queues, seed)


@pytest.mark.parametrize("first", range(0, ON_MOTO, MOTO_CHUNK))
def test_histories_on_moto_are_the_same_to_the_word(first: int) -> None:
    seeds = range(first, first + MOTO_CHUNK)
    stories = []
    for engine in (MEMORY, MOTO):
        with stage(engine) as (tape, queues):
            stories.append([play(tape, queues, seed) for seed in seeds])
    assert stories[0] == stories[1]


def test_seed_tells_the_same_story_in_every_process() -> None:
    with stage(MEMORY) as (tape, queues):
        play(tape, queues, 1)
        told = "\n".join(play(tape, queues, 7))
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "layers/fenxiao"}
        command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--story"]
        done = subprocess.run(  # noqa: S603 - our own program
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True
        )
        assert done.stdout.strip() == told


# --- what they notice


def clamped(real: Callable[..., Any]) -> Callable[..., Any]:
    """Take back no more than there is."""

    def free(wallet: Wallet, free_fen: int, *, may_owe: bool) -> tuple[int, int]:
        available, debt = real(wallet, free_fen, may_owe=may_owe)
        return (available, 0) if debt > 0 else (available, debt)

    return free


def without_debt_repaid(real: Callable[..., Any]) -> Callable[..., Any]:
    def free(wallet: Wallet, free_fen: int, *, may_owe: bool) -> tuple[int, int]:
        return (free_fen, 0) if free_fen > 0 else real(wallet, free_fen, may_owe=may_owe)

    return free


def newest_rules(_real: object) -> Callable[..., Any]:
    return lambda versions, _moment: versions[-1] if versions else None


def nothing_withheld(_real: object) -> Callable[..., Any]:
    return lambda position, _withheld, _target: setattr(position, "is_settled", True)


def not_asked(_real: object) -> Callable[..., Any]:
    return lambda _closer, _order_id: False


def fresh_numbers(real: Callable[..., Any]) -> Callable[..., Any]:
    def request(books: Any, port: Any, order_id: str, refund_id: str) -> None:
        order, refund = books.orders.order(order_id), books.orders.refund(order_id, refund_id)
        number = f"{refund_id[:-1]}{books.clock.now().second % 10}"
        port.request(number, order_id, refund.amount_fen, order.total_fen, refund.reason)
        real(books, port, order_id, refund_id)

    return request


def at_once(_real: object) -> Callable[..., Any]:
    return lambda _settler, order: order.received_at


def no_gate(_real: object) -> Callable[..., Any]:
    return lambda _desk, _withdrawal, _final, _now: None


@pytest.mark.parametrize(
    ("module", "function", "broken"),
    [
        pytest.param(apply, "_free", clamped, id="clawback is clamped to what is available"),
        pytest.param(apply, "_free", without_debt_repaid, id="credits do not repay debt first"),
        pytest.param(follow, "in_force", newest_rules, id="today's rules for yesterday's order"),
        pytest.param(target.Position, "settle", nothing_withheld, id="suspended members are settled"),
        pytest.param(close, "_paid_at_wechat", not_asked, id="an order is closed without asking WeChat"),
        pytest.param(fulfilment, "request_refund", fresh_numbers, id="a refund is asked for under another number too"),
        pytest.param(settlement.Settler, "_settle_at", at_once, id="an order settles before its hold has passed"),
        pytest.param(flow, "_gate", no_gate, id="no gate before a transfer"),
    ],
)
def test_what_is_broken_shows(
    monkeypatch: pytest.MonkeyPatch, module: Any, function: str, broken: Callable[[Any], object]
) -> None:
    monkeypatch.setattr(module, function, broken(getattr(module, function)))
    story = first_failure()
    assert story.startswith("03-18 04:00:00 "), "the story comes first, a line for each event"
    assert re.search(r"\n\nseed \d+: ", story), "then the seed that plays it again"


def first_failure() -> str:
    """Return what the first history says that goes wrong, nothing if none does."""
    with stage(MEMORY) as (tape, queues):
        for seed in range(MOST_SEEDS):
            try:
                play(tape, queues, seed)
            except HistoryError as error:
                return str(error)
    return ""


# --- the model's own arithmetic, by hand


@pytest.mark.parametrize(
    ("gross_fen", "tax_fen"),
    [(80_000, 0), (80_003, 1), (400_000, 64_000), (400_001, 64_000), (2_500_000, 400_000), (5_000_000, 1_000_000)],
)
def test_model_knows_the_tax_on_labour_remuneration(gross_fen: int, tax_fen: int) -> None:
    assert labour_tax_fen(gross_fen) == tax_fen


@pytest.mark.parametrize(
    ("gross_fen", "months", "tax_fen"),
    [(625_000, 1, 0), (1_000_000, 1, 9_000), (5_625_000, 2, 105_000), (10_000_000, 1, 498_000)],
)
def test_model_knows_the_cumulative_tax(gross_fen: int, months: int, tax_fen: int) -> None:
    assert cumulative_tax_fen(gross_fen, months) == tax_fen
