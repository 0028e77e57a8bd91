from collections.abc import Callable, Iterator

import pytest

from fenxiao.wechat.settings import WeChatSettings
from tests.unit.wechat.wechat_side import Platform, Server, running_server

PUBLIC_BASE_URL = "https://shop.example.invalid/v1"


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform.make()


@pytest.fixture
def settings(platform: Platform) -> Callable[[], WeChatSettings]:
    return lambda: platform.settings


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """WeChat's address is a server of the test's own, and nobody waits between attempts."""
    with running_server() as server:
        monkeypatch.setenv("WECHAT_API_URL", server.url)
        monkeypatch.setenv("WECHAT_PAY_URL", server.url + "/")
        monkeypatch.setenv("PUBLIC_BASE_URL", PUBLIC_BASE_URL)
        monkeypatch.setattr("fenxiao.wechat.calls.sleep", lambda _seconds: None)
        yield server
