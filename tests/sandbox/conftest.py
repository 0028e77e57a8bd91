import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infra.local.wechat_sandbox.keys import SandboxKeys, generate
from infra.local.wechat_sandbox.sandbox import Sandbox
from infra.local.wechat_sandbox.server import SandboxServer
from infra.local.wechat_sandbox.signing import Keyring

PAYMENTS_URL = "https://pay.example.invalid/wechat/notifications/payments"
REFUNDS_URL = "https://pay.example.invalid/wechat/notifications/refunds"
TRANSFERS_URL = "https://pay.example.invalid/wechat/notifications/transfers"
REPORTS = [
    {"info_type": "岗位类型", "info_content": "推广员"},
    {"info_type": "报酬说明", "info_content": "推广佣金"},
]


@dataclass
class Received:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """The merchant's API in these tests: it keeps what came and answers as it is told."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], tuple[int, bytes]] = lambda got: (200, b"success" if got.query else b"")
    changed: threading.Condition = field(default_factory=threading.Condition)

    def of(self, path: str) -> list[Received]:
        with self.changed:
            return [entry for entry in self.received if entry.path == path]


class _ReceiverHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        got = Received(
            parts.path.removeprefix("/stage"),
            dict(parse_qsl(parts.query)),
            {name: value for name, value in self.headers.items() if name != "Content-Length"},
            self.rfile.read(int(self.headers["Content-Length"])),
        )
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        with receiver.changed:
            receiver.received.append(got)
            status, body = receiver.answer(got)
            receiver.changed.notify_all()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@dataclass
class World:
    sandbox: Sandbox
    url: str
    receiver: Receiver
    wall_shift: list[timedelta]

    def call(self, method: str, path: str, body: object = None, raw: bytes | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=15)
        try:
            content = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
            connection.request(method, path, content)
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text
        finally:
            connection.close()

    def control(self, method: str, path: str, body: object = None) -> Any:
        status, answer = self.call(method, path, body)
        assert status == 200, answer
        return answer

    def user(self, name: str = "小李", **more: str) -> str:
        openid: str = self.control("POST", "/_users", {"name": name, **more})["openid"]
        return openid

    def advance(self, **time: float) -> Any:
        return self.control("POST", "/_clock/advance", {"seconds": int(timedelta(**time).total_seconds())})

    def idle(self) -> None:
        assert self.control("GET", "/_wait?idle=1&timeout_seconds=10")["idle"]

    def notified(self, path: str) -> list[Received]:
        self.idle()
        return self.receiver.of(path)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SandboxKeys:
    return generate(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def keyring(keys: SandboxKeys) -> Keyring:
    return Keyring(keys)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _ReceiverHandler)
    server.receiver = receiver = Receiver(f"http://127.0.0.1:{server.server_port}/stage")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def world(keyring: Keyring, receiver: Receiver) -> Iterator[World]:
    """A sandbox of its own with one delivery worker, so that deliveries have an order."""
    shift = [timedelta()]
    sandbox = Sandbox(keyring, wall=lambda: datetime.now(UTC) + shift[0], workers=1)
    server = SandboxServer(sandbox)
    sandbox.notifier.start()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    world = World(sandbox, server.url, receiver, shift)
    world.control("PUT", "/_config", {"api_url": receiver.url})
    yield world
    server.shutdown()
    thread.join()
    sandbox.notifier.stop()
    server.server_close()


class Merchant:
    """The merchant's side with the real Pay v3 client library."""

    def __init__(self, world: World, library: Any) -> None:
        self.world = world
        self.library = library
        library._core._gate_way = world.url

    def prepay(self, openid: str, number: str = "ORDER0001", total: int = 12_345, **more: object) -> tuple[int, Any]:
        return parsed(
            self.library.pay(
                description="红茶礼盒", out_trade_no=number, amount={"total": total}, payer={"openid": openid}, **more
            )
        )

    def paid(self, openid: str, number: str = "ORDER0001", total: int = 12_345) -> Any:
        """Return the transaction of an order that was placed and paid."""
        assert self.prepay(openid, number, total)[0] == 200
        return self.world.control("POST", "/_pay", {"out_trade_no": number, "openid": openid})

    def query(self, number: str = "ORDER0001") -> tuple[int, Any]:
        return parsed(self.library.query(out_trade_no=number))

    def refund(self, number: str = "REFUND1", fen: int = 345, total: int = 12_345, **more: object) -> tuple[int, Any]:
        wanted: dict[str, object] = {"out_trade_no": "ORDER0001", "notify_url": REFUNDS_URL, **more}
        amount = {"refund": fen, "total": total, "currency": "CNY"}
        return parsed(self.library.refund(out_refund_no=number, amount=amount, **wanted))

    def transfer(self, openid: str, number: str = "BILL1", fen: int = 1000, **more: object) -> tuple[int, Any]:
        wanted: dict[str, object] = {
            "transfer_scene_id": "1005",
            "transfer_remark": "佣金",
            "notify_url": TRANSFERS_URL,
            "transfer_scene_report_infos": REPORTS,
            **more,
        }
        return parsed(self.library.mch_transfer_bills(out_bill_no=number, openid=openid, transfer_amount=fen, **wanted))

    def query_transfer(self, number: str = "BILL1") -> tuple[int, Any]:
        return parsed(self.library.mch_transfer_bills_query(out_bill_no=number))

    def cancel_transfer(self, number: str = "BILL1") -> tuple[int, Any]:
        return parsed(self.library.mch_transfer_bills_cancel(number))

    def opened(self, received: Received) -> Any:
        """Return a notification that the library verified and decrypted."""
        content = self.library.callback(received.headers, received.body)
        assert content, "the library refused the notification"
        return content


def parsed(answer: tuple[int, str | bytes]) -> tuple[int, Any]:
    status, text = answer
    return status, json.loads(text) if text else None


@pytest.fixture(scope="session")
def library(keys: SandboxKeys) -> Any:
    """The client library, loaded once: it checks the private key, which takes a tenth of a second."""
    from wechatpayv3 import WeChatPay, WeChatPayType

    return WeChatPay(
        WeChatPayType.MINIPROG,
        keys.mchid,
        keys.merchant_private_key,
        keys.merchant_serial,
        keys.appid,
        keys.apiv3_key,
        notify_url=PAYMENTS_URL,
        timeout=(5, 15),
        public_key=keys.platform_public_key,
        public_key_id=keys.platform_public_key_id,
    )


@pytest.fixture
def merchant(world: World, library: Any) -> Merchant:
    return Merchant(world, library)
