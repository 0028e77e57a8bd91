"""Everyone's keys: the merchant's, WeChat's, and those of the mini-program's message push."""

import base64
import json
import os
import secrets
import string
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_FILE_NAME = "keys.json"
_RSA_BITS = 2048
_ALPHANUMERIC = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True, repr=False)
class SandboxKeys:
    """One merchant with one mini-program, and WeChat's own key pair; private keys and public keys are PEM text.

    Each side's private key is its own secret: the merchant must not be given `platform_private_key`, and the sandbox
    works without `merchant_private_key`.
    """

    appid: str
    app_secret: str
    original_id: str
    mchid: str
    merchant_serial: str
    merchant_private_key: str
    merchant_public_key: str
    platform_private_key: str
    platform_public_key: str
    platform_public_key_id: str
    apiv3_key: str
    message_token: str
    encoding_aes_key: str


def generate(directory: Path) -> SandboxKeys:
    """Return the keys kept in the directory, creating them the first time; two callers at once get the same keys.

    Raises:
        ValueError: the file exists but does not hold the keys.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / _FILE_NAME
    if not path.exists():
        draft = directory / f".{_FILE_NAME}.{secrets.token_hex(8)}"
        draft.write_text(json.dumps(asdict(_fresh()), indent=1), encoding="utf-8")
        draft.chmod(0o600)
        try:
            os.link(draft, path)  # fails where a rename would overwrite the keys somebody just made
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return _read(path)


def _read(path: Path) -> SandboxKeys:
    values: object = json.loads(path.read_text(encoding="utf-8"))
    names = {entry.name for entry in fields(SandboxKeys)}
    if not isinstance(values, dict) or set(values) != names or not all(isinstance(v, str) for v in values.values()):
        raise ValueError(f"{path} does not hold the sandbox's keys; remove it to create new ones")
    return SandboxKeys(**cast("dict[str, str]", values))


def _fresh() -> SandboxKeys:
    merchant = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    platform = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    mchid = "16" + _digits(8)
    return SandboxKeys(
        appid="wx" + secrets.token_hex(8),
        app_secret=secrets.token_hex(16),
        original_id="gh_" + secrets.token_hex(6),
        mchid=mchid,
        merchant_serial=secrets.token_hex(20).upper(),
        merchant_private_key=_private_pem(merchant),
        merchant_public_key=_public_pem(merchant),
        platform_private_key=_private_pem(platform),
        platform_public_key=_public_pem(platform),
        platform_public_key_id=f"PUB_KEY_ID_01{mchid}{_digits(22)}",
        apiv3_key=_alphanumeric(32),
        message_token=_alphanumeric(24),
        encoding_aes_key=_encoding_aes_key(),
    )


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def _digits(count: int) -> str:
    return "".join(secrets.choice(string.digits) for _ in range(count))


def _alphanumeric(count: int) -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(count))


def _encoding_aes_key() -> str:
    """Return 43 alphanumeric characters that are the base64 of 32 bytes without the padding."""
    while True:  # one draw in four has neither + nor /, so this ends soon
        text = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        if text.isalnum():
            return text
