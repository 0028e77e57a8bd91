"""WeChat's side, with keys of its own: it signs, seals and answers as a test wants it."""

import base64
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fenxiao.wechat.settings import WeChatSettings

SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"


def private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@dataclass(frozen=True)
class Platform:
    """WeChat's keys and the merchant's settings that go with them."""

    merchant: rsa.RSAPrivateKey
    wechat: rsa.RSAPrivateKey
    settings: WeChatSettings

    @classmethod
    def make(cls) -> "Platform":
        merchant = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        wechat = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = wechat.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        settings = WeChatSettings(
            appid="wx0123456789abcdef",
            mchid="1900000109",
            app_secret=secrets.token_hex(16),
            api_v3_key=secrets.token_hex(16),
            merchant_private_key=private_pem(merchant),
            merchant_cert_serial="5157F09EFDC096DE15EBE81A47057A72",
            platform_public_key=public.decode(),
            platform_public_key_id="PUB_KEY_ID_0119000001092024000000000001",
            message_token="message-token",
            message_aes_key=base64.b64encode(bytes(range(32))).decode().rstrip("="),
        )
        return cls(merchant, wechat, settings)

    def headers(self, body: bytes, timestamp: float | None = None) -> dict[str, str]:
        """Signed headers, names in lower case as functions get them."""
        stamp, nonce = str(int(time.time() if timestamp is None else timestamp)), secrets.token_hex(16)
        signed = f"{stamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self.wechat.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return {
            "wechatpay-serial": self.settings.platform_public_key_id,
            "wechatpay-signature-type": SIGNATURE_TYPE,
            "wechatpay-timestamp": stamp,
            "wechatpay-nonce": nonce,
            "wechatpay-signature": base64.b64encode(signature).decode(),
        }

    def notification(self, event_type: str, resource: Mapping[str, object], **envelope: object) -> bytes:
        nonce = secrets.token_hex(6)
        sealed = AESGCM(self.settings.api_v3_key.encode()).encrypt(nonce.encode(), json.dumps(resource).encode(), b"x")
        content = {
            "id": "1",
            "event_type": event_type,
            "resource_type": "encrypt-resource",
            "resource": {
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(sealed).decode(),
                "associated_data": "x",
                "nonce": nonce,
            },
            **envelope,
        }
        return json.dumps(content, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Seen:
    """A request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        content: dict[str, object] = json.loads(self.body)
        return content


@dataclass(frozen=True)
class Reply:
    """An answer to give; `None` as status closes the connection without one, `after` holds the answer back."""

    status: int | None = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: threading.Event | None = None


@dataclass
class Server:
    """A loopback server that gives the prepared answers in order and remembers what was asked."""

    url: str = ""
    replies: deque[Reply] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    default: Callable[[Seen], Reply] | None = None

    def reply(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.replies.append(Reply(status, body, {"Content-Type": "application/json", **(headers or {})}))

    def take(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        if self.replies:
            return self.replies.popleft()
        assert self.default is not None, f"nothing prepared for {seen.method} {seen.target}"
        return self.default(seen)


@contextmanager
def running_server() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            reply = server.take(Seen(self.command, self.path, dict(self.headers.items()), body))
            if reply.after is not None:
                reply.after.wait(timeout=10)
            if reply.status is None:
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815 - the base class's way

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
