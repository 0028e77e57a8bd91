"""HTTP contracts of wallet and statement."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from fenxiao.http import cursor
from fenxiao.http.pages import Page, page_limit
from fenxiao.ledger.model import Wallet, WalletKey
from fenxiao.ledger.statement import StatementLine
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore

_EVENT_TITLES: Final = {
    "earn": "订单佣金",
    "refund": "退款扣回",
    "settle": "佣金结算",
    "release": "佣金解冻",
    "reserve": "申请提现",
    "paid": "提现成功",
    "returned": "提现退回",
}


class WalletView(msgspec.Struct, frozen=True):
    """A wallet, in fen: frozen until settlement, ready to withdraw, in a withdrawal, and owed."""

    held_fen: int
    available_fen: int
    reserved_fen: int
    debt_fen: int


class LineView(msgspec.Struct, frozen=True):
    """A statement line: what one event did to the wallet, in fen; `source` names the order or the withdrawal."""

    at: datetime
    title: str
    event: str
    source: str
    held_fen: int
    available_fen: int
    reserved_fen: int
    debt_fen: int


def wallet_view(member_id: str, store: LedgerStore) -> WalletView:
    """Return a member's wallet as it is now."""
    wallet: Wallet = store.wallet(WalletKey(member_id))
    return WalletView(wallet.held_fen, wallet.available_fen, wallet.reserved_fen, wallet.debt_fen)


def statement_page(member_id: str, query: Mapping[str, str], store: StatementStore) -> Page[LineView]:
    """Return a page of a member's statement, newest first.

    Raises:
        BadLimitError: the page size is out of range.
        BadCursorError: the cursor is not one of ours.
    """
    before = cursor.decode(query["cursor"], tuple[int, str]) if query.get("cursor") else None
    lines, last = store.lines(member_id, page_limit(query), before)
    return Page([_view(line) for line in lines], cursor.encode(*last) if last else None)


def _view(line: StatementLine) -> LineView:
    event = line.event.partition("#")[0]
    return LineView(
        at=line.at,
        title=_EVENT_TITLES[event],
        event=event,
        source=line.collection.partition("#")[2],
        held_fen=line.held_fen,
        available_fen=line.available_fen,
        reserved_fen=line.reserved_fen,
        debt_fen=line.debt_fen,
    )
