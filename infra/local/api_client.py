"""A small client of the deployed API and of the sandbox, for the seed, the demo and the tests of the stack."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPMethod
from typing import Any, Final

import requests

TIMEOUT_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.1
_UNAUTHENTICATED: Final = 401


class ApiError(Exception):
    """An answer that was not a success: its status and its problem document."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {body.get('code', '')} {body.get('title', '')} {body.get('detail', '')}")
        self.status = status
        self.code = str(body.get("code", ""))
        self.body = body


def send(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
    """Send a JSON request and return the decoded answer, `None` when it is empty.

    Raises:
        ApiError: the status is not a success.
    """
    answer = _session.request(method, url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)
    content = answer.json() if answer.content and "json" in answer.headers.get("Content-Type", "") else None
    if not answer.ok:
        raise ApiError(answer.status_code, content or {"detail": answer.text[:500]})
    return content


_session: Final = requests.Session()


@dataclass
class Caller:
    """Somebody who calls the API: signs in when needed, and again when the token has expired."""

    api_url: str
    sign_in: Callable[[], str]
    """Signs in and returns an access token."""
    token: str = field(default="", repr=False)

    def call(self, method: HTTPMethod, path: str, body: object = None, key: str | None = None) -> Any:
        """Call an operation; `key` is the idempotency key.

        Raises:
            ApiError: the operation refused.
        """
        for attempt in (1, 2):
            if not self.token:
                self.token = self.sign_in()
            headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
            try:
                return send(method, self.api_url + path, body, headers)
            except ApiError as error:
                if error.status != _UNAUTHENTICATED or attempt > 1:
                    raise
                self.token = ""
        raise AssertionError("unreachable")

    def get(self, path: str) -> Any:
        """Read."""
        return self.call(HTTPMethod.GET, path)

    def post(self, path: str, body: object = None, key: str | None = None) -> Any:
        """Create or act."""
        return self.call(HTTPMethod.POST, path, body, key)


@dataclass(frozen=True)
class Sandbox:
    """WeChat as the sandbox plays it."""

    url: str

    def control(self, path: str, body: object = None) -> Any:
        """Use one of the sandbox's controls."""
        return send("POST", self.url + path, body if body is not None else {})

    def login_code(self, name: str) -> str:
        """Return what `wx.login` would give this person."""
        return str(self.control("/_login_codes", {"name": name})["code"])

    def put_knobs(self, knobs: Mapping[str, object]) -> None:
        """Change how the sandbox behaves."""
        send("PUT", f"{self.url}/_knobs", knobs)

    def advance(self, seconds: int) -> Any:
        """Move the test clock; returns when everything that fell due has been run."""
        return self.control("/_clock/advance", {"seconds": seconds})

    def pay(self, parameters: Mapping[str, str]) -> None:
        """Play `wx.requestPayment` with the parameters that the prepay answered."""
        names = {
            "app_id": "appId",
            "time_stamp": "timeStamp",
            "nonce_str": "nonceStr",
            "package": "package",
            "sign_type": "signType",
            "pay_sign": "paySign",
        }
        payment = {names[name]: value for name, value in parameters.items()}
        self.control("/_pay", {"prepay_id": parameters["package"].removeprefix("prepay_id="), "payment": payment})


def member(api_url: str, sandbox: Sandbox, name: str) -> Caller:
    """Return a mini-program user of that name."""

    def sign_in() -> str:
        return str(send("POST", f"{api_url}/sessions", {"code": sandbox.login_code(name)})["access_token"])

    return Caller(api_url, sign_in)


def staff(api_url: str, staff_id: str, sign_in_key: str) -> Caller:
    """Return a staff member."""

    def sign_in() -> str:
        body = {"staff_id": staff_id, "sign_in_key": sign_in_key}
        return str(send("POST", f"{api_url}/staff/sessions", body)["access_token"])

    return Caller(api_url, sign_in)


def idempotency_key() -> str:
    """Return a fresh key."""
    return secrets.token_hex(12)


def wait_for[T](what: str, look: Callable[[], T | None], timeout_seconds: float = 30) -> T:
    """Look until there is something to see.

    Raises:
        TimeoutError: there was nothing in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_seconds:.0f} s in vain for {what}")
        time.sleep(_POLL_SECONDS)
