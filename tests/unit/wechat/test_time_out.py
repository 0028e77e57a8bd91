import json
import threading
from collections.abc import Callable, Iterator

import pytest

from fenxiao.wechat import gateway, miniprogram_api
from fenxiao.wechat.bills import WeChatBills
from fenxiao.wechat.errors import WeChatUnavailableError
from fenxiao.wechat.miniprogram import MiniProgram
from fenxiao.wechat.pay import WeChatPay
from fenxiao.wechat.settings import WeChatSettings
from tests.unit.wechat.bill_texts import DAY
from tests.unit.wechat.wechat_side import Platform, Reply, Seen, Server


@pytest.fixture
def silent(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A WeChat that takes every call and answers none until the test is over; clients lose patience sooner."""
    libraries = [gateway._library, miniprogram_api._library]
    for module in ("gateway", "miniprogram_api"):
        monkeypatch.setattr(f"fenxiao.wechat.{module}.TIMEOUT_SECONDS", (0.2, 0.2))
    for library in libraries:
        library.cache_clear()
    over = threading.Event()
    server.default = lambda _seen: Reply(None, after=over)
    yield server
    over.set()
    for library in libraries:
        library.cache_clear()


def test_silence_is_no_answer(tables: None, settings: Callable[[], WeChatSettings], silent: Server) -> None:
    with pytest.raises(WeChatUnavailableError):
        WeChatPay(settings).query("T1")
    assert len(silent.seen) == 3
    with pytest.raises(WeChatUnavailableError):
        MiniProgram(settings).login("code")
    with pytest.raises(WeChatUnavailableError):
        MiniProgram(settings).phone_number("code")
    assert [seen.method for seen in silent.seen[3:]] == ["GET", "POST"]


def test_download_that_never_comes_is_no_bill(
    platform: Platform, settings: Callable[[], WeChatSettings], silent: Server
) -> None:
    ticket = {"hash_type": "SHA1", "hash_value": "0" * 40, "download_url": f"{silent.url}/v3/billdownload/file?token=t"}
    body, silence = json.dumps(ticket).encode(), silent.default
    assert silence is not None

    def answer(seen: Seen) -> Reply:
        if seen.target.startswith("/v3/billdownload/"):
            return silence(seen)
        return Reply(200, body, {"Content-Type": "application/json", **platform.headers(body)})

    silent.default = answer
    with pytest.raises(WeChatUnavailableError):
        WeChatBills(settings).trades(DAY)
    assert len(silent.seen) == 6
