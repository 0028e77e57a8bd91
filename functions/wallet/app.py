"""A promoter's wallet and statement."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request
from fenxiao.http.pages import PAGE_QUERY, Page
from fenxiao.ledger.contract import LineView, WalletView, statement_page, wallet_view

api = Api("wallet")


@api.route("GET", "/wallet", "我的佣金钱包", Auth.MEMBER, returns=WalletView)
def wallet(request: Request[None]) -> WalletView:
    """Answer the wallet as it is now."""
    return wallet_view(request.principal.id, wiring.ledger())


@api.route("GET", "/statement", "我的佣金明细", Auth.MEMBER, returns=Page[LineView], query=PAGE_QUERY)
def statement(request: Request[None]) -> Page[LineView]:
    """Answer a page of the statement, newest first."""
    return statement_page(request.principal.id, request.query, wiring.statements())


lambda_handler = api.handler
