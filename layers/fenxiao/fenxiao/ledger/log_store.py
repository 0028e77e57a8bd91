"""The sealed log: tiles and signed checkpoints in S3 (`EVIDENCE_BUCKET`), and the key that signs, in KMS.

`tile/<level>/<index>` and `tile/<level>/<index>.p/<width>` are tiles, `checkpoint/<YYYY-MM-DD>.json` is the one
checkpoint that was signed on a Shanghai day. Objects are put once and never again: each put requires that nothing
stands there, and the bucket locks what was put.
"""

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import Any, Final

import msgspec
from botocore.exceptions import ClientError

from fenxiao.aws.clients import client
from fenxiao.aws.dynamodb import back_off
from fenxiao.errors import BusyError
from fenxiao.ledger.evidence import SignedCheckpoint
from fenxiao.ledger.merkle import HASH_BYTES
from fenxiao.ledger.tiles import Tile

_CHECKPOINTS: Final = "checkpoint/"
_MAX_ATTEMPTS: Final = 5
_MAX_CHECKPOINT_BYTES: Final = 4096
_ALGORITHM: Final = "ECDSA_SHA_256"
_SIGNATURE_REFUSED: Final = "KMSInvalidSignatureException"


class LogMismatchError(Exception):
    """What is stored of the log contradicts itself, what was signed, or what is to be added; nothing may be signed."""


class LogStore:
    """Puts and reads of tiles and checkpoints."""

    def __init__(self, bucket: str) -> None:
        """Take the bucket's name."""
        self._bucket = bucket

    def tile(self, tile: Tile) -> bytes:
        """Return a tile's hashes.

        Raises:
            LogMismatchError: it is not there, or not of its length.
        """
        hashes = self._get(tile.name, tile.width * HASH_BYTES)
        if hashes is None or len(hashes) != tile.width * HASH_BYTES:
            raise LogMismatchError(f"{tile.name} is missing or damaged")
        return hashes

    def put_tile(self, tile: Tile, hashes: bytes) -> None:
        """Put a tile; one that stands there already must be the same.

        Raises:
            LogMismatchError: another one stands there.
            BusyError: others were putting it all the time.
        """
        if not self._put(tile.name, hashes) and self.tile(tile) != hashes:
            raise LogMismatchError(f"another {tile.name} stands there")

    def latest(self) -> tuple[date, SignedCheckpoint] | None:
        """Return the last day's checkpoint, as it stands there; `None` before the first.

        Raises:
            LogMismatchError: it has not the form of one.
        """
        last = max(self._checkpoint_names(), default=None)
        if last is None:
            return None
        try:
            day = date.fromisoformat(last.removeprefix(_CHECKPOINTS).removesuffix(".json"))
            content = self._get(last, _MAX_CHECKPOINT_BYTES) or b""
            return day, msgspec.json.decode(content, type=SignedCheckpoint, strict=True)
        except (ValueError, msgspec.DecodeError) as error:
            raise LogMismatchError(f"{last} is no checkpoint") from error

    def put_checkpoint(self, day: date, signed: SignedCheckpoint) -> bool:
        """Put a day's checkpoint; false if the day has one, which then stays."""
        return self._put(f"{_CHECKPOINTS}{day.isoformat()}.json", msgspec.json.encode(signed))

    def _checkpoint_names(self) -> Iterator[str]:
        """Yield the names of all checkpoints; one request lists those of 1000 days."""
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=_CHECKPOINTS)
        for page in pages:
            for one in page.get("Contents", []):
                yield one["Key"]

    def _get(self, name: str, limit: int) -> bytes | None:
        """Return an object's content, at most one byte more than the limit."""
        try:
            answer = client("s3").get_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            raise
        content: bytes = answer["Body"].read(limit + 1)
        return content

    def _put(self, name: str, content: bytes) -> bool:
        """Put an object where none stands; tell whether it was put."""
        for attempt in range(_MAX_ATTEMPTS):
            try:
                client("s3").put_object(Bucket=self._bucket, Key=name, Body=content, IfNoneMatch="*")
            except ClientError as error:
                match _code(error):
                    case "PreconditionFailed":
                        return False
                    case "ConditionalRequestConflict":  # somebody else puts it at this very moment
                        back_off(attempt)
                    case _:
                        raise
            else:
                return True
        raise BusyError


class LogKey:
    """The key pair that signs checkpoints; its private half never leaves KMS."""

    def __init__(self, key_id: str) -> None:
        """Take the key's id or ARN in KMS."""
        self._key_id = key_id

    @cached_property
    def public_der(self) -> bytes:
        """Return the public key as DER SubjectPublicKeyInfo; KMS is asked once per process."""
        public: bytes = client("kms").get_public_key(KeyId=self._key_id)["PublicKey"]
        return public

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message of up to 4096 bytes, in DER."""
        answer = client("kms").sign(MessageType="RAW", Message=message, **self._with_key())
        signature: bytes = answer["Signature"]
        return signature

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Tell whether the signature is this key's of that message."""
        if not signature:  # which KMS would take for a mistake of the caller's
            return False
        try:
            answer = client("kms").verify(MessageType="RAW", Message=message, Signature=signature, **self._with_key())
        except ClientError as error:
            if _code(error) == _SIGNATURE_REFUSED:
                return False
            raise
        return bool(answer["SignatureValid"])

    def _with_key(self) -> dict[str, Any]:
        return {"KeyId": self._key_id, "SigningAlgorithm": _ALGORITHM}


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
