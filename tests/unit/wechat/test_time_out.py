import threading
from collections.abc import Callable, Iterator

import pytest

from fenxiao.wechat import gateway, miniprogram_api
from fenxiao.wechat.errors import WeChatUnavailableError
from fenxiao.wechat.miniprogram import MiniProgram
from fenxiao.wechat.pay import WeChatPay
from fenxiao.wechat.settings import WeChatSettings
from tests.unit.wechat.wechat_side import Reply, Server


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
