import struct
import zlib
from datetime import timedelta
from typing import Any

import pytest

from .conftest import World


def mini_program(world: World, **more: Any) -> Any:
    """Return wechatpy's client as a product would point it at another host."""
    from wechatpy.client import WeChatClient
    from wechatpy.client.api import WeChatWxa

    class Wxa(WeChatWxa):  # type: ignore[misc]
        API_BASE_URL = world.url + "/"

    class Client(WeChatClient):  # type: ignore[misc]
        API_BASE_URL = world.url + "/"
        wxa = Wxa()

        def fetch_access_token(self) -> Any:
            query = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
            return self._fetch_access_token(url=f"{world.url}/cgi-bin/token", params=query)

    keys = world.sandbox.keys
    return Client(
        more.pop("appid", keys.appid), more.pop("secret", keys.app_secret), auto_retry=False, timeout=10, **more
    )


@pytest.fixture
def client(world: World) -> Any:
    return mini_program(world)


def refused(call: Any, *args: Any, **more: Any) -> int:
    from wechatpy.exceptions import WeChatClientException

    with pytest.raises(WeChatClientException) as caught:
        call(*args, **more)
    code: int = caught.value.errcode
    return code


def login_code(world: World, name: str = "小李") -> str:
    code: str = world.control("POST", "/_login_codes", {"name": name})["code"]
    return code


def stable(client: Any, *, force_refresh: bool = False) -> Any:
    body = {
        "grant_type": "client_credential",
        "appid": client.appid,
        "secret": client.secret,
        "force_refresh": force_refresh,
    }
    return client.post("cgi-bin/stable_token", data=body, params={"access_token": ""})


def test_login_code_gives_the_same_user_each_time_and_works_once(world: World, client: Any) -> None:
    code = login_code(world)
    first = client.wxa.code_to_session(code)
    assert refused(client.wxa.code_to_session, code) == 40163
    again = client.wxa.code_to_session(login_code(world))
    assert first["openid"] == again["openid"] == world.user()
    assert first["unionid"] == again["unionid"]
    assert first["session_key"] != again["session_key"]
    assert client.wxa.code_to_session(login_code(world, "小王"))["openid"] != first["openid"]


def test_login_code_lives_five_minutes_of_wall_time(world: World, client: Any) -> None:
    codes = login_code(world), login_code(world)
    world.advance(days=1)
    client.wxa.code_to_session(codes[0])
    world.wall_shift[0] = timedelta(minutes=5)
    assert refused(client.wxa.code_to_session, codes[1]) == 40029


def test_wrong_app_secret_or_code_is_refused(world: World, client: Any) -> None:
    assert refused(client.wxa.code_to_session, "nonsense") == 40029
    assert refused(client.wxa.code_to_session, "") == 41008
    for more, errcode in (({"appid": "wxother"}, 40013), ({"secret": "other"}, 40125)):
        other = mini_program(world, access_token="unused", **more)
        assert refused(other.wxa.code_to_session, login_code(world)) == errcode
        assert refused(other.fetch_access_token) == errcode
        assert refused(stable, other) == errcode


def test_stable_token_is_shared_until_a_forced_refresh(world: World, client: Any) -> None:
    token = stable(client)["access_token"]
    assert stable(client)["access_token"] == token
    other = mini_program(world, access_token=token)
    assert other.post("wxa/msg_sec_check", data=check(world, "好茶"))["errcode"] == 0
    assert client.fetch_access_token()["access_token"] != token
    assert other.post("wxa/msg_sec_check", data=check(world, "好茶"))["errcode"] == 0
    assert stable(client, force_refresh=True)["access_token"] != token
    assert refused(other.post, "wxa/msg_sec_check", data=check(world, "好茶")) == 42001


def test_tokens_expire_in_wall_time_and_unknown_ones_are_refused(world: World) -> None:
    client = mini_program(world)
    assert refused(mini_program(world, access_token="x").post, "wxa/msg_sec_check", data={}) == 40001
    assert client.fetch_access_token()["expires_in"] == 7200
    world.advance(days=1)
    assert client.post("wxa/msg_sec_check", data=check(world, "好茶"))["errcode"] == 0
    world.wall_shift[0] = timedelta(seconds=7201)
    assert refused(client.post, "wxa/msg_sec_check", data=check(world, "好茶")) == 42001
    assert world.call("POST", "/wxa/msg_sec_check", {})[1]["errcode"] == 41001


def test_phone_number_is_traded_for_a_code_once(world: World, client: Any) -> None:
    code = world.control("POST", "/_phone_codes", {"name": "小李", "phone": "13800001111"})["code"]
    answer = client.post("wxa/business/getuserphonenumber", data={"code": code})
    assert answer["phone_info"]["purePhoneNumber"] == "13800001111"
    assert answer["phone_info"]["watermark"]["appid"] == client.appid
    assert refused(client.post, "wxa/business/getuserphonenumber", data={"code": code}) == 40163
    assert refused(client.post, "wxa/business/getuserphonenumber", data={"code": login_code(world)}) == 40029


def check(world: World, content: str, **more: Any) -> dict[str, Any]:
    return {"version": 2, "scene": 2, "openid": world.user(), "content": content, **more}


@pytest.mark.parametrize(("content", "suggest"), [("好茶", "pass"), ("一起赌博吧", "risky"), ("加微信详谈", "review")])
def test_content_is_judged_by_words(world: World, client: Any, content: str, suggest: str) -> None:
    assert client.post("wxa/msg_sec_check", data=check(world, content))["result"]["suggest"] == suggest


def test_words_are_knobs_and_the_nickname_counts(world: World, client: Any) -> None:
    world.control("PUT", "/_knobs", {"risky_words": ["红茶"]})
    answer = client.post("wxa/msg_sec_check", data=check(world, "好", nickname="红茶王"))
    assert answer["result"] == {"suggest": "risky", "label": 20006}


@pytest.mark.parametrize(
    ("changed", "errcode"),
    [
        ({"content": "长" * 2501}, 45002),
        ({"openid": "oNobody"}, 40003),
        ({"scene": 5}, 47001),
        ({"version": 1}, 47001),
    ],
)
def test_wrong_content_checks_are_refused(world: World, client: Any, changed: dict[str, Any], errcode: int) -> None:
    assert refused(client.post, "wxa/msg_sec_check", data={**check(world, "好"), **changed}) == errcode


def pixels(png: bytes) -> tuple[int, int]:
    """Return the size of a PNG after checking every chunk and its image data."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    position, image, size = 8, b"", (0, 0)
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        kind, data = png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", png, position + 8 + length)[0] == zlib.crc32(kind + data)
        size = struct.unpack_from(">II", data) if kind == b"IHDR" else size
        image += data if kind == b"IDAT" else b""
        position += 12 + length
    assert len(zlib.decompress(image)) == size[1] * (size[0] + 1)
    return size


def test_mini_program_code_is_a_picture_of_its_scene(client: Any) -> None:
    first = client.wxa.get_wxa_code_unlimited("m=AB12cd", page="pages/index", width=280)
    assert first.headers["Content-Type"] == "image/png"
    assert pixels(first.content) == (280, 280)
    assert pixels(client.wxa.get_wxa_code_unlimited("m=AB12cd").content) == (430, 430)
    assert client.wxa.get_wxa_code_unlimited("m=other", page="pages/index", width=280).content != first.content


@pytest.mark.parametrize("scene", ["", "s" * 33, "有中文", "a b", "a%20b"])
def test_scene_of_a_code_is_short_and_plain(client: Any, scene: str) -> None:
    assert refused(client.wxa.get_wxa_code_unlimited, scene) == 40169


def test_page_of_a_code_has_no_leading_slash_or_query(client: Any) -> None:
    assert refused(client.wxa.get_wxa_code_unlimited, "a", page="/pages/index") == 41030
    assert refused(client.wxa.get_wxa_code_unlimited, "a", page="pages/index?x=1") == 41030
    assert refused(client.wxa.get_wxa_code_unlimited, "a", width=100) == 47001
