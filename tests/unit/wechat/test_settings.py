import pytest

from fenxiao.wechat import settings
from fenxiao.wechat.gateway import library
from tests.unit.wechat.wechat_side import Platform, Server


def test_addresses_are_wechats_unless_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WECHAT_API_URL", raising=False)
    monkeypatch.delenv("WECHAT_PAY_URL", raising=False)
    assert settings.api_url() == "https://api.weixin.qq.com"
    assert settings.pay_url() == "https://api.mch.weixin.qq.com"


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://127.0.0.1.example.com", "ftp://127.0.0.1:1", ""])
def test_secrets_are_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("WECHAT_API_URL", url)
    with pytest.raises(RuntimeError):
        settings.api_url()


def test_notifications_are_wanted_by_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://shop.example.invalid/v1/")
    assert settings.notify_url("refunds") == "https://shop.example.invalid/v1/wechat/notifications/refunds"
    monkeypatch.setenv("PUBLIC_BASE_URL", "http://shop.example.invalid")
    with pytest.raises(RuntimeError):
        settings.notify_url("refunds")


def test_keys_are_not_in_the_text_of_the_settings(platform: Platform) -> None:
    text = f"{platform.settings} {platform.settings!r}"
    for name in ("app_secret", "api_v3_key", "merchant_private_key", "message_token", "message_aes_key"):
        assert getattr(platform.settings, name) not in text


def test_client_is_built_without_a_call_and_again_only_for_other_settings(platform: Platform, server: Server) -> None:
    one = library(platform.settings)
    assert library(platform.settings) is one
    other = Platform.make().settings
    assert library(other) is not one
    assert server.seen == []
