"""Ledger entries for tests: what an order earns, settles and takes back, and what a withdrawal reserves."""

from datetime import UTC, datetime

from fenxiao.ledger.model import Entry, Movement, Platform, WalletKey

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def earn(order: str, at: datetime = NOW, **fens: int) -> Entry:
    """An order's journal 0: so many fen are held for each member."""
    return Entry(
        collection=f"order#{order}",
        number=0,
        event="earn",
        cause={"order_id": order, "fens": str(fens)},
        at=at,
        movements=tuple(Movement(wallet=WalletKey(member), held_fen=fen) for member, fen in fens.items()),
        platform={Platform.COMMISSION_EXPENSE: -sum(fens.values())},
        may_owe=True,
        sale_fen=10_000,
    )


def settle(order: str, **fens: int) -> Entry:
    """An order's journal 1: what was held becomes available."""
    movements = (Movement(wallet=WalletKey(member), held_fen=-fen, free_fen=fen) for member, fen in fens.items())
    return Entry(
        collection=f"order#{order}",
        number=1,
        event="settle",
        cause={"order_id": order},
        at=NOW,
        movements=tuple(movements),
        may_owe=True,
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
