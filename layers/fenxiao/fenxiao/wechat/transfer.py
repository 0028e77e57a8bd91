"""Merchant transfers (Pay v3, `fund-app/mch-transfer/transfer-bills`): a promoter's withdrawal to their WeChat balance.

The request's body is built once, stored, and sent as it is stored, however often (M23): the payee's name is encrypted
anew each time that it is encrypted, and another body under the same number would be another request.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from fenxiao.wechat.calls import repeated, unavailable
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.facts import TransferResult
from fenxiao.wechat.gateway import call, decode, library
from fenxiao.wechat.settings import WeChatSettings, notify_url
from fenxiao.wechat.wire import Bill

_PATH: Final = "/v3/fund-app/mch-transfer/transfer-bills"
_NO_BILL: Final = "NOT_FOUND"


class TransferTerms(Struct, frozen=True, kw_only=True):
    """What the merchant agreed with WeChat on its transfers, and reports with each of them."""

    scene_id: str
    """`1005` is commission."""
    job: str
    """Reported as the payee's job; at most 32 characters."""
    remark: str
    """Reported as the reason and shown to the payee; at most 32 characters."""


class WeChatTransfers:
    """Transfers.

    Each call raises `WeChatUnavailableError` for a fault that passes (nobody knows then whether the bill exists: ask)
    and `WeChatRefusedError` with WeChat's code.
    """

    def __init__(self, settings: Callable[[], WeChatSettings], terms: TransferTerms) -> None:
        """Take where the settings are read from, and what was agreed."""
        self._settings = settings
        self._terms = terms

    def encrypt(self, text: str) -> str:
        """Return the text encrypted for WeChat alone (RSA-OAEP with its public key, base64); differs each time."""
        return library(self._settings())._core.encrypt(text)  # noqa: SLF001 - the library has no public way

    def build_body(self, *, out_bill_no: str, openid: str, amount_fen: int, user_name_cipher: str | None) -> str:
        """Return the exact body of the request, to be stored before it is sent (M23)."""
        name = {} if user_name_cipher is None else {"user_name": user_name_cipher}
        body: dict[str, object] = {
            "appid": self._settings().appid,
            "out_bill_no": out_bill_no,
            "transfer_scene_id": self._terms.scene_id,
            "openid": openid,
            **name,
            "transfer_amount": amount_fen,
            "transfer_remark": self._terms.remark,
            "notify_url": notify_url("transfers"),
            "transfer_scene_report_infos": [
                {"info_type": "岗位类型", "info_content": self._terms.job},
                {"info_type": "报酬说明", "info_content": self._terms.remark},
            ],
        }
        return json.dumps(body)

    def send(self, body: str) -> TransferResult:
        """Send a stored body, once; the same body again gives the same bill.

        Codes of refusals: `NOT_ENOUGH` (the merchant's balance), `INVALID_REQUEST`, `PARAM_ERROR`, `NO_AUTH`.

        Raises:
            ValueError: the body is not one of `build_body`'s: other bytes would be signed and sent than are stored.
        """
        from wechatpayv3.type import RequestType

        data = _as_sent(body)
        core = library(self._settings())._core  # noqa: SLF001 - the library encrypts anew; this sends what is stored
        answer = call(lambda: core.request(_PATH, RequestType.POST, data, cipher_data=True))
        return _about(str(data["out_bill_no"]), decode(Bill, answer))

    def query(self, out_bill_no: str) -> TransferResult | None:
        """Return the bill, `None` if WeChat does not know it; WeChat knows bills for 30 days."""
        pay = library(self._settings())
        try:
            answer = repeated(lambda: call(lambda: pay.mch_transfer_bills_query(out_bill_no)))
        except WeChatRefusedError as error:
            if error.code == _NO_BILL:
                return None
            raise
        return _about(out_bill_no, decode(Bill, answer))

    def cancel(self, out_bill_no: str) -> None:
        """Ask WeChat to cancel a bill that the payee has not confirmed; its end comes by notification or query."""
        pay = library(self._settings())
        repeated(lambda: call(lambda: pay.mch_transfer_bills_cancel(out_bill_no)))


def _as_sent(body: str) -> Mapping[str, object]:
    """Return the object of a stored body.

    The library signs `json.dumps` of an object and `requests` sends the same (a text it would quote once more), so the
    stored text must be what `json.dumps` makes of its own content.
    """
    data: Mapping[str, object] = json.loads(body)
    if json.dumps(data) != body:
        raise ValueError("the stored body would not be sent as it is stored")
    return data


def _about(out_bill_no: str, bill: Bill) -> TransferResult:
    if bill.out_bill_no != out_bill_no:
        raise unavailable("an answer about another transfer")
    return bill.fact()
