"""A promoter's wallet and statement, for the promoter and for staff."""

from fenxiao import wiring
from fenxiao.errors import NotFoundError
from fenxiao.http.api import Api, Auth, Binary, Request, Role, Text
from fenxiao.http.pages import Page
from fenxiao.ledger.contract import (
    EXPORT_QUERY,
    STATEMENT_QUERY,
    LineView,
    WalletView,
    statement_export,
    statement_page,
    wallet_view,
)
from fenxiao.ledger.export import XLSX

api = Api("wallet", XLSX)
_READERS = frozenset({Role.FINANCE, Role.FINANCE_LEAD, Role.OPERATIONS})


@api.route("GET", "/wallet", "我的佣金钱包", Auth.MEMBER, returns=WalletView)
def wallet(request: Request[None]) -> WalletView:
    """Answer the wallet as it is now."""
    return wallet_view(request.principal.id, wiring.ledger())


@api.route("GET", "/statement", "我的佣金明细", Auth.MEMBER, returns=Page[LineView], query=STATEMENT_QUERY)
def statement(request: Request[None]) -> Page[LineView]:
    """Answer a page of the statement, newest first."""
    return statement_page(request.principal.id, request.query, wiring.ledger(), wiring.statements())


@api.route("GET", "/statement/export", "导出我的佣金明细", Auth.MEMBER, returns=Text, query=EXPORT_QUERY)
def export_statement(request: Request[None]) -> Text | Binary:
    """Answer a period of the statement as a file."""
    member_id, query = request.principal.id, request.query
    return statement_export(member_id, query, wiring.ledger(), wiring.statements(), wiring.clock())


@api.route("GET", "/staff/members/{member_id}/wallet", "会员的佣金钱包", Auth.STAFF, roles=_READERS, returns=WalletView)
def member_wallet(request: Request[None]) -> WalletView:
    """Answer a member's wallet as it is now."""
    return wallet_view(_known_member(request), wiring.ledger())


@api.route(
    "GET",
    "/staff/members/{member_id}/statement",
    "会员的佣金明细",
    Auth.STAFF,
    roles=_READERS,
    returns=Page[LineView],
    query=STATEMENT_QUERY,
)
def member_statement(request: Request[None]) -> Page[LineView]:
    """Answer a page of a member's statement, newest first."""
    return statement_page(_known_member(request), request.query, wiring.ledger(), wiring.statements())


def _known_member(request: Request[None]) -> str:
    """Return the member whom the path names; raises NotFoundError if there is none."""
    member_id = request.path["member_id"]
    if wiring.members().get(member_id) is None:
        raise NotFoundError
    return member_id


lambda_handler = api.handler
