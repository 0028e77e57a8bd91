from collections.abc import Iterator
from datetime import timedelta

import pytest

from fenxiao.clock import Clock, TestClock
from fenxiao.wechat import miniprogram_api
from fenxiao.wechat.bills import WeChatBills
from fenxiao.wechat.messages import Messages
from fenxiao.wechat.miniprogram import MiniProgram
from fenxiao.wechat.notification import Notifications
from fenxiao.wechat.pay import WeChatPay, WeChatRefunds
from fenxiao.wechat.settings import WeChatSettings
from fenxiao.wechat.shipping import WeChatShipping
from fenxiao.wechat.transfer import TransferTerms, WeChatTransfers
from infra.local.wechat_sandbox.keys import SandboxKeys
from tests.sandbox.conftest import Received, World, keyring, keys, receiver, world
from tests.support.tables import moto_tables

__all__ = ["keyring", "keys", "receiver", "world"]


class Shop:
    """The product's adapters, connected to a sandbox of the test's own."""

    def __init__(self, world: World) -> None:
        keys = world.sandbox.keys
        self.world = world
        self.account = account(keys)
        self.clock: Clock = TestClock(world.url)
        self.pay = WeChatPay(self.settings)
        self.refunds = WeChatRefunds(self.settings)
        self.transfers = WeChatTransfers(self.settings, TransferTerms(scene_id="1005", job="推广员", remark="推广佣金"))
        self.bills = WeChatBills(self.settings)
        self.notifications = Notifications(self.settings)
        self.program = MiniProgram(self.settings)
        self.shipping = WeChatShipping(self.settings, self.clock)
        self.messages = Messages(self.settings)

    def settings(self) -> WeChatSettings:
        return self.account

    def arrived(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        """Headers, with names in lower case as functions get them, and bodies of what the sandbox delivered."""
        return [(lower(received), received.body) for received in self.world.notified(path)]

    def paid(self, order_id: str, openid: str, total_fen: int) -> None:
        prepay_id = self.pay.create_prepay(order_id, "龙井", total_fen, openid, self.clock.now() + timedelta(hours=1))
        given = self.pay.payment_parameters(prepay_id)
        self.world.control(
            "POST",
            "/_pay",
            {
                "prepay_id": prepay_id,
                "openid": openid,
                "payment": {
                    "appId": given.app_id,
                    "timeStamp": given.time_stamp,
                    "nonceStr": given.nonce_str,
                    "package": given.package,
                    "signType": given.sign_type,
                    "paySign": given.pay_sign,
                },
            },
        )


def account(keys: SandboxKeys) -> WeChatSettings:
    """The sandbox's keys as the deployment's secret has them."""
    return WeChatSettings(
        appid=keys.appid,
        mchid=keys.mchid,
        app_secret=keys.app_secret,
        api_v3_key=keys.apiv3_key,
        merchant_private_key=keys.merchant_private_key,
        merchant_cert_serial=keys.merchant_serial,
        platform_public_key=keys.platform_public_key,
        platform_public_key_id=keys.platform_public_key_id,
        message_token=keys.message_token,
        message_aes_key=keys.encoding_aes_key,
    )


def lower(received: Received) -> dict[str, str]:
    return {name.lower(): value for name, value in received.headers.items()}


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("WECHAT_API_URL", world.url)
    monkeypatch.setenv("WECHAT_PAY_URL", world.url)
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://shop.example.invalid")
    miniprogram_api._library.cache_clear()
    with moto_tables():
        yield Shop(world)
    miniprogram_api._library.cache_clear()
