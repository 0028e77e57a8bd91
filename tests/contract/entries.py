"""Ledger entries for tests: what an order earns, settles and takes back, and what a withdrawal reserves."""

from collections.abc import Mapping
from datetime import UTC, datetime

from fenxiao.ledger.model import Entry, Movement, Platform, TaxClass, WalletKey

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
PAID_DAY = "2026-03-01"


def earn(order: str, at: datetime = NOW, cashback: Mapping[str, int] | None = None, /, **fens: int) -> Entry:
    """An order's journal 0: so many fen are held for each member, and as cashback for the buyer."""
    cashback = cashback or {}
    return Entry(
        collection=f"order#{order}",
        number=0,
        event="earn",
        cause={"order_id": order, "fens": str(fens)},
        at=at,
        movements=tuple(
            Movement(wallet=WalletKey(member, tax_class), held_fen=fen)
            for tax_class, shares in ((TaxClass.COMMISSION, fens), (TaxClass.REBATE, cashback))
            for member, fen in shares.items()
        ),
        platform={
            Platform.COMMISSION_EXPENSE: -sum(fens.values()),
            Platform.CAMPAIGN_EXPENSE: -sum(cashback.values()),
        },
        may_owe=True,
        sale_fen=10_000,
        paid_day=PAID_DAY,
    )


def settle(order: str, cashback: Mapping[str, int] | None = None, /, **fens: int) -> Entry:
    """An order's journal 1: what was held becomes available."""
    movements = (
        Movement(wallet=WalletKey(member, tax_class), held_fen=-fen, free_fen=fen)
        for tax_class, shares in ((TaxClass.COMMISSION, fens), (TaxClass.REBATE, cashback or {}))
        for member, fen in shares.items()
    )
    return Entry(
        collection=f"order#{order}",
        number=1,
        event="settle",
        cause={"order_id": order},
        at=NOW,
        movements=tuple(movements),
        may_owe=True,
        paid_day=PAID_DAY,
    )


def claw_back(order: str, number: int, **fens: int) -> Entry:
    """A refund after settlement, which may make a debt."""
    return Entry(
        collection=f"order#{order}",
        number=number,
        event=f"refund#{number}",
        cause={"order_id": order, "number": number},
        at=NOW,
        movements=tuple(Movement(wallet=WalletKey(member), free_fen=-fen) for member, fen in fens.items()),
        platform={Platform.COMMISSION_EXPENSE: sum(fens.values())},
        may_owe=True,
        sale_fen=-5_000,
        paid_day=PAID_DAY,
    )


def release(order: str, number: int, **fens: int) -> Entry:
    """A refund before settlement, which takes from what is held."""
    return Entry(
        collection=f"order#{order}",
        number=number,
        event=f"refund#{number}",
        cause={"order_id": order, "number": number},
        at=NOW,
        movements=tuple(Movement(wallet=WalletKey(member), held_fen=-fen) for member, fen in fens.items()),
        platform={Platform.COMMISSION_EXPENSE: sum(fens.values())},
        may_owe=True,
    )


def reserve(withdrawal: str, member: str, fen: int) -> Entry:
    """A withdrawal's journal 0, which may not owe."""
    return Entry(
        collection=f"withdrawal#{withdrawal}",
        number=0,
        event="reserve",
        cause={"withdrawal_id": withdrawal, "amount_fen": fen},
        at=NOW,
        movements=(Movement(wallet=WalletKey(member), free_fen=-fen, reserved_fen=fen),),
    )


def pay_out(withdrawal: str, member: str, fen: int) -> Entry:
    """A withdrawal's journal 1."""
    return Entry(
        collection=f"withdrawal#{withdrawal}",
        number=1,
        event="paid",
        cause={"withdrawal_id": withdrawal},
        at=NOW,
        movements=(Movement(wallet=WalletKey(member), reserved_fen=-fen),),
        platform={Platform.PAID_OUT: fen},
    )


def write_off(case: str, member: str, fen: int) -> Entry:
    """The only journal of an approved write-off."""
    return Entry(
        collection=f"writeoff#{case}",
        number=0,
        event="write_off",
        cause={"case_id": case, "amount_fen": fen},
        at=NOW,
        movements=(Movement(wallet=WalletKey(member), forgiven_fen=fen),),
        platform={Platform.WRITTEN_OFF: -fen},
    )
