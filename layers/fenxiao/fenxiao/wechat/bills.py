"""WeChat Pay's daily bills (Pay v3, `bill/tradebill` and `bill/fundflowbill`).

WeChat answers with an address and a SHA-1 hash, and signs that answer. The text itself is downloaded from there with a
signed request, whose answer carries no signature: the hash is what proves it.
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import date
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from fenxiao.wechat.bill_text import read_fund_flow_bill, read_trade_bill
from fenxiao.wechat.calls import repeated, unavailable
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.facts import FundFlowBill, TradeBill
from fenxiao.wechat.gateway import call, decode, download, library
from fenxiao.wechat.settings import WeChatSettings

MAX_BILL_BYTES: Final = 32 * 1024 * 1024
"""Some 100 000 trades."""

_PAYOUT_ACCOUNT: Final = "OPERATION"
"""Merchant transfers are paid from the operation account."""
_DOWNLOADS: Final = "/v3/billdownload/"
_NOTHING_HAPPENED: Final = "NO_STATEMENT_EXIST"
_BEING_MADE: Final = "STATEMENT_CREATING"


class _Ticket(msgspec.Struct, frozen=True):
    hash_type: Literal["SHA1"]
    hash_value: str
    download_url: str


class WeChatBills:
    """Bills; each call raises `WeChatUnavailableError` for a fault that passes and `WeChatRefusedError` with a code.

    WeChat makes the bill of a day on the next morning, from ten o'clock in Shanghai on, and keeps it for three months.
    """

    def __init__(self, settings: Callable[[], WeChatSettings]) -> None:
        """Take where the settings are read from."""
        self._settings = settings

    def trades(self, day: date) -> TradeBill | None:
        """Return the payments and refunds of a Shanghai day, `None` while WeChat has not made the bill yet.

        Raises:
            BillMalformedError: the bill does not have the documented form.
        """
        settings = self._settings()
        try:
            content = _fetched(settings, f"/v3/bill/tradebill?bill_date={day}&bill_type=ALL")
        except WeChatRefusedError as error:
            return _none_or(error, TradeBill())
        return read_trade_bill(content, day, settings.appid, settings.mchid)

    def payouts(self, day: date) -> FundFlowBill | None:
        """Return what moved on the account that pays transfers, `None` while WeChat has not made the bill yet.

        Raises:
            BillMalformedError: the bill does not have the documented form.
        """
        path = f"/v3/bill/fundflowbill?bill_date={day}&account_type={_PAYOUT_ACCOUNT}"
        try:
            content = _fetched(self._settings(), path)
        except WeChatRefusedError as error:
            return _none_or(error, FundFlowBill())
        return read_fund_flow_bill(content, day)


def _none_or[B](refusal: WeChatRefusedError, empty: B) -> B | None:
    """Return the bill of a day on which nothing happened, or `None` for one that is still to be made."""
    if refusal.code == _NOTHING_HAPPENED:
        return empty
    if refusal.code == _BEING_MADE:
        return None
    raise refusal


def _fetched(settings: WeChatSettings, path: str) -> bytes:
    """Ask for a bill and return its text once its hash is right; after a fault that passes all begins anew."""
    from wechatpayv3.type import RequestType

    core = library(settings)._core  # noqa: SLF001 - the library's own way wants the text packed

    def fetch() -> bytes:
        ticket = decode(_Ticket, call(lambda: core.request(path, RequestType.GET, None, cipher_data=False)))
        address = urlsplit(ticket.download_url)
        if not address.path.startswith(_DOWNLOADS):
            raise unavailable("a bill elsewhere")
        # Whatever host the address names: what the merchant signed goes to WeChat alone.
        content = download(settings, f"{address.path}?{address.query}", MAX_BILL_BYTES)
        found = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(found.encode(), ticket.hash_value.lower().encode()):
            raise unavailable("a bill with another hash")
        return content

    return repeated(fetch)
