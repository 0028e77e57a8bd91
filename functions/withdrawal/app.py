"""Withdrawals: ask for one, see one's own."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request
from fenxiao.http.pages import PAGE_QUERY, Page
from fenxiao.withdrawal import request as asking
from fenxiao.withdrawal.contract import (
    RequestWithdrawal,
    WithdrawalView,
    own_withdrawal,
    withdrawal_page,
    withdrawal_view,
)

api = Api("withdrawal")


@api.route(
    "POST",
    "/withdrawals",
    "申请提现",
    Auth.MEMBER,
    body=RequestWithdrawal,
    returns=WithdrawalView,
    status=201,
    idempotent=True,
)
def request_withdrawal(request: Request[RequestWithdrawal]) -> WithdrawalView:
    """Reserve the funds and write the request."""
    wanted = asking.Request(
        member_id=request.principal.id,
        idempotency_key=request.idempotency_key,
        amount_fen=request.body.amount_fen,
        payee_name=request.body.payee_name,
        tax_class=request.body.tax_class,
    )
    return withdrawal_view(
        asking.request_withdrawal(wiring.withdrawal_desk(), wanted, wiring.token_keys().identity_key)
    )


@api.route("GET", "/withdrawals", "我的提现", Auth.MEMBER, returns=Page[WithdrawalView], query=PAGE_QUERY)
def list_withdrawals(request: Request[None]) -> Page[WithdrawalView]:
    """Answer a page of the member's withdrawals, newest first."""
    return withdrawal_page(request.principal.id, request.query, wiring.withdrawals())


@api.route("GET", "/withdrawals/{withdrawal_id}", "提现详情", Auth.MEMBER, returns=WithdrawalView)
def get_withdrawal(request: Request[None]) -> WithdrawalView:
    """Answer one of the member's withdrawals."""
    return own_withdrawal(request.path["withdrawal_id"], request.principal.id, wiring.withdrawals())


lambda_handler = api.handler
