import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from fenxiao import wiring
from fenxiao.aws.clients import client
from fenxiao.wechat.bills import WeChatBills
from fenxiao.wechat.messages import Messages
from fenxiao.wechat.miniprogram import MiniProgram
from fenxiao.wechat.notification import Notifications
from fenxiao.wechat.pay import WeChatPay, WeChatRefunds
from fenxiao.wechat.shipping import WeChatShipping
from fenxiao.wechat.transfer import WeChatTransfers
from tests.unit.wechat.wechat_side import Platform, Server

pytestmark = pytest.mark.moto

FACTORIES = {
    wiring.pay: WeChatPay,
    wiring.refunds: WeChatRefunds,
    wiring.transfers: WeChatTransfers,
    wiring.bills: WeChatBills,
    wiring.shipping: WeChatShipping,
    wiring.notifications: Notifications,
    wiring.mini_program: MiniProgram,
    wiring.messages: Messages,
}


@pytest.fixture
def deployed(tables: None, platform: Platform, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment and the secret of a deployment."""
    secret = msgspec.json.encode(platform.settings).decode()
    answer = client("secretsmanager").create_secret(Name="wechat", SecretString=secret)
    monkeypatch.setenv("WECHAT_SECRET_ARN", answer["ARN"])
    for name, value in {"SCENE_ID": "1005", "JOB": "推广员", "REMARK": "推广佣金"}.items():
        monkeypatch.setenv(f"TRANSFER_{name}", value)
    yield
    for factory in FACTORIES:
        factory.cache_clear()


def test_each_adapter_is_built_once_from_the_deployments_settings(deployed: None) -> None:
    for factory, kind in FACTORIES.items():
        built = factory()
        assert type(built) is kind
        assert factory() is built


def test_adapters_read_their_keys_from_the_secret(deployed: None, platform: Platform, server: Server) -> None:
    assert wiring.pay().payment_parameters("wx20").app_id == platform.settings.appid
    body = wiring.transfers().build_body(out_bill_no="W1", openid="o", amount_fen=30, user_name_cipher=None)
    assert "推广员" in msgspec.json.decode(body)["transfer_scene_report_infos"][0].values()
    assert server.seen == []


def test_importing_the_adapters_imports_none_of_wechats_libraries() -> None:
    modules = sorted({kind.__module__ for kind in FACTORIES.values()})
    heavy = {"wechatpayv3", "wechatpy", "cryptography", "requests", "xmltodict"}
    program = f"import sys, {', '.join(modules)}; print(*sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "layers/fenxiao"},
        timeout=60,
    )
    assert found.stdout.split() == []
