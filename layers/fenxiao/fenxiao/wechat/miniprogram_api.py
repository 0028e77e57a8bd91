"""Calls of the mini-program's API through `wechatpy`, with the shared access token and our two errors.

`wechatpy` adds the token to every call whose parameters are a mapping; calls that must not carry one (login, the token
itself) give theirs as a sequence. Its exceptions are never passed on: addresses in them hold secrets.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from fenxiao.wechat.calls import TIMEOUT_SECONDS, repeated, unavailable
from fenxiao.wechat.errors import WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.settings import WeChatSettings, api_url
from fenxiao.wechat.token_store import TokenStore

_TOKEN_CODES: Final = frozenset({40001, 40014, 42001})
"""The access token is not (or no longer) good."""
_PASSING_CODES: Final = frozenset({-1, 40013, 40125, 40164, 45009, 45011, 10060012, 10060019})
"""Busy, over a quota, or our own credentials are refused: the request itself is none the worse for it."""

type _Parameters = Sequence[tuple[str, str]]


class _Wxa(Protocol):
    def get_wxa_code_unlimited(self, scene: str) -> object: ...


class MiniProgramLibrary(Protocol):
    """What is used of `wechatpy.WeChatClient`."""

    session: TokenStore
    access_token_key: str
    wxa: _Wxa

    def get(self, url: str, *, params: _Parameters) -> object:
        """GET without an access token."""
        ...

    def post(self, url: str, *, data: Mapping[str, object]) -> object:
        """POST JSON with the access token."""
        ...


def library(settings: WeChatSettings) -> MiniProgramLibrary:
    """Return the library's client for these settings; it is made anew only when they or the address have changed."""
    return _library(settings, api_url())


@lru_cache(maxsize=1)
def _library(settings: WeChatSettings, url: str) -> MiniProgramLibrary:
    from wechatpy import WeChatClient

    class Client(WeChatClient):  # type: ignore[misc] # the library has no types
        API_BASE_URL = f"{url}/"

        def fetch_access_token(self) -> None:
            """Fetch the stable token, which leaves other processes' tokens valid."""
            account = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
            answer = self.post("cgi-bin/stable_token", params=(), data=account)
            token = _convert(answer, _StableToken)
            self.session.set(self.access_token_key, token.access_token, token.expires_in)

    client = Client(
        settings.appid,
        settings.app_secret,
        session=TokenStore(settings.appid),
        timeout=TIMEOUT_SECONDS,
        auto_retry=False,
    )
    client.wxa.API_BASE_URL = client.API_BASE_URL
    typed: MiniProgramLibrary = client
    return typed


class MiniProgramApi:
    """The API's calls; each raises `WeChatUnavailableError` or, with WeChat's errcode, `WeChatRefusedError`."""

    def __init__(self, settings: Callable[[], WeChatSettings]) -> None:
        """Take where the settings are read from."""
        self.settings = settings

    def get_without_token[T](self, path: str, parameters: _Parameters, form: type[T]) -> T:
        """GET once, without an access token, and return the answer."""
        client = library(self.settings())
        return _convert(_call(lambda: client.get(path, params=parameters)), form)

    def post[T](self, path: str, body: Mapping[str, object], form: type[T]) -> T:
        """POST a body that may be sent again, and return the answer."""
        return repeated(lambda: self.post_once(path, body, form))

    def post_once[T](self, path: str, body: Mapping[str, object], form: type[T]) -> T:
        """POST a body that must not be sent again once WeChat may have acted on it, and return the answer."""
        client = library(self.settings())
        return _convert(_with_token(client, lambda: client.post(path, data=body)), form)

    def code_image(self, scene: str) -> bytes:
        """Return the picture of a mini-program code that opens the home page with this scene (`getwxacodeunlimit`)."""
        from requests import Response

        client = library(self.settings())
        answer = repeated(lambda: _with_token(client, lambda: client.wxa.get_wxa_code_unlimited(scene)))
        if not isinstance(answer, Response) or not answer.headers.get("Content-Type", "").startswith("image/"):
            raise unavailable("no picture")
        return answer.content


class _StableToken(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int


def _with_token(client: MiniProgramLibrary, send: Callable[[], object]) -> object:
    """Call; if WeChat refuses the access token, forget it and call once more with a new one."""
    try:
        return _call(send)
    except _TokenRefusedError:
        client.session.delete(client.access_token_key)
    try:
        return _call(send)
    except _TokenRefusedError:
        raise unavailable("a new access token is refused too") from None


class _TokenRefusedError(WeChatUnavailableError):
    """The access token is not good."""


def _call(send: Callable[[], object]) -> object:
    from requests import RequestException
    from wechatpy.exceptions import WeChatClientException

    errcode: int | None = None
    try:
        return send()
    except RequestException as error:
        reason = type(error).__name__
    except WeChatClientException as error:
        errcode = error.errcode
        reason = "http status" if errcode is None else f"errcode {errcode}"
    if errcode in _TOKEN_CODES:
        raise _TokenRefusedError
    if errcode is None or errcode in _PASSING_CODES:
        raise unavailable(reason)
    raise WeChatRefusedError(str(errcode))


def _convert[T](answer: object, form: type[T]) -> T:
    try:
        return msgspec.convert(answer, form)
    except msgspec.ValidationError:
        raise unavailable(f"not readable as {form.__name__}") from None
