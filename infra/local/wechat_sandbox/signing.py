"""The cryptography of both protocols: Pay v3 signatures and sealed resources, and the encrypted message push."""

import base64
import binascii
import hashlib
import re
import secrets
import string
import struct
from dataclasses import dataclass
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .keys import SandboxKeys

SCHEME = "WECHATPAY2-SHA256-RSA2048"
_NONCE_ALPHABET = string.ascii_letters + string.digits
_AUTHORIZATION_PART = re.compile(r'(\w+)="([^"]*)"')


def nonce_text(length: int = 32) -> str:
    """Return a random alphanumeric nonce."""
    return "".join(secrets.choice(_NONCE_ALPHABET) for _ in range(length))


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parts of a merchant's Authorization header."""

    mchid: str
    serial: str
    nonce: str
    timestamp: int
    signature: bytes


def parse_authorization(header: str) -> Authorization | None:
    """Return the parts of the header, or nothing if it has another scheme or form."""
    scheme, _, rest = header.partition(" ")
    parts = dict(_AUTHORIZATION_PART.findall(rest))
    try:
        return (
            Authorization(
                mchid=parts["mchid"],
                serial=parts["serial_no"],
                nonce=parts["nonce_str"],
                timestamp=int(parts["timestamp"]),
                signature=base64.b64decode(parts["signature"], validate=True),
            )
            if scheme == SCHEME
            else None
        )
    except (KeyError, ValueError):  # ValueError covers both a bad number and bad base64
        return None


class Keyring:
    """The loaded keys, with one method for each cryptographic act."""

    def __init__(self, keys: SandboxKeys) -> None:
        self.keys = keys
        self._merchant = cast("rsa.RSAPublicKey", serialization.load_pem_public_key(keys.merchant_public_key.encode()))
        self._platform = cast(
            "rsa.RSAPrivateKey", serialization.load_pem_private_key(keys.platform_private_key.encode(), password=None)
        )
        self._resource_cipher = AESGCM(keys.apiv3_key.encode())
        self._message_key = base64.b64decode(keys.encoding_aes_key + "=")

    def merchant_signed(self, text: str, signature: bytes) -> bool:
        """Say whether the merchant's key made this signature (RSA-SHA256, PKCS#1 v1.5)."""
        try:
            self._merchant.verify(signature, text.encode(), rsa_padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def platform_signature(self, text: str) -> str:
        """Return WeChat's signature of the text in base64."""
        return base64.b64encode(self._platform.sign(text.encode(), rsa_padding.PKCS1v15(), hashes.SHA256())).decode()

    def platform_headers(self, body: bytes, timestamp: int) -> dict[str, str]:
        r"""Return the Wechatpay headers that sign the body: `timestamp\nnonce\nbody\n`."""
        nonce = nonce_text()
        return {
            "Wechatpay-Serial": self.keys.platform_public_key_id,
            "Wechatpay-Signature": self.platform_signature(f"{timestamp}\n{nonce}\n{body.decode()}\n"),
            "Wechatpay-Signature-Type": SCHEME,
            "Wechatpay-Timestamp": str(timestamp),
            "Wechatpay-Nonce": nonce,
        }

    def seal_resource(self, plaintext: bytes, kind: str) -> dict[str, str]:
        """Return a notification's `resource` object: AES-256-GCM under the APIv3 key, the kind as associated data."""
        nonce = nonce_text(12)
        return {
            "original_type": kind,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(
                self._resource_cipher.encrypt(nonce.encode(), plaintext, kind.encode())
            ).decode(),
            "associated_data": kind,
            "nonce": nonce,
        }

    def open_sensitive(self, ciphertext: str) -> str | None:
        """Return a sensitive request field (RSA-OAEP with SHA-1, as WeChat has it), or nothing if it cannot be read."""
        scheme = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - wire format
        try:
            return self._platform.decrypt(base64.b64decode(ciphertext, validate=True), scheme).decode()
        except (ValueError, binascii.Error):
            return None

    def encrypt_message(self, xml: str) -> str:
        """Return the `Encrypt` value of a pushed message: 16 random bytes, length, XML and appid under AES-256-CBC."""
        content = xml.encode()
        padder = padding.PKCS7(256).padder()
        plain = secrets.token_bytes(16) + struct.pack(">I", len(content)) + content + self.keys.appid.encode()
        encryptor = Cipher(algorithms.AES(self._message_key), modes.CBC(self._message_key[:16])).encryptor()
        return base64.b64encode(
            encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
        ).decode()

    def message_query(self, encrypted: str, timestamp: int) -> dict[str, str]:
        """Return the query that signs a pushed message with the message token."""
        stamp, nonce = str(timestamp), nonce_text(10)
        return {
            "signature": _sha1_of_sorted(self.keys.message_token, stamp, nonce),
            "timestamp": stamp,
            "nonce": nonce,
            "encrypt_type": "aes",
            "msg_signature": _sha1_of_sorted(self.keys.message_token, stamp, nonce, encrypted),
        }


def _sha1_of_sorted(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()
